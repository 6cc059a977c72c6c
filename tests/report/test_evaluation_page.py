"""The evaluation's pictures: what is drawn is what was given, and where."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
import torch

from latentone.analysis import estimator_error
from latentone.metrics.control import ADHERENCE
from latentone.report.document import document, scroll_table
from latentone.report.evaluation import Evaluation, Headline, Table, render_evaluation
from latentone.report.evaluation_pictures import plane
from latentone.report.evaluation_tables import limit
from latentone.report.histogram import binned, histogram
from latentone.report.scatter import Dot, scatter

SVG = "{http://www.w3.org/2000/svg}"


def test_the_plane_is_that_of_the_covariance() -> None:
    """Eigenvectors of the covariance, on numbers that QR or SVD never squared."""
    rng = torch.Generator().manual_seed(0)
    scale = torch.tensor([5.0, 3.0, 1.0, 0.5])
    x = torch.randn(500, 4, generator=rng) * scale + 7
    mean, directions, shares = plane(x)
    values, vectors = torch.linalg.eigh(x.double().T.cov())
    assert shares == pytest.approx((values[[-1, -2]] / values.sum()).tolist())
    overlap = (directions.T @ vectors[:, [-1, -2]]).abs()
    torch.testing.assert_close(overlap, torch.eye(2, dtype=torch.float64), atol=1e-6, rtol=0)
    torch.testing.assert_close(mean, x.double().mean(0))
    _, flat, none = plane(torch.ones(3, 4))
    assert none == (0, 0) and flat.shape == (4, 2)
    _, one, _ = plane(torch.randn(1, 4))
    assert one.shape == (4, 2)


def test_points_stand_in_proportion_and_dots_lead_to_players() -> None:
    dots = [
        Dot(x=0, y=0, kind="reference", label="low <left>"),
        Dot(x=10, y=10, kind="reference", label="high right", anchor="s-1"),
        Dot(x=5, y=5, kind="generated", label="middle", anchor="s-2"),
    ]
    drawn = scatter({"reference": [(2.5, 7.5)]}, dots, title="Sets", x_label="across", y_label="up")
    root = ElementTree.fromstring(drawn)
    circles = {c.find(f"{SVG}title").text: c for c in root.iter(f"{SVG}circle")}  # type: ignore[union-attr]
    low, high = circles["low <left>"], circles["high right"]
    x = [float(c.attrib["cx"]) for c in (low, high)]
    y = [float(c.attrib["cy"]) for c in (low, high)]
    assert x[0] < x[1] and y[0] > y[1], "up is up"
    links = {a.attrib["href"]: a for a in root.iter(f"{SVG}a")}
    assert set(links) == {"#s-1", "#s-2"}
    assert all(a.attrib["aria-label"].startswith("Play ") for a in links.values())
    cloud = next(p for p in root.iter(f"{SVG}path") if "cloud" in p.attrib["class"])
    found = [float(v) for v in re.findall(r"[\d.]+", cloud.attrib["d"])[:2]]
    assert found == pytest.approx([x[0] + (x[1] - x[0]) / 4, y[0] + 3 * (y[1] - y[0]) / 4], abs=0.1)
    assert "Nothing" in scatter({}, [], title="", x_label="", y_label="")


@pytest.mark.parametrize("labels", [["a", "b"], [f"instrument {i}" for i in range(12)]])
def test_bars_are_as_high_as_their_shares(labels: list[str]) -> None:
    count = len(labels)
    shares = {
        "reference": [i / count for i in range(count)],
        "generated": [1 - i / count for i in range(count)],
    }
    root = ElementTree.fromstring(histogram(labels, shares, title="Shares", unit="x"))
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    for kind, values in shares.items():
        bars = [r for r in root.iter(f"{SVG}rect") if r.attrib["class"] == f"bar {kind}"]
        sizes = [float(b.attrib["height"]) for b in bars]
        top = max(max(v) for v in shares.values())
        tallest = max(float(r.attrib["height"]) for r in root.iter(f"{SVG}rect"))
        assert sizes == pytest.approx([v / top * tallest for v in values], abs=0.11)
        for bar in bars:
            assert 0 <= float(bar.attrib["x"]) <= width
            bottom = float(bar.attrib["y"]) + float(bar.attrib["height"])
            assert bottom == pytest.approx(
                float(bars[0].attrib["y"]) + float(bars[0].attrib["height"]), abs=0.11
            )
            assert bottom < height
    texts = [t.text for t in root.iter(f"{SVG}text")]
    assert set(labels) <= set(texts) and "x" in texts


def test_numbers_fall_into_round_steps_and_none_is_lost() -> None:
    values = {"reference": [-31.0, -20.1, -20.0, -18.0], "generated": [-12.5]}
    labels, shares = binned(values)
    assert all(float(label) == round(float(label), 6) for label in labels)
    assert [sum(s) for s in shares.values()] == pytest.approx([1, 1])
    edges = [float(label) for label in labels]
    first = max(e for e in edges if e <= -31.0)
    assert shares["reference"][edges.index(first)] == pytest.approx(0.25)
    assert binned({"reference": [], "generated": []})[0] == []
    labels, shares = binned({"reference": [120.0, 120.0], "generated": []})
    assert max(shares["reference"]) == 1 and sum(shares["generated"]) == 0


def test_names_from_files_cannot_become_html() -> None:
    bad = '<img src=x onerror="alert(1)">'
    page = render_evaluation(
        Evaluation(
            title=bad,
            lead=bad,
            notes=(bad,),
            figures=((bad, bad),),
            headlines=(Headline(title=bad, value=bad, between=bad, text=bad),),
            tables=(Table(title=bad, text=bad, head=(bad, bad), rows=((bad, bad),), prose=(1,)),),
            settings=bad,
            footer=bad,
        )
    )
    assert "<img" not in page and page.count("&lt;img") >= 10


def test_a_table_has_a_head_for_every_cell_and_a_caption() -> None:
    table = scroll_table(
        ("a", "b", "c"), [("x", "1", "words")], caption="All", foot=("mean", "2", ""), prose=(2,)
    )
    root = ElementTree.fromstring(table)
    assert [len(list(row)) for row in root.iter("tr")] == [3, 3, 3]
    assert root.find(".//caption").text == "All"  # type: ignore[union-attr]
    assert [c.attrib.get("class") for c in root.findall(".//tbody//td")] == [None, "prose"]
    assert 'class="unseen"' in scroll_table(("a",), [], caption="All", headed=True)
    page = document("", title="t", over="o", lead="l")
    assert "<dl" not in page and 'lang="en"' in page


@pytest.mark.parametrize("name", ["tempo_accuracy", "key_score", "downbeat_f1", "melody_accuracy"])
def test_the_error_of_its_own_estimator_stands_beside_a_number(name: str) -> None:
    metric = ADHERENCE[name]
    assert metric.estimator is not None
    said = limit(metric)
    for material in ("synthesised", "pop909"):
        error = estimator_error(metric.estimator, material)
        assert error is not None and f"{error.mean:.3g} {material}" in said
    others = {limit(m) for n, m in ADHERENCE.items() if m.estimator != metric.estimator}
    assert said not in others
    assert limit(metric._replace(estimator=None)) == ""
