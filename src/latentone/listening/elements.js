// Pieces of the page.

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, value);
    }
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function radios(name, options, chosen, onChoose, layout = "choices") {
  return make("div", { class: layout, role: "radiogroup", "aria-label": name },
    ...options.map(([value, text]) => {
      const input = make("input", {
        type: "radio", name, value, checked: String(chosen) === String(value),
        onchange: () => onChoose(value),
      });
      return make("label", { class: "choice" }, input, make("span", {}, text));
    }));
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  const tenth = Math.floor(10 * (seconds - whole));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}.${tenth}`;
}

// Play and stop, where the sound is, and which part of it repeats.
function transport(player) {
  const button = make("button", {
    type: "button", class: "play", "aria-keyshortcuts": "Space",
    onclick: () => (player.playing ? player.stop() : player.select(player.active ?? player.first)),
  }, "Play");
  const repeat = make("input", {
    type: "checkbox", checked: player.loop, onchange: () => player.setLoop(repeat.checked),
  });
  const ends = ["Start of the repeated part", "End of the repeated part"].map((label, i) =>
    make("input", {
      type: "range", min: 0, max: 1000, value: 1000 * i, "aria-label": label,
      oninput: () => {
        // Neither end passes the other.
        const gap = player.duration ? Math.ceil((1000 * SHORTEST) / player.duration) : 0;
        const [a, b] = ends.map((end) => Number(end.value));
        if (i === 0 && a > b - gap) ends[0].value = Math.max(0, b - gap);
        if (i === 1 && b < a + gap) ends[1].value = Math.min(1000, a + gap);
        draw();
      },
      onchange: () => {
        const [start, end] = ends.map((e) => (Number(e.value) / 1000) * player.duration);
        player.setRegion(start, end);
      },
    }));
  const part = make("span", { class: "part" });
  const head = make("span", { class: "head" });
  const time = make("output", { class: "time", "aria-live": "off" });
  function draw() {
    const [a, b] = ends.map((end) => Number(end.value) / 10);
    part.style.left = `${a}%`;
    part.style.width = `${b - a}%`;
    const at = player.position();
    head.style.left = `${player.duration ? (100 * at) / player.duration : 0}%`;
    time.textContent = `${clock(at)} / ${clock(player.duration)}`;
    button.textContent = player.playing ? "Stop" : "Play";
  }
  function follow() {
    if (!node.isConnected) return;
    draw();
    requestAnimationFrame(follow);
  }
  const node = make("div", { class: "transport" },
    button,
    make("div", { class: "bar" }, make("span", { class: "track" }), part, head, ...ends),
    time,
    make("label", { class: "repeat" }, repeat, "repeat"));
  requestAnimationFrame(follow);
  return node;
}
