"""The health section, the strip and the learning curves: what is drawn is what was logged."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from latentone.audio import Audio
from latentone.report.charts import Plane, line_key, lines
from latentone.report.health import health_of, health_section
from latentone.report.learning import learning_curves, overfitting
from latentone.report.scores import score_pictures
from latentone.report.strip import gather_strip, strip_section
from latentone.training import Portrait
from latentone.training.strip import Strip

SVG = "{http://www.w3.org/2000/svg}"
Records = list[dict[str, Any]]


def logged(steps: int = 1000, every: int = 100, **train: float | None) -> Records:
    numbers = {"loss": 1.0, "judge/right": 0.6, "gradient/judge": 0.5, **train}
    norms = {"grad_norm/codec": 2.0, "lr/codec": 1e-3}
    return [
        {"step": step, "train": numbers, "optimizer": norms}
        for step in range(every, steps + 1, every)
    ]


def moment(step: int, use: float) -> dict[str, Any]:
    scores = {"low": -1.0, "high": 1.0, "real": [0.0, 0.25, 0.75], "fake": [0.5, 0.5, 0.0]}
    return {
        "step": step,
        "health": {
            "codes": {"use": [use, 1.0], "perplexity": [2.0, 12.0], "size": [16.0, 16.0]},
            "latents": {"std": [0.1, 2.0, 1.0], "kl": [0.001, 0.5, 0.02]},
            "scores": scores,
        },
    }


def polylines(text: str, title: str) -> dict[str, list[tuple[float, float]]]:
    """Points of the lines of the chart with this title, by the line's name."""
    charts = re.findall(r"<svg.*?</svg>", text)
    chart = next(c for c in charts if f'aria-label="{title}' in c)
    found = {}
    for line in ElementTree.fromstring(chart).iter(f"{SVG}polyline"):
        name = (line.find(f"{SVG}title").text or "").partition(":")[0]  # type: ignore[union-attr]
        pairs = [p.split(",") for p in line.attrib["points"].split()]
        found[name] = [(float(x), float(y)) for x, y in pairs]
    return found


def test_the_section_says_what_is_the_matter_and_what_to_do() -> None:
    good = health_section(health_of(logged(), {"status": "finished"}))
    assert "No ailment found" in good and "What to do" not in good
    sick = health_of(logged(variety=0.001), {"status": "finished"})
    assert sick is not None
    text = health_section(sick)
    assert "Mode collapse" in text and "What to do: " in text and "adversarial_start" in text
    state = {"status": "diverged", "diagnosis": "step 7 gave a loss of nan <x>"}
    broken = health_section(health_of(logged(), state))
    assert "NaN" in broken and "step 7 gave a loss of nan &lt;x&gt;" in broken
    assert health_section(health_of([], {})) == ""


def test_every_part_is_drawn_from_the_log() -> None:
    records = [*logged(), moment(500, 0.25), moment(1000, 0.75)]
    text = health_section(health_of(records, {"status": "finished"}))
    for title in ("Discriminator balance", "What the discriminator says", "Gradient norms"):
        assert title in text
    assert "unsure: it teaches" in text
    norms = polylines(text, "Gradient norms")
    assert set(norms) == {"judge", "all of the codec"}
    assert norms["all of the codec"][0][1] < norms["judge"][0][1], "the larger is higher"
    use = polylines(text, "Live codes")
    assert set(use) == {"codebook 1", "codebook 2"}
    assert use["codebook 1"][0][1] > use["codebook 1"][1][1], "more use is higher"
    assert use["codebook 2"][0][1] == use["codebook 2"][1][1]
    assert "2 to 12 of 16 in the end" in text
    assert "2 of 3 dimensions are active" in text
    spread = polylines(text, "Spread of the latent dimensions")["step 1,000"]
    assert [x for x, _ in spread] == sorted(x for x, _ in spread) and len(spread) == 3
    assert [y for _, y in spread] == sorted(y for _, y in spread), "sorted, widest first"


def test_a_codec_without_codes_or_judge_has_no_such_panels() -> None:
    records = [{"step": s, "train": {"loss": 1.0}} for s in (500, 1000)]
    text = health_section(health_of(records, {"status": "finished"}))
    assert "No ailment found" in text and "<svg" not in text


def test_numbers_that_were_none_are_left_out() -> None:
    records = [*logged(600), *logged(1000, 100, **{"judge/right": None, "loss": 1.0})[6:]]
    text = health_section(health_of(records, {"status": "finished"}))
    assert "NaN" in text and "judge/right is nan" in text
    assert re.search(r'points="[^"]*nan', text) is None


