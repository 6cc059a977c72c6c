"""Results: what is damaged, foreign or double is named, and never merged."""

import copy
import json

import pytest
from listening_folders import id_of, result

from latentone.listening import (
    Question,
    Settings,
    build_mushra,
    build_pairs,
    build_questions,
    read_results,
    write_test,
)


@pytest.fixture
def ab(folders):
    systems = {"a": folders / "a", "b": folders / "b"}
    test = build_pairs(systems, settings=Settings(repeats=2))
    write_test(test, folders / "test")
    return test.design


def save(folder, name, data):
    (folder / name).write_text(json.dumps(data))
    return folder / name


def choose_a(trial, turn):
    return {"choice": id_of(trial, "a") if turn else "none"}


def test_results_are_read_with_the_key_beside_or_among_them(ab, folders):
    out = folders / "test"
    for name in ("Zoe", "ann"):
        save(out, f"{name}.json", result(ab, name, choose_a))
    for given in ([out], sorted(out.glob("*.json")), [out / "Zoe.json", out / "ann.json"]):
        design, results, problems = read_results(given)
        assert design == ab and problems == []
        assert [r.listener for r in results] == ["ann", "Zoe"]
        assert results[0].seconds == 36 and results[0].comment == "said ann"
        assert len(results[0].answers) == 6


def test_a_key_must_be_there_and_only_one(ab, folders):
    (folders / "else").mkdir()
    alone = save(folders / "else", "x.json", result(ab, "x", choose_a))
    with pytest.raises(FileNotFoundError, match=r"no key\.json"):
        read_results([alone])
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_results([folders / "nowhere"])
    with pytest.raises(ValueError, match="no result among 1 files"):
        read_results([folders / "test"])
    other = build_pairs({"a": folders / "a", "c": folders / "c"})
    write_test(other, folders / "other")
    with pytest.raises(ValueError, match="keys of 2 tests"):
        read_results([folders / "test", folders / "other", alone])


def broken(data, **changes):
    changed = copy.deepcopy(data)
    for path, value in changes.items():
        *way, last = path.split("__")
        place = changed
        for step in way:
            place = place[int(step) if step.isdigit() else step]
        if value is None:
            del place[int(last) if last.isdigit() else last]
        else:
            place[last] = value
    return changed


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"test": "0" * 12}, "of another test"),
        ({"format": "x"}, "expected a result"),
        ({"session": None}, "`session` is missing"),
        ({"answers__0": None}, "1 of 6 answers are missing"),
        ({"answers__0__round": 1}, "1 of 6 answers are missing and 1 belong"),
        ({"answers__0__choice": "ffff"}, "a choice of 'ffff'"),
        ({"answers__0__choice": ""}, "which was none"),
        ({"answers__0__sounds": ["x", "y"]}, "not those of the test"),
        ({"answers__0__seconds": "long"}, "must be float"),
        ({"answers__0__hint": 1}, "is not a field"),
        ({"listener__id": " "}, "no name"),
    ],
)
def test_what_cannot_be_is_named(ab, folders, changes, said):
    good = result(ab, "ann", choose_a)
    save(folders / "test", "good.json", good)
    bad = broken(result(ab, "bo", choose_a), **changes)
    save(folders / "test", "bad.json", bad)
    with pytest.raises(ValueError, match=r"1 of 3 files cannot be used: bad\.json") as caught:
        read_results([folders / "test"])
    assert said in str(caught.value)
    _, results, problems = read_results([folders / "test"], leave_out=True)
    assert [r.listener for r in results] == ["ann"] and said in problems[0]


def test_damaged_and_double_files_are_named(ab, folders):
    out = folders / "test"
    first = result(ab, "Ann", choose_a)
    save(out, "1.json", first)
    save(out, "2.json", first)
    save(out, "3.json", result(ab, "ANN", choose_a))
    (out / "4.json").write_text('{"format": ')
    (out / "5.json").write_text("[]")
    with pytest.raises(ValueError, match="4 of 6 files") as caught:
        read_results([out])
    for said in (
        "2.json: the same session as 1.json",
        "3.json: listener 'ANN' has another result, 1.json",
        "4.json:",
        "not valid JSON",
        "5.json: expected a result",
    ):
        assert said in str(caught.value)
    _, results, _ = read_results([out], leave_out=True)
    assert [r.path.name for r in results] == ["1.json"]


def test_ratings_and_replies_are_checked(folders):
    mushra = build_mushra(folders / "originals", {"a": folders / "a"})
    write_test(mushra, folders / "m")

    def rate(value, count=None):
        return lambda trial, _: {"ratings": dict.fromkeys(list(trial.sounds)[:count], value)}

    for answer, said in ((rate(101), "expected 0 to 100"), (rate(50, 2), "2 of 4 sounds")):
        path = save(folders / "m", "r.json", result(mushra.design, "ann", answer))
        with pytest.raises(ValueError, match=said):
            read_results([path])
    asked = [Question(text="How?", kind="scale"), Question(text="Why?")]
    questions = build_questions({"a": folders / "a"}, asked)
    write_test(questions, folders / "q")
    for replies, said in (([6, ""], "6 on a scale"), ([3], "1 replies to 2")):
        data = result(questions.design, "ann", lambda *_, own=replies: {"replies": own})
        with pytest.raises(ValueError, match=said):
            read_results([save(folders / "q", "r.json", data)])


def test_abx_needs_its_x(folders):
    test = build_pairs({"a": folders / "a", "b": folders / "b"}, kind="abx")
    write_test(test, folders / "x")
    data = result(test.design, "ann", lambda trial, _: {"choice": id_of(trial, "a")})
    with pytest.raises(ValueError, match="which sound X was"):
        read_results([save(folders / "x", "r.json", data)])
    # There is a right answer, so "no difference" is none.
    data = result(test.design, "ann", lambda t, _: {"choice": "none", "x": id_of(t, "a")})
    with pytest.raises(ValueError, match="a choice of 'none'"):
        read_results([save(folders / "x", "r.json", data)])
