"""Every system has a card that tells its paper and sizes truly, and a page whose commands run."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from latentone.commands import train
from latentone.commands._systems import (
    codec_parameters,
    load_card,
    load_recipe,
    system_names,
    trained_stages,
)

PAGES = Path(__file__).parents[2] / "docs" / "systems"
NAMED = [name for name in system_names() if name != "toy"]
URL = re.compile(r"https://[^\s,;)]+")
COMMAND = re.compile(r"^(?: {4}|\$ )?latentone train .*(?:\\\n.*)*", re.MULTILINE)


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def commands(name: str) -> list[list[str]]:
    """Arguments of all trainings on a page, with a size where it leaves SIZE open."""
    lines = [match.replace("\\\n", " ") for match in COMMAND.findall(page(name))]
    return [
        shlex.split(re.sub(r"\bSIZE\b", "small", line), comments=True)[2:]
        for line in lines
        if "SYSTEM" not in line
    ]


@pytest.mark.parametrize("name", NAMED)
def test_a_card_tells_paper_and_sizes(name):
    card = load_card(name)
    recipes = importlib.import_module(f"latentone.systems.{name}").RECIPES
    assert set(card.sizes) == set(recipes) and {"debug", "small"} <= set(recipes)
    assert URL.search(card.paper) and card.authors and 1900 < card.year < 2100
    assert card.summary.endswith(".")
    assert trained_stages(name)


@pytest.mark.parametrize("name", NAMED)
def test_counts_of_a_card_are_those_of_its_codecs(name):
    for size, text in load_card(name).sizes.items():
        recipe = load_recipe(name, size)
        told = re.search(r"([\d.]+) M parameters", text)
        if told and recipe.generator is None and recipe.codec is not None:
            assert f"{codec_parameters(recipe) / 1e6:.1f}" == told[1], size


@pytest.mark.parametrize("name", NAMED)
def test_the_page_names_the_paper_and_how_to_train_it(name):
    card, text = load_card(name), page(name)
    assert card.title.split()[0].lower() in text.lower()
    assert URL.search(card.paper)[0] in text
    trained = [train.parse(argv) for argv in commands(name)]
    assert name in [args.system for args in trained]
    assert all(args.recipe.system == args.system for args in trained)


def test_commands_are_found_and_wrong_ones_refused():
    assert ["dac", "--data", "my_sounds", "--out", "run"] in [argv[:5] for argv in commands("dac")]
    for wrong in (["dac", "--data", "a"], ["dac", "--data", "a", "--out", "b", "--cdec.x", "1"]):
        with pytest.raises(SystemExit):
            train.parse(wrong)
    with pytest.raises(ValueError, match="has no size 'huge'"):
        train.parse(["dac", "--size", "huge", "--data", "a", "--out", "b"])
