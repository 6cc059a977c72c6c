"""Answers in, numbers out: by hand where that is possible; pages hold what was found."""

import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from listening_folders import id_of, result
from scipy import stats

from latentone.listening import (
    Question,
    Settings,
    analyse,
    build_mushra,
    build_pairs,
    build_questions,
    read_results,
    write_results,
    write_test,
)
from latentone.listening.bars import bars, histogram
from latentone.listening.mushra import compare, screen, summarize


def through_files(test, folder, answers):
    """Write the test, and a result of each listener; read and analyse."""
    write_test(test, folder)
    for name, answer in answers.items():
        (folder / f"{name}.json").write_text(json.dumps(result(test.design, name, answer)))
    design, results, _ = read_results([folder])
    return analyse(design, results)


def test_screening_follows_the_recommendation():
    # 20 items: 3 misses are 15 %, which is allowed, 4 are not. 90 is no miss.
    reference = np.full((4, 20), 100.0)
    reference[1, :3] = 89
    reference[2, :4] = 89
    reference[3] = 90
    assert [bool(reasons) for reasons in screen(reference)] == [False, False, True, False]
    assert "20 %" in screen(reference)[2][0]
    anchor = np.full((4, 20), 40.0)
    anchor[0, :4] = 91
    anchor[1] = 90
    whole = np.full((4, 20), 100.0)
    assert [bool(r) for r in screen(whole, anchor)] == [True, False, False, False]
    # Items that half of all listeners rate so high do not count.
    anchor[:2, :] = 95
    assert not any(screen(whole, anchor))
    with pytest.raises(ValueError, match="listeners, items"):
        screen(np.zeros((3, 0)))
    with pytest.raises(ValueError, match="anchor ratings"):
        screen(whole, anchor[:, 1:])


def test_summaries_take_listeners_as_the_units():
    scores = np.array([[10.0, 30], [50, 70], [90, 110 - 20]])
    found = summarize(scores)
    each = [20, 60, 90]
    assert found["mean"] == pytest.approx(np.mean(each)) and found["median"] == 60
    expected = stats.t.interval(0.95, 2, loc=np.mean(each), scale=stats.sem(each))
    assert found["t_interval"] == pytest.approx(expected)


