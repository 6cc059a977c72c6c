"""Parts alone, and a few files of many pieces: what they say is what they hold."""

import json
from dataclasses import replace

import numpy as np
import pytest

from latentone.audio import load_audio
from latentone.data.composer import compose
from latentone.data.corpus import Composed, Settings, build_corpus, plan_composed
from latentone.data.parts import ROLES, parts
from latentone.data.piece import excerpts, spread, windows
from latentone.data.render import Renderer
from latentone.data.scan import scan
from latentone.data.wording import caption
from latentone.symbolic import Note, Score, Track

RENDERER = Renderer(sample_rate=8000, channels=1)
SEED = 5


def with_drums():
    pieces = (compose(SEED, i) for i in range(20))
    return next(p for p in pieces if p.metadata["drum_pattern"] != "none")


def test_every_track_of_a_composed_piece_is_one_part():
    piece = with_drums()
    found = parts(piece)
    assert [p.role for p in found] == [t.name for t in piece.score.tracks]
    for part, track in zip(found, piece.score.tracks, strict=True):
        assert part.score.tracks == (track,) and part.group == piece.name
        assert part.name == f"{piece.name}-{part.role}" and "genre" not in part.metadata
        assert (part.score.key is None) == (part.role == "drums") == (not part.score.chords)


def test_roles_of_other_scores_are_those_that_are_certain():
    notes = (Note(0, 1, 40, 90), Note(1, 1, 43, 90))
    tracks = (
        Track(name="Finger Bass", program=33, notes=notes),
        Track(name="", drums=True, notes=notes),
        Track(name="MELODY", program=40, notes=notes),
        Track(name="strings", program=48, notes=notes),
        Track(name="pad", program=89),
    )
    piece = replace(with_drums(), score=Score(tracks=tracks))
    assert [p.role for p in parts(piece)] == ["bass", "drums", "melody"]


def test_windows_are_spread_over_a_piece():
    cuts = windows(with_drums(), 4.0)
    chosen = spread(cuts, 3)
    assert list(chosen.values()) == [cuts[i] for i in chosen] and len(chosen) == 3
    places = np.array(list(chosen)) / len(cuts)
    assert np.allclose(places, [1 / 6, 1 / 2, 5 / 6], atol=1 / len(cuts))
    assert spread(cuts, None) == spread(cuts, 999) == dict(enumerate(cuts))


def test_an_excerpt_sounds_as_it_does_in_the_whole():
    piece = with_drums()
    chosen = spread(windows(piece, 8.0), 2)
    heard = excerpts(piece, chosen)
    counts = [sum(len(t.notes) for t in p.score.tracks) for p in (piece, heard)]
    assert counts[1] < 0.7 * counts[0]
    whole, part = RENDERER.render(piece), RENDERER.render(heard)
    for cut in chosen.values():
        first = round(cut.start * 8000)
        # Noise is drawn anew, so waves differ; what rises and falls in which band does not.
        bands = [
            np.log(np.abs(np.fft.rfft(x[0, first : first + 60_000].reshape(-1, 400)))[:, 1:100] + 1)
            for x in (whole, part)
        ]
        assert np.corrcoef(bands[0].ravel(), bands[1].ravel())[0, 1] > 0.9


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("parts")
    settings = Settings(renderer=RENDERER, seconds=6.0, per_piece=1, parts=True)
    jobs = plan_composed(SEED, 0.4, 6.0, 1)
    return out, jobs, build_corpus(jobs, out, settings, origin={"composed": {"seed": SEED}})


def test_a_corpus_with_parts_says_what_each_file_holds(built):
    out, jobs, results = built
    assert len(jobs) == 4 and not any(r.failure for r in results)
    truths = {p.stem: json.loads(p.read_text()) for p in out.glob("0*.json")}
    mixes = [t for t in truths.values() if t["role"] == "mix"]
    assert len(mixes) == 4 and len(truths) == sum(r.files for r in results) > 12
    for stem, truth in truths.items():
        assert truth["role"] in ROLES and load_audio(out / f"{stem}.flac").duration == 6.0
        if truth["role"] != "mix":
            assert len(truth["instruments"]) == 1 and "genre" not in truth
        if truth["role"] == "drums":
            assert "key" not in truth and truth["drum_pattern"] != "none"
        if "drums" not in truth["instruments"]:
            assert truth.get("drum_pattern", "none") == "none"
    groups = {i.group: i.split for i in scan(out).items}
    assert len(groups) == 4  # a part never leaves its piece


def test_parts_and_plain_corpora_do_not_mix(built):
    out, jobs, _ = built
    with pytest.raises(ValueError, match="per_piece 1"):
        other = Settings(renderer=RENDERER, seconds=6.0, per_piece=2, parts=True)
        build_corpus(jobs, out, other, origin={"composed": {"seed": SEED}})


def test_captions_of_parts_name_the_part():
    truth = {
        "role": "bass",
        "instruments": ["synth bass"],
        "drums": [],
        "bpm": 90.0,
        "key": "C major",
    }
    texts = {caption(truth, np.random.default_rng(i)).lower() for i in range(40)}
    assert all("bass line" in t or "bass part" in t for t in texts)
    assert not any("no drums" in t for t in texts)


def test_the_job_writes_what_the_plan_counts(tmp_path):
    settings = Settings(renderer=RENDERER, seconds=6.0, per_piece=2)
    (result,) = build_corpus([Composed(seed=SEED, index=1)], tmp_path, settings, origin={})
    assert result.files == 2 and len(list(tmp_path.glob("*.flac"))) == 2
