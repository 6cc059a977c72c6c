"""Records, curves and progress: what is written is what happened."""

import io
import json

import pytest
import torch
from matplotlib.image import imread
from rich.console import Console

from latentone.audio import Audio
from latentone.training.curves import best_of, draw_curves
from latentone.training.progress import TrainingProgress, clock
from latentone.training.trackers import Tracker, read_metrics, spectrogram_image


def test_resuming_drops_what_came_after_the_checkpoint(tmp_path):
    tracker = Tracker(tmp_path, 0)
    for step in (10, 20, 30):
        tracker.scalars(step, "train", {"loss": step / 10}, steps_per_second=5.0)
    tracker.scalars(30, "valid", {"loss": float("nan")})
    tracker.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 40, "train": {"lo')
    assert [r["step"] for r in read_metrics(tmp_path / "metrics.jsonl")] == [10, 20, 30, 30]
    assert read_metrics(tmp_path / "metrics.jsonl")[-1]["valid"]["loss"] is None
    tracker = Tracker(tmp_path, 20)
    tracker.scalars(30, "train", {"loss": 7.0})
    tracker.close()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [r["train"]["loss"] for r in lines] == [1.0, 2.0, 7.0]


def test_the_spectrogram_shows_a_tone_at_its_height():
    time = torch.arange(16_000) / 16_000
    picture = spectrogram_image(Audio(torch.sin(2 * torch.pi * 2000 * time)[None], 16_000))
    assert picture.shape[:2] == (3, 513) and 0 <= float(picture.min()) <= float(picture.max()) <= 1
    row = int(picture.sum(0).mean(1).argmax())
    assert abs((512 - row) * 16_000 / 1024 - 2000) < 20
    assert spectrogram_image(Audio(torch.zeros(1, 10), 8000)).shape[1] == 513


def test_the_best_is_the_lowest_finite_point():
    assert best_of(([1, 2, 3, 4], [3.0, float("nan"), 1.0, 2.0])) == (3, 1.0)
    assert best_of(([], [])) is None and best_of(([1], [float("nan")])) is None


def test_curves_are_drawn_with_the_best_marked(tmp_path):
    records = [{"step": n, "train": {"loss": 1 / n, "mel": 2.0}} for n in range(1, 50)]
    plain, marked = tmp_path / "plain.png", tmp_path / "marked.png"
    draw_curves(records, plain)
    valid = [{"step": 20, "valid": {"loss": 0.3}}, {"step": 40, "valid": {"loss": None}}]
    draw_curves(records + valid, marked)

    def reddish(path):
        r, g, b = imread(path)[..., :3].transpose(2, 0, 1)
        return int(((r > 0.7) & (g < 0.5) & (b < 0.4)).sum())

    assert reddish(plain) == 0 and reddish(marked) > 20
    draw_curves([], tmp_path / "empty.png")
    assert (tmp_path / "empty.png").exists()


def say(steps, **settings):
    out = io.StringIO()
    with TrainingProgress("toy", 100, console=Console(file=out, width=200), **settings) as shown:
        shown.show({"other": 1.0, "loss": 0.5})
        for step in steps:
            shown.advance(step)
        shown.say("[done]")
    return out.getvalue()


def test_off_a_terminal_lines_are_rare_and_plain():
    said = say(range(1, 101)).splitlines()
    assert len(said) == 2 and said[0].startswith("toy: step 100/100") and "loss 0.5" in said[0]
    assert said[1] == "toy: [done]"
    assert say(range(5), shown=False) == ""


def test_lines_come_every_ten_seconds(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    out = io.StringIO()
    with TrainingProgress("toy", 1000, 500, console=Console(file=out, width=200)) as shown:
        for step in range(501, 540):
            now[0] += 1
            shown.advance(step)
    lines = out.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0] == "toy: step 510/1000  1.00 steps/s  8:10 left"


@pytest.mark.parametrize(
    ("seconds", "text"), [(7, "0:07"), (725, "12:05"), (11049, "3:04:09"), (-1, "0:00")]
)
def test_durations_read_like_a_clock(seconds, text):
    assert clock(seconds) == text