def test_differences_are_paired_and_corrected():
    rng = np.random.default_rng(0)
    base = rng.normal(50, 20, (12, 4, 1))  # listeners use the scale differently
    scores = base + np.array([5.0, 0, 0]) + rng.normal(0, 2, (12, 4, 3))
    found = compare(scores, ["x", "y", "z"])
    each = scores.mean(1)
    raw = [
        stats.wilcoxon(each[:, i], each[:, j], method="exact").pvalue
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    assert [d["p"] for d in found] == pytest.approx(raw)
    assert found[0]["p_holm"] < 0.01 and found[2]["p_holm"] == pytest.approx(raw[2])
    assert found[0]["difference"] == pytest.approx(5, abs=1)


def mushra_answers(levels):
    def answer(trial, turn):
        return {"ratings": {key: levels[name] + turn for key, name in trial.sounds.items()}}

    return answer


def test_mushra_from_pages_to_numbers(folders):
    systems = {"a": folders / "a", "b": folders / "b"}
    test = build_mushra(folders / "originals", systems, settings=Settings(repeats=2))
    anchors = {"anchor 3.5 kHz": 10, "anchor 7 kHz": 30}
    listeners = {
        f"listener {i}": mushra_answers({"a": 60 + i, "b": 50 - i, "reference": 95, **anchors})
        for i in range(6)
    }
    deaf = mushra_answers({"a": 1, "b": 99, "reference": 20, **anchors})
    found = through_files(test, folders / "t", {**listeners, "deaf": deaf})
    assert found["listeners_heard"] == 6
    left_out = {w["id"]: w["left_out"] for w in found["listeners"] if w["left_out"]}
    assert (
        list(left_out) == ["deaf"] and "hidden reference below 90 in 100 %" in left_out["deaf"][0]
    )
    # Rounds 0 and 1 differ by one point: half a point on average.
    assert found["conditions"]["a"]["mean"] == pytest.approx(62.5 + 0.5)
    assert found["conditions"]["a"]["by_item"]["song1"]["mean"] == pytest.approx(63)
    pair = found["differences"][0]
    assert (pair["first"], pair["second"]) == ("a", "b")
    assert pair["difference"] == pytest.approx(15)
    assert pair["p"] == pytest.approx(2**-5) and pair["p_holm"] == pytest.approx(3 * 2**-5)
    page = write_results(found, folders / "analysis")
    text = page.read_text()
    assert json.loads((folders / "analysis/results.json").read_text()) == json.loads(
        json.dumps(found)
    )
    assert "6 of 7" in text and "below 90" in text and "+15.0" in text
    only_deaf = build_mushra(folders / "originals", systems)
    with pytest.raises(ValueError, match="all 1 listeners are left out"):
        through_files(only_deaf, folders / "d", {"deaf": deaf})


def test_preferences_from_pages_to_numbers(folders):
    systems = {name: folders / name for name in "abc"}
    test = build_pairs(systems, kind="pairs")

    def fixed(trial, turn):
        # a over b over c, but a tie of a and b on song0.
        names = sorted(trial.sounds.values())
        tie = names == ["a", "b"] and trial.item == "song0"
        return {"choice": "none" if tie else id_of(trial, names[0])}

    found = through_files(test, folders / "t", {f"l{i}": fixed for i in range(4)})
    assert found["wins"] == [[0, 8, 12], [0, 0, 12], [0, 0, 0]]
    assert found["ties"] == [[0, 4, 0], [4, 0, 0], [0, 0, 0]]
    first = found["pairs"][0]
    assert (first["first_wins"], first["ties"], first["second_wins"]) == (8, 4, 0)
    assert first["share"] == pytest.approx(10 / 12) and first["decided_share"] == 1
    assert first["p"] == pytest.approx(2**-7) and first["p_listeners"] == pytest.approx(2**-3)
    order = sorted(found["strengths"], key=lambda n: -found["strengths"][n]["strength"])
    assert order == ["a", "b", "c"]
    assert found["strengths"]["a"]["share"] == pytest.approx((2.5 + 3) / 6)
    assert found["by_item"]["song0"] == {"a": 0.75, "b": 0.75, "c": 0}
    assert any("never below 0.12" in note for note in found["notes"])
    text = write_results(found, folders / "analysis").read_text()
    assert "Bradley" in text and "preferred to the column" in text


def test_abx_from_pages_to_numbers(folders):
    test = build_pairs(
        {"a": folders / "a", "b": folders / "b"}, kind="abx", settings=Settings(repeats=4)
    )

    def answer(trial, turn):
        x = id_of(trial, "ab"[turn % 2])
        other = next(key for key in trial.sounds if key != x)
        return {"x": x, "choice": other if turn == 0 else x}

    found = through_files(test, folders / "t", {"ann": answer, "bo": answer})
    assert (found["abx"]["correct"], found["abx"]["count"]) == (18, 24)
    assert found["abx"]["p"] == pytest.approx(stats.binom.sf(17, 24, 0.5))
    assert found["by_listener"]["bo"]["correct"] == 9
    assert found["by_item"]["song2"]["count"] == 8
    assert "Told apart" in write_results(found, folders / "analysis").read_text()


def test_questions_from_pages_to_numbers(folders):
    asked = [
        Question(text="How musical?", kind="scale", low="not", high="very"),
        Question(text="What <bothers> you?"),
    ]
    test = build_questions({"a": folders / "a", "b": folders / "b"}, asked)

    def answer(value, text):
        return lambda trial, _: {"replies": [value if "a" in trial.sounds.values() else 5, text]}

    found = through_files(test, folders / "t", {"x": answer(2, " <hum> "), "y": answer(3, "")})
    (scale,) = found["scales"]
    assert scale["systems"]["a"]["counts"] == [0, 3, 3, 0, 0]
    assert scale["systems"]["a"]["mean"] == 2.5 and scale["systems"]["b"]["mean"] == 5
    assert len(found["answers"]) == 6
    assert {entry["text"] for entry in found["answers"]} == {"<hum>"}
    text = write_results(found, folders / "analysis").read_text()
    assert "&lt;hum&gt;" in text and "<hum>" not in text and "1 not, 5 very" in text


def test_one_listener_has_numbers_and_no_intervals(folders):
    test = build_pairs({"a": folders / "a", "b": folders / "b"})
    found = through_files(
        test, folders / "t", {"ann": lambda trial, _: {"choice": id_of(trial, "b")}}
    )
    assert found["pairs"][0]["share"] == 0 and found["pairs"][0]["share_interval"] is None
    assert any("one listener" in note for note in found["notes"])
    assert "–" in write_results(found, folders / "analysis").read_text()
    with pytest.raises(ValueError, match="at least one"):
        analyse(test.design, [])


SVG = "{http://www.w3.org/2000/svg}"


def test_bars_and_whiskers_lie_where_values_do():
    rows = [("x", 50.0, (40.0, 60.0), "tested"), ("y <&>", 100.0, None, "anchor")]
    root = ElementTree.fromstring(bars(rows, low=0, high=100, title="t"))
    first, second = root.iter(f"{SVG}rect")
    assert float(second.attrib["width"]) == pytest.approx(2 * float(first.attrib["width"]), abs=0.2)
    (whisker,) = root.iter(f"{SVG}path")
    left, right = re.match(r"M([\d.]+) [\d.]+H([\d.]+)", whisker.attrib["d"]).groups()
    middle = float(first.attrib["x"]) + float(first.attrib["width"])
    assert (float(left) + float(right)) / 2 == pytest.approx(middle, abs=0.2)
    assert "x 50 (40 to 60)" in root.attrib["aria-label"]


def test_histograms_are_as_tall_as_their_counts():
    root = ElementTree.fromstring(histogram([0, 2, 4, 0, 1], title="t"))
    tall = [float(r.attrib["height"]) for r in root.iter(f"{SVG}rect")]
    assert tall[1] == pytest.approx(tall[2] / 2) and tall[0] < 1
    assert ElementTree.fromstring(histogram([0] * 5, title="t")) is not None
