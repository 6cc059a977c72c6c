"""`latentone report`: a page that needs nothing else, and says what the run folder says."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from latentone.audio import load_audio, read_tags
from latentone.cli import main

SMALL = ("--generations", "2", "--duration", "0.4", "--measured", "3", "--device", "cpu")


class Page(HTMLParser):
    """Elements with their attributes, and the text outside of style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += data + " "

    def all(self, tag: str) -> list[dict[str, Any]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(trained: Path) -> Page:
    assert main(["report", str(trained), *SMALL]) == 0
    return Page((trained / "report.html").read_text(encoding="utf-8"))


def test_nothing_comes_from_elsewhere(page: Page, trained: Path) -> None:
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "poster", "data"):
            assert str(attributes.get(name, "data:")).startswith("data:"), (tag, name)
    text = (trained / "report.html").read_text(encoding="utf-8")
    assert "url(" not in text and "@import" not in text and "<link" not in text
    addresses = {part.split('"')[0] for part in text.split('="http')[1:]}
    assert addresses <= {"://www.w3.org/2000/svg"}


def test_every_sound_has_a_player_and_a_picture_with_a_name(page: Page) -> None:
    players, pictures = page.all("audio"), page.all("img")
    names = [p["aria-label"] for p in players]
    held_out = sum("original" in name for name in names)
    recorded = sum(name.startswith("As recorded") for name in names)
    assert held_out >= 1 and recorded >= 1
    # Plucks of a second are heard whole, whatever an excerpt of the training lasts.
    strip = [p["alt"] for p in pictures if p["alt"].startswith("Spectrogram of As recorded")]
    assert all("1.0 seconds" in text for text in strip)
    # Validations after 2 and 4 steps, each a column of the strip.
    assert sum(name.startswith("Step ") for name in names) == 2 * recorded
    assert len(players) == len(pictures) == 2 * held_out + 2 + 3 * recorded
    assert all("controls" in p and p["aria-label"] for p in players)
    assert all(p["alt"].startswith("Spectrogram of") for p in pictures)
    assert len(page.all("main")) == len(page.all("h1")) == 1
    assert page.all("html")[0]["lang"] == "en"


def test_it_says_what_the_run_says(page: Page, trained: Path) -> None:
    samples = json.loads((trained / "samples" / "samples.json").read_text())
    for entry in samples["held_out"]:
        assert entry["id"] in page.text
        assert f"{entry['scores']['mel_distance']:.3f}" in page.text
    for entry in samples["generations"]:
        assert entry["prompt"] and entry["prompt"] in page.text
    state = json.loads((trained / "generator" / "training" / "state.json").read_text())
    assert f"{state['best']['loss']:.4g} at step {state['best']['step']}" in page.text
    for text in ("toy, debug", "2 x 16 codes at 100 Hz", "discriminators", "The whole recipe"):
        assert text in page.text


def test_it_says_how_the_training_went(page: Page) -> None:
    """Of four steps nothing can be told, but that they are too few."""
    assert "No ailment found" in page.text and "4 steps are too few to tell" in page.text
    for text in ("Discriminator balance", "Codes in use", "Gradient norms", "of 16 in the end"):
        assert text in page.text
    labels = [str(svg.get("aria-label")) for svg in page.all("svg")]
    assert any(label.startswith("Codec: mel distance: best validation") for label in labels)
    assert any(label.startswith("Scores of real") and "steps 2, 4" in label for label in labels)


def test_samples_are_files_with_provenance_and_metrics(page: Page, trained: Path) -> None:
    samples = json.loads((trained / "samples" / "samples.json").read_text())
    test_items = (trained / "test_items.txt").read_text().split("\n")
    assert {entry["id"] for entry in samples["held_out"]} <= set(test_items)
    for number, entry in enumerate(samples["generations"], 1):
        path = trained / "samples" / entry["file"]
        assert load_audio(path).duration == 0.4
        tags = read_tags(path)
        assert (tags["prompt"], tags["seed"], tags["item"]) == (entry["prompt"], 0, number)
    metrics = json.loads((trained / "metrics.json").read_text())
    scores = [entry["scores"]["si_sdr"] for entry in samples["held_out"]]
    mean = metrics["reconstruction"]["mean"]["si_sdr"]
    assert mean == pytest.approx(sum(scores) / len(scores))
    assert len(metrics["generation"]) == 2


def test_samples_are_kept_until_something_changes(page: Page, trained: Path) -> None:
    index = trained / "samples" / "samples.json"
    before = index.stat().st_mtime_ns
    assert main(["report", str(trained), *SMALL]) == 0
    assert index.stat().st_mtime_ns == before
    assert main(["report", str(trained), *SMALL, "--renew"]) == 0
    assert index.stat().st_mtime_ns > before


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "no run folder" in capsys.readouterr().err
