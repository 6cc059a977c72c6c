// Each page of the test, from who listens to the result.

function show(title, ...children) {
  leave();
  leave = () => {};
  const heading = make("h1", { tabindex: "-1" }, title);
  page.replaceChildren(
    make("p", { class: "over" }, test.title),
    heading, ...children.filter(Boolean),
    remembered ? "" : make("p", { class: "warn" },
      "This browser keeps nothing: stay on this page until the end."));
  window.scrollTo(0, 0);
  heading.focus({ preventScroll: true });
}

function showStart() {
  const name = make("input", {
    type: "text", id: "name", autocomplete: "off", maxlength: 80, value: state.listener.id,
    oninput: () => { state.listener.id = name.value.trim(); save(); },
  });
  const problem = make("p", { class: "warn", role: "alert" });
  const count = plan.steps.length;
  show("Before you listen",
    make("p", { class: "lead" }, test.task),
    make("p", {}, `${count} ${count === 1 ? "page" : "pages"} of sounds. `
      + "Take headphones if you can, and a quiet room. Answers stay in this browser until you send "
      + "them: you may close the page and come back."),
    test.lufs === null ? null : make("p", { class: "quiet" },
      "All sounds were brought to one loudness; judge anything but how loud they are."),
    make("p", { class: "field" }, make("label", { for: "name" }, "Your name, or any other mark"), name),
    make("div", { class: "field" }, make("span", { class: "label" }, "You listen with"),
      radios("You listen with", [["yes", "headphones"], ["no", "loudspeakers"]],
        state.listener.headphones === null ? null : state.listener.headphones ? "yes" : "no",
        (value) => { state.listener.headphones = value === "yes"; save(); })),
    problem,
    make("p", { class: "actions" }, make("button", {
      type: "button", class: "next",
      onclick: () => {
        const missing = [];
        if (!state.listener.id) missing.push("your name, or any other mark");
        if (state.listener.headphones === null) missing.push("what you listen with");
        problem.textContent = missing.length ? `Please say ${missing.join(", and ")}.` : "";
        if (missing.length) return;
        state.started ??= new Date().toISOString();
        go("practice");
      },
    }, "Continue")));
}

function keysHelp(step) {
  const keys = soundsOf(step).map((s) => s.key);
  return make("p", { class: "keys-help quiet small" },
    keys.length > 1 ? `Keys: ${keys.join(" ")} switch, space plays and stops.`
      : "The space bar plays and stops.");
}

// Transport and task of a step, once its sounds are decoded.
async function stepInto(place, step, next, answer, note) {
  place.replaceChildren(make("p", { class: "quiet", role: "status" }, "Loading sounds ..."));
  let buffers;
  try {
    buffers = await loadStep(step, next);
  } catch (error) {
    if (place.isConnected) {
      place.replaceChildren(make("p", { class: "warn", role: "alert" },
        `The sounds cannot be played: ${error.message}`));
    }
    return;
  }
  if (!place.isConnected) return;
  current = step;
  player.setSounds(buffers);
  player.first = step.reference ? "reference" : step.sounds[0];
  const select = player.select.bind(player);
  player.counted = (id) => note("plays", { ...answer.plays, [id]: (answer.plays?.[id] ?? 0) + 1 });
  player.select = (id) => {
    player.context.resume();
    const same = player.playing && player.active === id;
    select(id);
    if (!same) player.counted(id);
  };
  leave = () => { player.select = select; };
  place.replaceChildren(transport(player), stepNode(test, step, player, answer, note),
    keysHelp(step));
}

function showPractice() {
  const step = plan.practice;
  const answer = {};
  const place = make("div", { class: "place" });
  const volume = make("input", {
    type: "range", id: "volume", min: 5, max: 100, value: state.volume,
    oninput: () => {
      state.volume = Number(volume.value);
      player.setVolume(gainOf(state.volume));
      save();
    },
  });
  show("Volume and practice",
    make("p", {}, "Play a sound, set the volume so that it is comfortable, and leave it there. "
      + "Then try the page as long as you like: nothing here counts."),
    make("p", { class: "field volume" }, make("label", { for: "volume" }, "Volume"), volume),
    make("h2", { class: "task" }, test.task), place,
    make("p", { class: "actions" },
      make("button", { type: "button", onclick: () => go("start") }, "Back"),
      make("button", { type: "button", class: "next", onclick: () => go(resume()) },
        "Start the test")));
  stepInto(place, step, plan.steps[0], answer, (name, value) => { answer[name] = value; });
}

