"""The known errors of estimators: complete, in range, and the same in the documentation."""

import json
import math
from importlib.resources import files
from pathlib import Path

import pytest

from latentone.analysis import ESTIMATORS, MATERIALS, EstimatorError, estimator_error

DOCS = Path(__file__).parents[2] / "docs/analysis.md"
IN_UNITS = {"f0_cents", "dynamics", "dynamics_level"}
LOWER = {*IN_UNITS, "voicing_false_alarm"}


def table():
    return json.loads(files("latentone.analysis").joinpath("errors.json").read_text())


def test_all_that_is_kept_is_known_and_all_that_is_known_is_kept():
    kept = table()["errors"]
    assert set(kept) == set(MATERIALS)
    assert all(set(rows) <= set(ESTIMATORS) for rows in kept.values())
    # Every estimator is measured on rendered truth or, without a pitch, on recordings.
    assert {name for rows in kept.values() for name in rows} == set(ESTIMATORS)
    assert set(ESTIMATORS) - set(kept["synthesised"]) == {"voicing_false_alarm"}
    assert set(kept["recordings"]) == set(ESTIMATORS)


@pytest.mark.parametrize("material", MATERIALS)
def test_figures_are_in_range_and_the_worst_is_worst(material):
    for name in ESTIMATORS:
        error = estimator_error(name, material)
        if error is None:
            continue
        assert isinstance(error, EstimatorError)
        assert (error.name, error.material) == (name, material)
        assert error.pieces >= 1 and math.isnan(error.standard_error) == (error.pieces == 1)
        assert 0 <= error.mean <= (1 if name not in IN_UNITS else 50)
        assert error.worst >= error.mean if name in LOWER else error.worst <= error.mean
        assert ESTIMATORS[name] in str(error) and material in str(error)


def test_what_was_not_measured_is_none_and_what_is_misspelt_an_error():
    assert estimator_error("boundaries", "pop909") is None
    with pytest.raises(ValueError, match="tempo_octave"):
        estimator_error("tempi")
    with pytest.raises(ValueError, match="recordings"):
        estimator_error("tempo", "vinyl")


def test_the_documentation_shows_the_same_figures():
    rows = {}
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] in ESTIMATORS and len(cells) == 1 + len(MATERIALS):
            rows[cells[0]] = cells[1:]
    assert set(rows) == set(ESTIMATORS)
    for name, cells in rows.items():
        for material, cell in zip(MATERIALS, cells, strict=True):
            error = estimator_error(name, material)
            shown = cell.split(" ")[0] if cell else None
            assert shown == (f"{error.mean:.3g}" if error else None), (name, material)
    assert table()["command"] in DOCS.read_text(encoding="utf-8")
