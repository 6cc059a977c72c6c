// All sounds of a trial run on one clock, and only the one that is heard is not muted.
//
// A pass is the loop region from start to end, all sounds at once, faded at its edges. While one
// pass runs, the next is already scheduled, so that repeats need no timer.

const EDGE = 0.005; // seconds of fade where a pass begins and ends
const SWITCH = 0.003; // time constant of the crossfade: 95 % after 9 ms
const SETTLED = 0.06; // after which a gain is exactly 0 or 1: e^-20 is left
const AHEAD = 0.04;
const SHORTEST = 0.25; // seconds of a loop region

class Player {
  constructor(context, onChange = () => {}) {
    this.context = context;
    this.onChange = onChange;
    this.master = context.createGain();
    this.master.connect(context.destination);
    this.buffers = new Map();
    this.loop = true;
    this.active = null;
    this.bus = null;
    this.passes = [];
    this.setSounds(new Map());
  }

  get playing() {
    return this.bus !== null;
  }

  // Buffers by id, the region reset to the whole of them.
  setSounds(buffers) {
    this.stop();
    this.buffers = buffers;
    this.duration = Math.max(0, ...[...buffers.values()].map((b) => b.duration));
    this.region = [0, this.duration];
    this.active = null;
  }

  setVolume(gain) {
    this.master.gain.setTargetAtTime(gain, this.context.currentTime, 0.02);
  }

  setRegion(start, end) {
    const last = Math.max(0, this.duration - SHORTEST);
    const from = Math.min(Math.max(0, start), last);
    const to = Math.min(this.duration, Math.max(end, from + SHORTEST));
    this.region = [from, to];
    if (this.playing) this._restart();
  }

  setLoop(loop) {
    this.loop = loop;
    if (this.playing) this._restart(this.position());
  }

  // Start all sounds, or cross over to this one where they are.
  select(id) {
    this.active = id;
    if (this.playing) {
      for (const [other, gain] of this.gains) this._mute(gain.gain, other !== id);
    } else {
      this._start();
    }
    this.onChange();
  }

  stop() {
    this._silence();
    this.onChange();
  }

  // Seconds into the sounds.
  position() {
    const now = this.context.currentTime;
    const pass = this.passes.find((p) => now < p.start + p.length);
    if (!this.playing || !pass) return this.region[0];
    return pass.from + Math.max(0, now - pass.start);
  }

  _mute(param, mute) {
    const now = this.context.currentTime;
    param.cancelScheduledValues(now);
    param.setTargetAtTime(mute ? 0 : 1, now, SWITCH);
    param.setValueAtTime(mute ? 0 : 1, now + SETTLED);
  }

  _restart(from) {
    this._silence();
    this._start(from);
    this.onChange();
  }

  _silence() {
    if (!this.bus) return;
    const now = this.context.currentTime;
    const bus = this.bus;
    bus.gain.setTargetAtTime(0, now, SWITCH);
    for (const pass of this.passes) {
      for (const source of pass.sources) {
        source.onended = null;
        source.stop(now + SETTLED);
      }
    }
    setTimeout(() => bus.disconnect(), 1000 * SETTLED + 100);
    this.bus = null;
    this.passes = [];
  }

  _start(from = this.region[0]) {
    if (!this.buffers.size) return;
    this.bus = this.context.createGain();
    this.bus.connect(this.master);
    this.gains = new Map();
    for (const id of this.buffers.keys()) {
      const gain = this.context.createGain();
      gain.gain.value = id === this.active ? 1 : 0;
      gain.connect(this.bus);
      this.gains.set(id, gain);
    }
    this._pass(this.context.currentTime + AHEAD, from);
    if (this.loop) this._queue();
  }

  _queue() {
    const last = this.passes[this.passes.length - 1];
    this._pass(last.start + last.length, this.region[0]);
  }

  _pass(start, from) {
    const length = Math.max(2 * EDGE, this.region[1] - from);
    const pass = { start, from, length, sources: [] };
    for (const [id, buffer] of this.buffers) {
      const source = this.context.createBufferSource();
      const envelope = this.context.createGain();
      source.buffer = buffer;
      envelope.gain.setValueAtTime(0, start);
      envelope.gain.linearRampToValueAtTime(1, start + EDGE);
      envelope.gain.setValueAtTime(1, start + length - EDGE);
      envelope.gain.linearRampToValueAtTime(0, start + length);
      source.connect(envelope).connect(this.gains.get(id));
      source.start(start, from, length);
      pass.sources.push(source);
    }
    pass.sources[0].onended = () => this._ended(pass);
    this.passes.push(pass);
  }

  _ended(pass) {
    this.passes = this.passes.filter((p) => p !== pass);
    if (this.loop && this.passes.length) this._queue();
    else if (!this.passes.length) this.stop();
  }
}

// Sounds that lie beside the page hand themselves over by name: see `receiveSound`.
const awaited = new Map();

function receiveSound(name, text) {
  awaited.get(name)?.(text);
  awaited.delete(name);
}

function soundText(name) {
  const embedded = document.getElementById(`sound-${name}`);
  if (embedded) return Promise.resolve(embedded.textContent);
  return new Promise((resolve, reject) => {
    awaited.set(name, resolve);
    const script = document.createElement("script");
    script.src = `sounds/${name}.js`;
    script.onload = () => script.remove();
    script.onerror = () =>
      reject(new Error("a sound is missing: keep the folder `sounds` beside this page"));
    document.head.append(script);
  });
}

async function decode(context, name) {
  const text = atob(await soundText(name));
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return context.decodeAudioData(bytes.buffer);
}