// The first step that is not finished.
function resume() {
  const open = plan.steps.findIndex((step, i) => lacking(test, step, state.answers[i] || {}).length);
  return open < 0 ? "end" : open;
}

function showStep(index) {
  const step = plan.steps[index];
  const answer = (state.answers[index] ??= {});
  const place = make("div", { class: "place" });
  const status = make("p", { class: "quiet small status", role: "status" });
  let since = Date.now();
  const note = (name, value) => {
    answer[name] = value;
    answer.time = new Date().toISOString();
    answer.seconds = Math.round(10 * (answer.seconds ?? 0) + (Date.now() - since) / 100) / 10;
    since = Date.now();
    save();
    update();
  };
  const next = make("button", {
    type: "button", class: "next",
    onclick: () => {
      const missing = lacking(test, step, answer);
      if (missing.length) {
        status.textContent = `Still to do: ${missing.join("; ")}.`;
        status.classList.add("warn");
        return;
      }
      go(index + 1 < plan.steps.length ? index + 1 : "end");
    },
  }, "Next");
  const update = () => {
    const missing = lacking(test, step, answer);
    next.classList.toggle("waiting", missing.length > 0);
    status.classList.remove("warn");
    status.textContent = missing.length ? `Still to do: ${missing.join("; ")}.` : "";
  };
  show(`${index + 1} of ${plan.steps.length}`,
    make("progress", { max: plan.steps.length, value: index, "aria-label": "Progress" }),
    make("h2", { class: "task" }, test.task), place, status,
    make("p", { class: "actions" },
      make("button", {
        type: "button", onclick: () => go(index ? index - 1 : "practice"),
      }, "Back"), next));
  update();
  stepInto(place, step, plan.steps[index + 1], answer, note);
}

function showEnd() {
  const comment = make("textarea", {
    id: "comment", rows: 4, oninput: () => { state.comment = comment.value; save(); },
  });
  comment.value = state.comment;
  show("Almost done",
    make("p", { class: "field" },
      make("label", { for: "comment" }, "Anything you noticed? (may stay empty)"), comment),
    make("p", { class: "actions" },
      make("button", { type: "button", onclick: () => go(plan.steps.length - 1) }, "Back"),
      make("button", {
        type: "button", class: "next",
        onclick: () => { state.finished = new Date().toISOString(); go("done"); },
      }, "Finish")));
}

function showDone() {
  const text = `${JSON.stringify(resultOf(test, state, new Date().toISOString()), null, 1)}\n`;
  const said = make("p", { class: "quiet", role: "status" });
  const shown = make("textarea", { readonly: true, rows: 8, class: "raw", "aria-label": "Result" });
  shown.value = text;
  const download = () => {
    const link = make("a", {
      href: URL.createObjectURL(new Blob([text], { type: "application/json" })),
      download: fileNameOf(test, state),
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    said.textContent = `Saved as ${fileNameOf(test, state)}.`;
  };
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      shown.closest("details").open = true;
      shown.select();
      document.execCommand("copy");
    }
    said.textContent = "Copied.";
  };
  show("Thank you",
    make("p", { class: "lead" }, "Nothing was sent: please save your result, and give the file to "
      + "whoever asked you to listen."),
    make("p", { class: "actions" },
      make("button", { type: "button", class: "next", onclick: download }, "Save the result"),
      make("button", { type: "button", onclick: copy }, "Copy it")),
    said,
    make("details", {}, make("summary", {}, "What it holds"), shown),
    make("p", { class: "actions" },
      make("button", { type: "button", onclick: () => go("end") }, "Back"),
      make("button", {
        type: "button",
        onclick: () => {
          if (confirm("Forget these answers and begin with another listener?")) begin(fresh());
        },
      }, "Another listener")));
}

// After a reload nothing may sound before a click, so a test under way waits for one.
function showReturn() {
  show("Welcome back",
    make("p", { class: "lead" }, `Your answers are here, ${state.listener.id}.`),
    make("p", { class: "actions" },
      make("button", {
        type: "button", class: "next", onclick: () => go(state.page),
      }, "Go on"),
      make("button", {
        type: "button",
        onclick: () => {
          if (confirm("Forget these answers and begin anew?")) begin(fresh());
        },
      }, "I am somebody else")));
}
