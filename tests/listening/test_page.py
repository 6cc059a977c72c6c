"""The page: blinded, whole, safe; its logic under node, its player against a recorded clock."""

import json
import re
import shutil
import subprocess
from base64 import b64decode
from importlib.resources import files

import numpy as np
import pytest
import soundfile
from listening_folders import noise

from latentone.listening import (
    Question,
    Settings,
    build_mushra,
    build_pairs,
    build_questions,
    write_test,
)
from latentone.listening.page import page_data
from latentone.listening.sounds import encode_flac

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="runs the page's logic, needs node")


@pytest.fixture
def mushra(folders):
    systems = {"a": folders / "a", "b": folders / "b"}
    return build_mushra(folders / "originals", systems, settings=Settings(title="A <b> & c"))


def node(code, *scripts):
    source = "\n".join((files("latentone.listening") / s).read_text() for s in scripts)
    done = subprocess.run(
        [NODE, "-e", f"{source}\nconsole.log(JSON.stringify((() => {{{code}}})()))"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_page_holds_its_sounds_and_names_no_system(mushra, tmp_path):
    page = write_test(mushra, tmp_path / "test").read_text()
    assert [p.name for p in sorted((tmp_path / "test").iterdir())] == ["index.html", "key.json"]
    texts = dict(re.findall(r'id="sound-(\w+)">([^<]*)</script>', page))
    data = json.loads(re.search(r'id="test">(.*?)</script>', page).group(1))
    assert set(data["sources"].values()) == set(texts)
    # The hidden reference and the open one are one file under two ids.
    assert len(texts) == 3 * 5 and len(data["sources"]) == 3 * 6
    for key, sound in mushra.sounds.items():
        decoded = b64decode(texts[data["sources"][key]])
        assert decoded == encode_flac(sound)
    shown = page.replace("A &lt;b&gt; &amp; c", "")
    for trial in mushra.design.trials:
        assert trial.item not in shown
        assert list(trial.sounds) == sorted(trial.sounds)
    assert "anchor 3.5" not in shown and "originals" not in shown
    assert data["title"] == "A <b> & c" and "<b>" not in page
    # The sound files' order in the page says nothing either.
    assert list(texts) == sorted(texts)
    assert "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="https?:', page)


def test_flac_is_exact_to_16_bits(tmp_path):
    sound = noise(channels=2)
    (tmp_path / "x.flac").write_bytes(encode_flac(sound))
    read, rate = soundfile.read(tmp_path / "x.flac")
    assert rate == sound.sample_rate and read.shape == (sound.samples.shape[1], 2)
    assert np.abs(read.T - sound.samples.numpy()).max() <= 1 / 32768


def test_large_tests_keep_their_sounds_beside_the_page(mushra, tmp_path):
    page = write_test(mushra, tmp_path / "test", embed_mb=0.01).read_text()
    beside = sorted(path.stem for path in (tmp_path / "test/sounds").glob("*.js"))
    data = json.loads(re.search(r'id="test">(.*?)</script>', page).group(1))
    assert beside == sorted(set(data["sources"].values())) and "sound-" + beside[0] not in page
    text = (tmp_path / f"test/sounds/{beside[0]}.js").read_text()
    name, audio = re.fullmatch(r'receiveSound\("(\w+)","([\w+/=]+)"\);\n', text).groups()
    assert name == beside[0] and b64decode(audio).startswith(b"fLaC")


def test_no_other_test_and_no_results_are_overwritten(mushra, folders, tmp_path):
    out = tmp_path / "test"
    write_test(mushra, out)
    write_test(mushra, out)
    other = build_pairs({"a": folders / "a", "b": folders / "b"})
    with pytest.raises(ValueError, match="another test"):
        write_test(other, out)
    write_test(other, out, replace=True)
    (out / "result-1.json").write_text("{}")
    with pytest.raises(ValueError, match=r"holds result-1\.json"):
        write_test(other, out, replace=True)
    assert (out / "result-1.json").exists()
    with pytest.raises(ValueError, match="is a file"):
        write_test(other, out / "key.json")


def mulberry(seed):
    """Mulberry32, again."""
    mask = 0xFFFFFFFF
    state = seed & mask
    while True:
        state = (state + 0x6D2B79F5) & mask
        t = state
        t = ((t ^ (t >> 15)) * (t | 1)) & mask
        t ^= (t + (((t ^ (t >> 7)) * (t | 61)) & mask)) & mask
        yield ((t ^ (t >> 14)) & mask) / 2**32


@needs_node
@pytest.mark.parametrize("seed", [0, 1, 0xDEADBEEF])
def test_random_numbers_repeat_anywhere(seed):
    found = node(f"const r = randomFrom({seed}); return [r(), r(), r(), r()]", "logic.js")
    wanted = mulberry(seed)
    assert found == [next(wanted) for _ in range(4)]


@needs_node
def test_every_order_is_equally_likely():
    code = """
      const r = randomFrom(7), counts = {};
      for (let i = 0; i < 24000; i++) {
        const key = shuffled(["a", "b", "c", "d"], r).join("");
        counts[key] = (counts[key] ?? 0) + 1;
      }
      return counts;"""
    counts = node(code, "logic.js")
    assert len(counts) == 24
    assert max(abs(n - 1000) for n in counts.values()) < 150  # under five standard deviations


def planned(design, seed):
    data = page_data(design, {})
    return node(f"return planOf({json.dumps(data)}, {seed})", "logic.js")


@needs_node
def test_the_plan_has_every_trial_in_every_round(folders):
    systems = {"a": folders / "a", "b": folders / "b"}
    design = build_pairs(systems, kind="abx", settings=Settings(repeats=3)).design
    plans = [planned(design, seed) for seed in (5, 5, 6)]
    assert plans[0] == plans[1] != plans[2]
    steps = plans[0]["steps"]
    for turn in range(3):
        own = [s["trial"] for s in steps[3 * turn : 3 * turn + 3]]
        assert sorted(own) == sorted(t.id for t in design.trials)
        assert {s["round"] for s in steps[3 * turn : 3 * turn + 3]} == {turn}
    known = {trial.id: sorted(trial.sounds) for trial in design.trials}
    assert all(sorted(s["sounds"]) == known[s["trial"]] and s["x"] in s["sounds"] for s in steps)
    assert plans[0]["practice"]["trial"] in known


@needs_node
def test_a_step_is_finished_when_all_is_heard_and_answered(mushra, folders):
    data = page_data(mushra.design, {})
    step = planned(mushra.design, 1)["steps"][0]
    a, *rest = step["sounds"]

    def missing(answer, data=data, step=step):
        arguments = ", ".join(map(json.dumps, (data, step, answer)))
        return node(f"return lacking({arguments})", "logic.js")

    assert missing({}) == ["listen to A, B, C, D, E, the reference", "rate A, B, C, D, E"]
    heard = {key: 1 for key in (a, *rest, "reference")}
    assert missing({"plays": heard, "ratings": {a: 0}}) == ["rate B, C, D, E"]
    assert missing({"plays": heard, "ratings": dict.fromkeys(step["sounds"], 50)}) == []
    questions = [Question(text="How?", kind="scale"), Question(text="Why?")]
    asked = build_questions({"a": folders / "a"}, questions).design
    data, step = page_data(asked, {}), planned(asked, 1)["steps"][0]
    assert missing({}, data, step) == ["listen to the sound", "answer the scale"]
    # Words are free to stay away.
    assert missing({"plays": {step["sounds"][0]: 2}, "replies": [3, ""]}, data, step) == []


@needs_node
def test_file_names_are_plain(mushra):
    data = json.dumps(page_data(mushra.design, {}))
    state = json.dumps({"listener": {"id": "Zoë / 東京 no. 2"}, "session": "0123456789"})
    name = node(f"return fileNameOf({data}, {state})", "logic.js")
    assert name == f"result-{mushra.design.id}-Zoe-no-2-012345.json"


CLOCK = """
  const log = { starts: [], stops: 0 };
  const param = () => ({ value: 1, events: [],
    setValueAtTime(v, t) { this.events.push([t, v]); },
    cancelScheduledValues() { this.events = []; },
    linearRampToValueAtTime() {}, setTargetAtTime() {} });
  const gains = [];
  const context = { currentTime: 10, destination: {},
    createGain() { const g = { gain: param(), connect: (n) => n, disconnect() {} };
      gains.push(g); return g; },
    createBufferSource() { const s = { connect: (n) => n, stop() { log.stops++; },
      start(...at) { log.starts.push(at); } }; log.last = s; return s; } };
  const player = new Player(context);
  player.setSounds(new Map(["a", "b", "c"].map((id) => [id, { duration: 4 }])));
"""


def played(code):
    return node(CLOCK + code, "player.js")


@needs_node
def test_all_sounds_run_on_one_clock_and_repeats_join():
    found = played("player.select('b'); return log.starts")
    first, second = found[:3], found[3:]
    assert len({tuple(s) for s in first}) == len({tuple(s) for s in second}) == 1
    (when, offset, length), (again, from_start, whole) = first[0], second[0]
    assert (offset, length) == (0, 4) and (from_start, whole) == (0, 4)
    assert when >= 10 and again == when + 4


@needs_node
def test_switching_starts_nothing_and_leaves_one_sound():
    code = """
      player.select('a'); const before = log.starts.length; player.select('c');
      const last = ([id, gain]) => [id, gain.gain.events.at(-1)];
      const ends = Object.fromEntries([...player.gains].map(last));
      return [log.starts.length - before, log.stops, ends];"""
    started, stopped, ends = played(code)
    assert started == stopped == 0
    assert {key: value for key, (_, value) in ends.items()} == {"a": 0, "b": 0, "c": 1}
    assert len({time for time, _ in ends.values()}) == 1


@needs_node
def test_the_region_repeats_and_never_shrinks_to_nothing():
    code = """
      player.setRegion(1, 2.5); player.select('a');
      const starts = log.starts.map((s) => s.slice(1));
      context.currentTime = 10.5; const at = player.position();
      player.setRegion(3.9, 3.9); const tiny = [...player.region];
      player.setRegion(-1, 99); return [starts, at, tiny, player.region];"""
    starts, at, tiny, whole = played(code)
    assert all(start == [1, 1.5] for start in starts)
    assert at == pytest.approx(1 + 0.5 - 0.04)
    assert tiny == [3.75, 4] and whole == [0, 4]


@needs_node
def test_without_repeating_it_ends():
    code = """
      player.loop = false; player.select('a'); const count = log.starts.length;
      player.passes[0].sources[0].onended(); return [count, player.playing];"""
    assert played(code) == [3, False]
