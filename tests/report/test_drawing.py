"""Curves and diagrams: what is drawn is what was given."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from latentone.report.charts import curves, ticks
from latentone.report.diagrams import Lane, Node, draw

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 1420), (-3.2, 0.1), (0.0012, 0.0019)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    values = ticks(low, high)
    assert 3 <= len(values) <= 8
    assert all(low <= v <= high + 1e-9 for v in values)
    steps = {round((b - a) / (values[1] - values[0]), 6) for a, b in zip(values, values[1:])}  # noqa: B905, RUF007
    assert steps == {1.0}
    digits = f"{values[1] - values[0]:e}".split("e")[0].strip("0").replace(".", "")
    assert digits in ("1", "2", "25", "5")


def test_curves_mark_the_best_validation() -> None:
    training = [(i, 5.0 / (i + 1)) for i in range(1000)]
    validation = [(0, 3.0), (500, 1.25), (999, 1.5)]
    root = ElementTree.fromstring(curves(training, validation, title="Loss"))
    assert "best validation 1.25 at step 500" in root.attrib["aria-label"]
    lines = {e.attrib["class"]: e.attrib["points"].split() for e in root.iter(f"{SVG}polyline")}
    assert len(lines["validation"]) == 3
    assert 100 < len(lines["training"]) <= 250
    best = next(e for e in root.iter(f"{SVG}circle") if e.attrib["class"] == "best")
    x, y = map(float, lines["validation"][1].split(","))
    assert (float(best.attrib["cx"]), float(best.attrib["cy"])) == pytest.approx((x, y), abs=0.1)
    ys = [float(p.split(",")[1]) for p in lines["validation"]]
    assert ys[1] == max(ys), "the lowest loss is drawn lowest"


def test_curves_of_nothing_and_of_what_is_no_number() -> None:
    assert "No curve" in curves([], [], title="Loss")
    drawn = curves([(1, float("nan")), (2, 1.0)], [(2, float("inf"))], title="Loss")
    assert "nan" not in drawn and "inf" not in drawn


@pytest.mark.parametrize("vertical", [False, True])
def test_a_diagram_holds_every_box_inside_its_frame(vertical: bool) -> None:
    judge = Node(label="judge <b>", role="discarded", inward=False)
    lane = Lane(
        title="Step 1 & more",
        nodes=(Node(label="in"), Node(label="net", note="3 M", role="trained", beside=judge)),
    )
    drawn = draw([lane, lane], label="flow", vertical=vertical)
    root = ElementTree.fromstring(drawn)
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    boxes = list(root.iter(f"{SVG}rect"))
    assert len(boxes) == 6
    corners = set()
    for box in boxes:
        x, y, w, h = (float(box.attrib[k]) for k in ("x", "y", "width", "height"))
        assert 0 <= x and x + w <= width and 0 <= y and y + h <= height
        corners.add((x, y))
    assert len(corners) == 6, "no box hides another"
    assert len(list(root.iter(f"{SVG}polygon"))) == 4
    assert "judge <b>" in [e.text for e in root.iter(f"{SVG}text")]
    assert re.search(r"nan|inf", drawn) is None
