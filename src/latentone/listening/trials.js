// What a listener does in one step. `note(name, value)` keeps an answer.

const WORDS = ["Bad", "Poor", "Fair", "Good", "Excellent"];

function soundButton(player, sound, label) {
  return make("button", {
    type: "button", class: "sound-key", "data-key": sound.key, "aria-pressed": "false",
    "aria-keyshortcuts": sound.key.toLowerCase(), onclick: () => player.select(sound.id),
  }, label);
}

function describe(sound) {
  if (sound.key === "R") return "Reference";
  return sound.key;
}

function ratingRow(player, sound, answer, note) {
  const known = answer.ratings?.[sound.id];
  const value = make("output", { class: "value" }, known === undefined ? "–" : String(known));
  const keep = () => {
    slider.classList.remove("unrated");
    value.textContent = slider.value;
    slider.setAttribute("aria-valuetext", `${slider.value}, ${wordOf(slider.value)}`);
    note("ratings", { ...answer.ratings, [sound.id]: Number(slider.value) });
  };
  const slider = make("input", {
    type: "range", min: 0, max: 100, step: 1, value: known ?? 50,
    class: known === undefined ? "rating unrated" : "rating",
    "aria-label": `Rating of ${sound.key}`,
    "aria-valuetext": known === undefined ? "not rated yet" : `${known}, ${wordOf(known)}`,
    oninput: keep, onpointerup: keep,
  });
  return make("div", { class: "row" }, soundButton(player, sound, sound.key), slider, value);
}

function wordOf(value) {
  return WORDS[Math.min(4, Math.floor(Number(value) / 20))].toLowerCase();
}

function mushraStep(test, step, player, answer, note) {
  const sounds = soundsOf(step);
  const reference = sounds.find((s) => s.id === "reference");
  const rated = sounds.filter((s) => s !== reference);
  return make("div", { class: "mushra" },
    make("div", { class: "row first" }, soundButton(player, reference, "R"),
      make("span", { class: "quiet" }, "the reference. One of the sounds below is the same: give it 100.")),
    make("div", { class: "row words", "aria-hidden": "true" }, make("span"),
      make("div", { class: "scale" }, ...WORDS.map((word) => make("span", {}, word))), make("span")),
    ...rated.map((sound) => ratingRow(player, sound, answer, note)));
}

function choiceStep(test, step, player, answer, note) {
  const sounds = soundsOf(step);
  const options = step.sounds.map((id, i) => {
    const key = String.fromCharCode(65 + i);
    return [id, test.kind === "abx" ? `X is ${key}` : key];
  });
  if (test.ties && test.kind !== "abx") options.splice(1, 0, ["none", "No difference"]);
  return make("div", { class: "pairing" },
    make("div", { class: "keys" }, ...sounds.map((s) => soundButton(player, s, describe(s)))),
    radios(test.task, options, answer.choice, (value) => note("choice", value)));
}

function questionStep(test, step, player, answer, note) {
  const [sound] = soundsOf(step);
  const reply = (i, value) => {
    const replies = test.questions.map((_, q) => answer.replies?.[q] ?? "");
    replies[i] = value;
    note("replies", replies);
  };
  return make("div", { class: "questions" },
    make("div", { class: "keys" }, soundButton(player, sound, "Listen")),
    ...test.questions.map((question, i) => {
      const given = answer.replies?.[i];
      if (question.kind === "open") {
        const field = make("textarea", {
          id: `question-${i}`, rows: 3, oninput: () => reply(i, field.value),
        });
        field.value = given ?? "";
        return make("p", { class: "field" },
          make("label", { for: `question-${i}` }, question.text), field);
      }
      const steps = [1, 2, 3, 4, 5].map((n) => [n, String(n)]);
      return make("div", { class: "field" }, make("span", { class: "label" }, question.text),
        radios(question.text, steps, given, (value) => reply(i, value), "choices five"),
        question.low || question.high
          ? make("div", { class: "poles" }, make("span", {}, question.low),
              make("span", {}, question.high))
          : null);
    }));
}

function stepNode(test, step, player, answer, note) {
  const build = { mushra: mushraStep, questions: questionStep }[test.kind] ?? choiceStep;
  return build(test, step, player, answer, note);
}
