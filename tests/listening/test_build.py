"""From folders to a test: matching, levels, anchors, blinding, and what cannot be used."""

import math
import re

import numpy as np
import pytest
import torch
from listening_folders import RATE, id_of, noise
from scipy import signal

from latentone.audio import Audio
from latentone.dsp.loudness import integrated_loudness
from latentone.listening import (
    Design,
    Question,
    Settings,
    build_mushra,
    build_pairs,
    build_questions,
)
from latentone.listening.anchors import anchor, has_room
from latentone.listening.folders import match, named_folders
from latentone.listening.sounds import level


def systems(folders, *names):
    return {name: folders / name for name in names}


def test_names_of_folders(tmp_path):
    for path in ("x/wav", "y/wav", "z"):
        (tmp_path / path).mkdir(parents=True)
    texts = [str(tmp_path / p) for p in ("x/wav", "y/wav", "z")]
    assert list(named_folders(texts)) == ["x/wav", "y/wav", "z"]
    named = named_folders([f"ours={texts[0]}", texts[1]])
    assert named == {"ours": tmp_path / "x/wav", "wav": tmp_path / "y/wav"}
    with pytest.raises(ValueError, match="given twice"):
        named_folders([texts[2], texts[2] + "/"])
    with pytest.raises(ValueError, match="called 'a'"):
        named_folders([f"a={texts[0]}", f"a={texts[1]}"])
    with pytest.raises(FileNotFoundError, match="no folder"):
        named_folders([str(tmp_path / "none")])


def test_files_belong_together_by_stem(folders):
    (folders / "a/song0.wav").rename(folders / "a/song9.wav")
    noise().save(folders / "b/song1.flac")
    (folders / "b/song1.wav").unlink()
    items, notes = match(systems(folders, "a", "b"))
    assert list(items) == ["song1", "song2"]
    assert items["song1"]["b"].suffix == ".flac"
    assert notes == ["song0 was left out: not in a", "song9 was left out: not in b"]
    noise().save(folders / "b/song1.wav")
    with pytest.raises(ValueError, match="suffix alone"):
        match(systems(folders, "a", "b"))


def test_folders_without_a_common_file_are_refused(folders, tmp_path):
    (tmp_path / "other").mkdir()
    noise().save(tmp_path / "other/x.wav")
    with pytest.raises(ValueError, match="no file is in all folders"):
        build_pairs(systems(folders, "a", "other"))


def test_a_mushra_trial_holds_systems_hidden_reference_and_anchors(folders):
    settings = Settings(lufs=None)
    test = build_mushra(folders / "originals", systems(folders, "a", "b"), settings=settings)
    assert test.design.conditions == ("a", "b", "reference", "anchor 3.5 kHz", "anchor 7 kHz")
    assert len(test.design.trials) == 3 and len(test.sounds) == 3 * 6
    for trial in test.design.trials:
        assert sorted(trial.sounds.values()) == sorted(test.design.conditions)
        hidden, opened = test.sounds[id_of(trial, "reference")], test.sounds[trial.reference]
        assert trial.reference not in trial.sounds and torch.equal(hidden.samples, opened.samples)
        low = test.sounds[id_of(trial, "anchor 3.5 kHz")]
        torch.testing.assert_close(low.samples, anchor(opened, 3500).samples)


