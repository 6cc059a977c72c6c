// The way through the test: what is remembered, which page comes next, which keys do what.

const test = JSON.parse(document.getElementById("test").textContent);
const page = document.getElementById("page");
const STORE = `latentone-listening:${test.test}`;

let state = null;
let player = null;
let plan = null;
let remembered = true;
let leave = () => {};
const decoded = new Map();

function fresh() {
  const numbers = crypto.getRandomValues(new Uint32Array(4));
  return {
    seed: numbers[0],
    session: [...numbers.slice(1)].map((n) => n.toString(16).padStart(8, "0")).join(""),
    listener: { id: "", headphones: null },
    volume: 60,
    page: "start",
    answers: [],
    comment: "",
    started: null,
    finished: null,
  };
}

function save() {
  try {
    localStorage.setItem(STORE, JSON.stringify(state));
  } catch {
    remembered = false;
  }
}

function restore() {
  try {
    return JSON.parse(localStorage.getItem(STORE));
  } catch {
    remembered = false;
    return null;
  }
}

// The context may only begin at a click, and at the sounds' own rate decodes without resampling.
function ensurePlayer() {
  if (!player) {
    let context;
    try {
      context = new AudioContext({ sampleRate: test.sampleRate });
    } catch {
      context = new AudioContext();
    }
    player = new Player(context, () => mark());
    player.setVolume(gainOf(state.volume));
  }
  player.context.resume();
}

function mark() {
  for (const key of page.querySelectorAll(".sound-key")) {
    const on = Boolean(player?.playing) && key.dataset.key === keyOf(player.active);
    key.setAttribute("aria-pressed", String(on));
  }
}

let current = null; // the step on the page

function keyOf(id) {
  return current && soundsOf(current).find((s) => s.id === id)?.key;
}

function bufferOf(sound) {
  const name = test.sources[sound];
  if (!decoded.has(name)) decoded.set(name, decode(player.context, name));
  return decoded.get(name);
}

// Only this step's and the next one's sounds stay in memory.
async function loadStep(step, next) {
  const wanted = [step, next].filter(Boolean).flatMap(soundsOf).map((s) => test.sources[s.sound]);
  for (const name of decoded.keys()) if (!wanted.includes(name)) decoded.delete(name);
  const sounds = soundsOf(step);
  const buffers = await Promise.all(sounds.map((s) => bufferOf(s.sound)));
  if (next) for (const s of soundsOf(next)) bufferOf(s.sound).catch(() => {});
  return new Map(sounds.map((s, i) => [s.id, buffers[i]]));
}

function go(where) {
  player?.stop();
  current = null;
  state.page = where;
  save();
  if (where === "practice" || typeof where === "number") ensurePlayer();
  if (where === "start") showStart();
  else if (where === "practice") showPractice();
  else if (where === "end") showEnd();
  else if (where === "done") showDone();
  else showStep(where);
}

function begin(next) {
  state = next;
  plan = planOf(test, state.seed);
  if (state.page === "start") showStart();
  else if (state.page === "done") { showDone(); }
  else showReturn();
}

const TYPING = "textarea, input[type=text]";
const OWN_SPACE = "input[type=checkbox], input[type=radio], summary, a, button:not(.sound-key, .play)";

document.addEventListener("keydown", (event) => {
  if (!current || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  if (target.matches?.(TYPING)) return;
  if (event.code === "Space") {
    if (target.matches?.(OWN_SPACE)) return;
    event.preventDefault();
    if (event.repeat) return;
    if (player.playing) player.stop();
    else player.select(player.active ?? player.first);
    return;
  }
  const sounds = soundsOf(current);
  const pressed = event.key.toUpperCase();
  const number = Number(event.key);
  const sound = sounds.find((s) => s.key === pressed)
    ?? (number >= 1 ? sounds.filter((s) => s.id !== "reference")[number - 1] : undefined);
  if (!sound) return;
  event.preventDefault();
  if (!event.repeat) player.select(sound.id);
});
document.addEventListener("keyup", (event) => {
  // Firefox presses a focused button when the space bar is let go.
  if (current && event.code === "Space" && event.target.matches?.(".sound-key, .play")) {
    event.preventDefault();
  }
});

begin(restore() ?? fresh());