def test_scores_share_one_scale() -> None:
    wide = {"low": -3.0, "high": 1.0, "real": [0.0, 1.0], "fake": [1.0, 0.0]}
    drawn = score_pictures([(10, moment(10, 1)["health"]["scores"]), (20, wide)])
    svg = ElementTree.fromstring(drawn.partition("<ul")[0])
    shapes = [
        [tuple(map(float, p.split(","))) for p in e.attrib["points"].split()]
        for e in svg.iter(f"{SVG}polygon")
    ]
    assert len(shapes) == 4
    ends = [(min(x for x, _ in s), max(x for x, _ in s)) for s in shapes]
    assert ends[2] == ends[3] and ends[0][0] == pytest.approx(sum(ends[2]) / 2, abs=0.2)
    assert ends[0][1] == ends[2][1]


def test_a_logarithmic_plane_puts_equal_factors_equally_far_apart() -> None:
    plane = Plane(x=(0, 10), y=(1e-3, 10), log=True)
    heights = [plane.at((0, value))[1] for value in (1e-3, 1e-2, 1e-1, 1, 10)]
    steps = [a - b for a, b in pairwise(heights)]
    assert all(s == pytest.approx(steps[0]) for s in steps) and steps[0] > 0
    assert plane.at((0, 1e9))[1] == heights[-1], "what is beyond is drawn at the edge"
    assert "Nothing was written" in lines({"a": [(1, 0.0)]}, title="t", y_label="y", log=True)
    flat = lines({"a": [(0, 1.0), (1, 1.0)]}, title="t", y_label="y")
    assert "nan" not in flat
    assert line_key([f"codebook {i}" for i in range(32)]).count("<li>") == 2


def test_curves_of_every_loss_with_the_best_checkpoint() -> None:
    records = [
        {"step": s, "train": {"loss": 3.0 - s / 10, "stft": 1.0, "vq/use": 0.5, "only": 1.0}}
        for s in range(1, 11)
    ]
    valid = {5: (1.0, 0.4), 10: (1.5, 0.3)}
    records += [
        {"step": s, "valid": {"loss": a, "stft": b, "vq/use": 0.5, "si_sdr": 3.0}}
        for s, (a, b) in valid.items()
    ]
    found = learning_curves(records, {"best": {"step": 5, "loss": 1.0}}, "codec", "mel distance")
    assert [c.title for c in found] == ["Codec: mel distance", "Codec: stft"]
    assert all(c.best == 5 for c in found)
    assert list(found[1].validation) == [(5, 0.4), (10, 0.3)]


def test_learning_by_heart_is_told() -> None:
    def curves(rise: float, fall: float) -> Records:
        train = [{"step": s, "train": {"loss": 2.0 - fall * s / 100}} for s in range(1, 101)]
        valid = [
            {"step": s, "valid": {"loss": 1.0 + (rise if s > 50 else 0.5 - s / 100)}}
            for s in range(10, 101, 10)
        ]
        return [*train, *valid]

    said = overfitting(curves(rise=0.3, fall=1.0))
    assert "learns by heart" in said and "at step 50" in said
    assert overfitting(curves(rise=0.01, fall=1.0)) == "", "a validation that stands still"
    assert overfitting(curves(rise=0.3, fall=0.0)) == "", "a training that stands still too"
    assert overfitting([]) == ""


def test_the_strip_shows_each_sound_at_each_step(tmp_path: Path) -> None:
    tone = 0.5 * torch.sin(torch.arange(4000) * 0.3)[None]
    strip = Strip(tmp_path / "strip", every=10, step=0)
    names = ("0-a & b", "1-kick")
    for step in (10, 20):
        sounds = {name: Audio(tone * step / 20, 8000) for name in names}
        strip.add(step, Portrait({name: Audio(tone, 8000) for name in names}, sounds, {}))
    rows = gather_strip(tmp_path)
    assert [row.name for row in rows] == ["a & b", "kick"]
    assert all([step for step, _ in row.moments] == [10, 20] for row in rows)
    text = strip_section(rows)
    assert text.count("<audio") == text.count("<img") == 2 * 3
    assert text.index("As recorded") < text.index("Step 10") < text.index("Step 20")
    assert "a &amp; b" in text and text.count("data:audio/flac") == 6
    assert gather_strip(tmp_path / "elsewhere") == () and strip_section(()) == ""