@pytest.mark.parametrize("cutoff", [3500, 7000])
@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_anchors_meet_the_recommendation(cutoff, rate):
    impulse = torch.zeros(1, 2 * rate // 10 + 1)
    impulse[0, rate // 10] = 1
    response = anchor(Audio(impulse, rate), cutoff).samples[0].double().numpy()
    hz, gain = signal.freqz(response, worN=1 << 14, fs=rate)
    decibel = 20 * np.log10(np.abs(gain) + 1e-12)
    assert np.abs(decibel[hz <= cutoff]).max() < 0.1
    assert decibel[hz >= cutoff * 4 / 3.5].max() < -25
    assert decibel[hz >= cutoff * 4.5 / 3.5].max() < -50
    # No delay: the impulse stays where it was, symmetric.
    assert np.argmax(response) == rate // 10
    np.testing.assert_allclose(response, response[::-1], atol=1e-6)


def test_anchors_without_room_are_left_out(folders):
    assert not has_room(7000, RATE - 1) and has_room(3500, 8000)
    with pytest.raises(ValueError, match="needs a rate of 16000"):
        anchor(noise(rate=12_000), 7000)
    for path in folders.rglob("*.wav"):
        noise(rate=12_000).save(path)
    test = build_mushra(folders / "originals", systems(folders, "a"))
    assert test.design.anchors == ("anchor 3.5 kHz",)
    assert any("anchor 7 kHz was left out" in note for note in test.design.notes)


def test_loudness_is_matched_and_anchors_follow_the_reference(folders):
    test = build_mushra(folders / "originals", systems(folders, "a", "c"))
    trial = test.design.trials[0]
    for name in ("a", "c", "reference"):
        sound = test.sounds[id_of(trial, name)]
        assert float(integrated_loudness(sound.samples, RATE)) == pytest.approx(-23, abs=1e-4)
    kept = build_pairs(systems(folders, "a", "c"), settings=Settings(lufs=None))
    levels = [float(s.samples.std()) for s in kept.sounds.values()]
    assert sorted(levels) == pytest.approx([0.1] * 3 + [0.2] * 3, rel=0.05)
    # Twice the level is 6 LU.
    (said,) = kept.design.notes
    assert re.search(r"by up to [56]\.\d LU \(song\d\), not matched", said)
    assert test.design.notes[-1].endswith(", matched")


def test_peaks_that_would_clip_turn_all_down_alike():
    click = torch.zeros(1, RATE)
    click[0, ::4000] = 0.9
    sounds = {"click": Audio(click, RATE), "hiss": noise(1.0)}
    levelled, spread, notes = level("x", sounds, -10)
    raw = [float(integrated_loudness(s.samples, RATE)) for s in sounds.values()]
    assert spread == pytest.approx(abs(raw[0] - raw[1]))
    assert levelled["click"].peak == pytest.approx(0.999)
    loudness = [float(integrated_loudness(s.samples, RATE)) for s in levelled.values()]
    assert loudness[0] == pytest.approx(loudness[1], abs=1e-3) and loudness[0] < -10
    assert "turned down" in notes[0]


def test_silence_is_played_and_noted(folders):
    Audio(torch.zeros(1, RATE // 2), RATE).save(folders / "a/song1.wav")
    test = build_pairs(systems(folders, "a", "b"))
    assert "song1: a is silent" in test.design.notes
    quiet = test.sounds[id_of(next(t for t in test.design.trials if t.item == "song1"), "a")]
    assert quiet.peak == 0


def test_what_cannot_be_used_is_left_out_by_name(folders):
    broken = noise().samples.clone()
    broken[0, 100] = math.nan
    import soundfile

    soundfile.write(folders / "a/song0.wav", broken[0].numpy(), RATE, subtype="FLOAT")
    (folders / "b/song1.wav").write_bytes(b"words")
    test = build_pairs(systems(folders, "a", "b"))
    assert [trial.item for trial in test.design.trials] == ["song2"]
    said = "\n".join(test.design.notes)
    assert "song0 was left out" in said and "NaN" in said and "song1 was left out" in said
    (folders / "b/song2.wav").write_bytes(b"")
    with pytest.raises(ValueError, match="no sound can be used"):
        build_pairs(systems(folders, "a", "b"))


def test_lengths_rates_and_channels_are_brought_together(folders):
    noise(0.9, channels=2).save(folders / "a/song0.wav")
    noise(0.6, rate=8000).save(folders / "b/song1.wav")
    test = build_pairs(systems(folders, "a", "b"))
    said = "\n".join(test.design.notes)
    assert "cut to the shortest (a 0.90 s, b 0.60 s)" in said
    assert "mono in b" in said and "8000, 16000 Hz" in said
    for trial in test.design.trials:
        shapes = {tuple(test.sounds[key].samples.shape) for key in trial.sounds}
        assert len(shapes) == 1
    assert {s.sample_rate for s in test.sounds.values()} == {RATE}


def test_pairs_share_their_sounds(folders):
    test = build_pairs(systems(folders, "a", "b", "c"), kind="pairs")
    assert len(test.design.trials) == 3 * 3 and len(test.sounds) == 3 * 3
    with pytest.raises(ValueError, match="`pairs` compares more"):
        build_pairs(systems(folders, "a", "b", "c"))
    with pytest.raises(ValueError, match="two folders or more"):
        build_pairs(systems(folders, "a"), kind="pairs")


def test_questions_need_no_partners(folders):
    (folders / "a/song0.wav").rename(folders / "a/alone.wav")
    asked = [Question(text="How?", kind="scale"), Question(text="Why?")]
    test = build_questions(systems(folders, "a", "b"), asked)
    assert len(test.design.trials) == 6 and not test.design.notes
    few = build_questions(systems(folders, "a", "b"), asked, settings=Settings(items=2))
    assert [next(iter(t.sounds.values())) for t in few.design.trials].count("a") == 2
    with pytest.raises(ValueError, match="expected a question"):
        build_questions(systems(folders, "a"), [])
    with pytest.raises(ValueError, match="needs a text"):
        Question(text=" ")


def test_the_same_folders_and_seed_give_the_same_test(folders, tmp_path):
    first, again, other = (
        build_pairs(systems(folders, "a", "b"), settings=Settings(seed=s)).design for s in (1, 1, 2)
    )
    assert first == again and first.id != other.id
    assert set(first.trials[0].sounds) != set(other.trials[0].sounds)
    noise(seed=99).save(folders / "a/song0.wav")
    changed = build_pairs(systems(folders, "a", "b"), settings=Settings(seed=1)).design
    assert changed.id != first.id
    first.save(tmp_path / "key.json")
    assert Design.load(tmp_path / "key.json") == first
    text = (tmp_path / "key.json").read_text()
    (tmp_path / "key.json").write_text(text.replace('": "a"', '": "b"', 1))
    with pytest.raises(ValueError, match="was changed"):
        Design.load(tmp_path / "key.json")


def test_items_are_drawn_by_the_seed_and_stay_when_others_come(folders):
    drawn = build_pairs(systems(folders, "a", "b"), settings=Settings(items=1, seed=3)).design
    assert len(drawn.trials) == 1
    for item in ("zz", "aa"):
        for name in "ab":
            noise().save(folders / name / f"{item}.wav")
    more = build_pairs(systems(folders, "a", "b"), settings=Settings(items=3, seed=3)).design
    assert drawn.trials[0].item in [trial.item for trial in more.trials]


def test_reserved_names_and_settings(folders):
    with pytest.raises(ValueError, match="may not be called 'reference'"):
        build_mushra(folders / "originals", {"reference": folders / "a"})
    with pytest.raises(ValueError, match="one of a system"):
        build_mushra(folders / "originals", {})
    for wrong in ({"items": 0}, {"seconds": -1.0}, {"repeats": 0}, {"lufs": 3.0}):
        with pytest.raises(ValueError, match="expected"):
            Settings(**wrong)
    long = build_pairs(systems(folders, "a", "b"), settings=Settings(seconds=0.25))
    assert {s.samples.shape[1] for s in long.sounds.values()} == {RATE // 4}
