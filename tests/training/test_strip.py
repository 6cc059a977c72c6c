"""The strip: few moments, evenly spaced, the last always, and killed is as unkilled."""

from __future__ import annotations

import shutil
from itertools import pairwise

import pytest
import torch
from training_toys import ToyData, make_stage

from latentone.audio import Audio, load_audio
from latentone.training import Portrait, fit
from latentone.training.strip import MOST, Strip, read_strip


def portrait(level):
    tone = torch.sin(torch.arange(400) * 0.3)[None]
    return Portrait({"0-a": Audio(0.5 * tone, 8000)}, {"0-a": Audio(level * tone, 8000)}, {})


def kept(folder):
    return list(read_strip(folder)[1])


def drawn(folder, validations, *, every=10, step=0, extra=0):
    """A strip after so many validations from `step` on, and a last one `extra` steps later."""
    strip = Strip(folder, every=every, step=step)
    last = validations * every + extra
    for at in [*range(step + every - step % every, validations * every + 1, every), last]:
        if at == last or strip.wants(at):
            strip.add(at, portrait(min(0.9, at / 1000)))
    return kept(folder)


def test_few_moments_evenly_spaced_first_and_last(tmp_path):
    for validations in (1, 2, 7, 8, 9, 20, 33, 100, 1000):
        steps = drawn(tmp_path / str(validations), validations, extra=3)
        assert steps[-1] == validations * 10 + 3
        assert steps[0] == 10 and len(steps) <= MOST
        assert len(steps) >= min(validations, 4)
        gaps = {b - a for a, b in pairwise(steps[:-1])}
        assert len(gaps) <= 1, steps
    assert drawn(tmp_path / "nine", 9) == [10, 30, 50, 70, 90]


def test_sounds_are_what_was_given(tmp_path):
    drawn(tmp_path, 3)
    originals, steps = read_strip(tmp_path)
    original = load_audio(originals["0-a"]).samples
    assert original.abs().max() == pytest.approx(0.5, abs=1e-3)
    for step, files in steps.items():
        heard = load_audio(files["0-a"]).samples
        torch.testing.assert_close(heard, original * (step / 1000 / 0.5), atol=2e-4, rtol=0)


@pytest.mark.parametrize("validations", [5, 9, 17, 40])
@pytest.mark.parametrize("back", [0, 1, 4])
def test_going_back_and_on_again_gives_the_same_strip(tmp_path, validations, back):
    """Killed after a validation, gone on from an earlier checkpoint."""
    whole = drawn(tmp_path / "whole", validations, extra=5)
    for killed in range(1, validations + 1):
        folder = tmp_path / f"killed {killed}"
        strip = Strip(folder, every=10, step=0)
        for at in range(10, killed * 10 + 1, 10):
            if strip.wants(at):
                strip.add(at, portrait(at / 1000))
        (folder / ".step_00000099.1.partial").mkdir(parents=True, exist_ok=True)
        step = max(0, killed - back) * 10
        assert drawn(folder, validations, step=step, extra=5) == whole
        assert not list(folder.glob(".*"))


def test_a_larger_budget_forgets_the_old_end(tmp_path):
    drawn(tmp_path, 3, extra=4)
    assert kept(tmp_path) == [10, 20, 30, 34]
    assert drawn(tmp_path, 6, step=34) == [10, 20, 30, 40, 50, 60]


def test_what_is_no_sound_is_kept_as_silence(tmp_path):
    broken = Audio(torch.full((1, 400), float("nan")), 8000)
    strip = Strip(tmp_path, every=10, step=0)
    strip.add(10, Portrait({"a": broken}, {"a": broken}, {}))
    assert not load_audio(read_strip(tmp_path)[1][10]["a"]).samples.any()


def test_trainings_without_sounds_keep_no_strip(tmp_path):
    strip = Strip(tmp_path / "strip", every=10, step=0)
    strip.add(10, Portrait({}, {}, {}))
    assert not (tmp_path / "strip").exists()
    assert read_strip(tmp_path / "strip") == ({}, {})


def test_a_training_keeps_a_strip_and_a_repeated_end_adds_nothing(tmp_path):
    stage = make_stage(steps=60, validate_every=5, checkpoint_every=25)
    run = fit(stage, tmp_path, ToyData(), ToyData(8, seed=1), device="cpu", progress=False)
    steps = kept(run / "training" / "strip")
    assert steps == [5, 15, 25, 35, 45, 55, 60]
    # As if it had been killed after the last validation, before its checkpoint.
    shutil.rmtree(run / "training" / "checkpoints" / "step_00000060")
    state = run / "training" / "state.json"
    state.write_text(state.read_text().replace('"finished"', '"running"'))
    before = {p: p.read_bytes() for p in (run / "training" / "strip").rglob("*.flac")}
    fit(stage, tmp_path, ToyData(), ToyData(8, seed=1), device="cpu", progress=False)
    after = {p: p.read_bytes() for p in (run / "training" / "strip").rglob("*.flac")}
    assert before == after
