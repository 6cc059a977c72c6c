"use strict";
// What a listener meets, in which order, and what comes out of it: no page, no sound.

// Mulberry32: a counter through a hash of 32 bits, a number in [0, 1) each time.
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// Fisher and Yates: every order equally likely. The list itself is left alone.
function shuffled(list, random) {
  const order = [...list];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// All steps of a listener. Trials are shuffled within each round, so that repeats lie far apart.
function planOf(test, seed) {
  const random = randomFrom(seed);
  const steps = [];
  for (let round = 0; round < test.repeats; round++) {
    for (const trial of shuffled(test.trials, random)) {
      const sounds = shuffled(trial.sounds, random);
      const step = { trial: trial.id, round, sounds, reference: trial.reference };
      if (test.kind === "abx") step.x = sounds[Math.floor(random() * 2)];
      steps.push(step);
    }
  }
  const practice = { ...steps[Math.floor(random() * steps.length)] };
  return { steps, practice };
}

// All that can be heard in a step: letters first, then X or the reference.
function soundsOf(step) {
  const heard = step.sounds.map((id, i) => ({
    key: String.fromCharCode(65 + i), id, sound: id,
  }));
  if (step.x) heard.push({ key: "X", id: "x", sound: step.x });
  if (step.reference) heard.push({ key: "R", id: "reference", sound: step.reference });
  return heard;
}

// What is still to be done before a step is finished, in words; nothing when all is done.
function lacking(test, step, answer) {
  const missing = [];
  const unheard = soundsOf(step).filter((s) => !answer.plays?.[s.id]).map((s) => s.key);
  if (unheard.length) {
    const names = unheard.map((key) => (key === "R" ? "the reference" : key));
    missing.push(step.sounds.length > 1 ? `listen to ${names.join(", ")}` : "listen to the sound");
  }
  if (test.kind === "mushra") {
    const unrated = soundsOf(step)
      .filter((s) => s.id !== "reference" && answer.ratings?.[s.id] === undefined)
      .map((s) => s.key);
    if (unrated.length) missing.push(`rate ${unrated.join(", ")}`);
  } else if (test.kind === "questions") {
    const open = test.questions
      .map((question, i) => ({ question, i }))
      .filter(({ question, i }) => question.kind === "scale" && !answer.replies?.[i]);
    if (open.length) missing.push(open.length > 1 ? `answer ${open.length} scales` : "answer the scale");
  } else if (!answer.choice) {
    missing.push("choose");
  }
  return missing;
}

function resultOf(test, state, now) {
  return {
    format: test.format,
    version: test.version,
    software: test.software,
    test: test.test,
    kind: test.kind,
    session: state.session,
    seed: state.seed,
    listener: { id: state.listener.id, headphones: state.listener.headphones },
    volume: state.volume,
    started: state.started,
    finished: state.finished || now,
    comment: state.comment || "",
    answers: planOf(test, state.seed).steps.map((step, i) => {
      const answer = state.answers[i] || {};
      const given = { trial: step.trial, round: step.round, sounds: step.sounds };
      if (step.x) given.x = step.x;
      for (const name of ["ratings", "choice", "plays", "seconds", "time"]) {
        if (answer[name] !== undefined) given[name] = answer[name];
      }
      if (test.kind === "questions") {
        given.replies = test.questions.map((_, q) => answer.replies?.[q] ?? "");
      }
      return given;
    }),
  };
}

function fileNameOf(test, state) {
  const plain = (state.listener.id || "").normalize("NFKD").replace(/[^A-Za-z0-9]+/g, "-");
  const name = plain.replace(/^-+|-+$/g, "").slice(0, 40) || "listener";
  return `result-${test.test}-${name}-${state.session.slice(0, 6)}.json`;
}

// The gain of a volume slider from 0 to 100: squared, since loudness is no straight line.
function gainOf(volume) {
  return (volume / 100) ** 2;
}
