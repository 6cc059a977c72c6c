"""Texts, classes and timbre of a set: against what the parts give by hand."""

from pathlib import Path

import pytest
import torch

from latentone.audio import Audio
from latentone.data import Item
from latentone.embeddings import (
    ClassifierConfig,
    Embedded,
    Head,
    JointConfig,
    JointEmbedding,
    LogMelStatistics,
    MusicClassifier,
)
from latentone.metrics.judge import judge_embedding
from latentone.metrics.wholes import Resampling, judge_heads, judge_texts, judge_timbre
from latentone.networks.short_chunk_cnn import ShortChunkCNNConfig

SMALL = ShortChunkCNNConfig(channels=(4, 8), dim=8)


def embedded(embedding, vectors, per_file=2):
    files = len(vectors) // per_file
    return Embedded(
        name=embedding.name,
        fingerprint=embedding.fingerprint,
        vectors=vectors,
        file=torch.arange(files).repeat_interleave(per_file),
        seconds=torch.arange(len(vectors)) % per_file * 1.0,
        paths=tuple(Path(f"/s/{i}.wav") for i in range(files)),
        failures={},
    )


def item(path, **metadata):
    return Item(
        id=path.name,
        path=path.name,
        group=path.stem,
        split="train",
        duration=1.0,
        sample_rate=24_000,
        channels=1,
        metadata=metadata,
    )


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(0)
    heads = {
        "genre": Head(classes=("blues", "jazz", "rock")),
        "instrument": Head(classes=("bass", "piano"), multiple=True),
    }
    return MusicClassifier(ClassifierConfig(heads=heads, network=SMALL)).eval()


def test_classes_that_were_asked_for_are_counted_by_sound(classifier):
    rng = torch.Generator().manual_seed(1)
    found = embedded(classifier, 5 * torch.randn(24, classifier.dim, generator=rng))
    by_sound = classifier.posteriors(found.vectors)["genre"].unflatten(0, (12, 2)).mean(1)
    names = ("blues", "jazz", "rock")
    right = {p: item(p, genre=names[by_sound[i].argmax()]) for i, p in enumerate(found.paths)}
    judged = judge_heads(classifier, found, right)
    assert judged["genre accuracy"].value == 1 and judged["genre accuracy"].items == 12
    assert judged["genre accuracy"].settings.startswith("classifier@")
    assert not any(name.startswith("instrument") for name in judged)
    # A third is asked for something else, two say nothing.
    mixed = dict(right)
    for i, path in enumerate(found.paths[:4]):
        mixed[path] = item(path, genre=names[(by_sound[i].argmax() + 1) % 3])
    for path in found.paths[10:]:
        mixed[path] = item(path)
    judged = judge_heads(classifier, found, mixed)
    assert judged["genre accuracy"].value == pytest.approx(6 / 10)
    assert judged["genre accuracy"].items == 10
    assert judge_heads(LogMelStatistics(), found, right) == {}


def test_posteriors_of_heads_with_one_answer_are_scored(classifier):
    rng = torch.Generator().manual_seed(2)
    x, y = (embedded(classifier, torch.randn(40, 8, generator=rng)) for _ in range(2))
    tracks = [str(i) for i in x.file.tolist()]
    found = judge_embedding(classifier, x, y, tracks, tracks, resamples=5)
    names = set(found.comparison.scores)
    assert {"inception/genre", "posterior_kl/genre"} <= names
    assert not {"inception/instrument", "posterior_kl/instrument"} & names
    p = classifier.posteriors(y.vectors)["genre"].double()
    entropies = -(p * p.log()).sum(1).mean(), -(p.mean(0) * p.mean(0).log()).sum()
    expected = float((entropies[1] - entropies[0]).exp())
    assert found.comparison.scores["inception/genre"].value == pytest.approx(expected, rel=1e-5)
    assert found.heads["instrument"].multiple and found.heads["genre"].classes[1] == "jazz"
    assert set(found.halves) >= {"inception/genre", "kernel"}


def test_texts_are_compared_with_the_mean_of_their_windows():
    torch.manual_seed(0)
    joint = JointEmbedding(JointConfig(network=SMALL, dim=8, text_dim=16, text_heads=2)).eval()
    texts = ["slow piano", "fast drums", "a choir"]
    words = joint.embed_text(texts)
    found = embedded(joint, words.repeat_interleave(2, 0))
    captions = dict(zip(found.paths, texts, strict=True))
    judged = judge_texts(joint, found, captions)
    assert judged["text similarity"].value == pytest.approx(1, abs=1e-5)
    assert judged["text to audio recall@1"].value == 1
    others = float((words @ words.T).sum() - 3) / 6
    assert judged["text mismatched"].value == pytest.approx(others, abs=1e-5)
    turned = embedded(joint, words.roll(1, 0).repeat_interleave(2, 0))
    assert judge_texts(joint, turned, captions)["text similarity"].value < 0.999
    assert judge_texts(joint, found, {found.paths[0]: "one"}) == {}
    assert judge_texts(LogMelStatistics(), found, captions) == {}


def test_the_timbre_of_notes_needs_pitches(tmp_path):
    sounds = []
    for i, pitch in enumerate((60, 62, 64, 60, 62, 64)):
        hz, t = 440 * 2 ** ((pitch - 69) / 12), torch.arange(24_000) / 24_000
        weights = (1, 0.5, 0.25, 0.1) if i < 3 else (0.1, 1, 0.1, 0.8)
        x = sum(w * torch.sin(2 * torch.pi * hz * (k + 1) * t) for k, w in enumerate(weights))
        path = tmp_path / f"{i}.wav"
        Audio(0.3 * x[None], 24_000).save(path)
        sounds.append((path, {"pitch": pitch, "instrument": "ab"[i // 3]}))
    found = judge_timbre(sounds)
    assert found["timbre identified"].value == 1 and found["timbre margin"].value > 3
    assert found["timbre within"].items == 6
    assert judge_timbre([(p, {}) for p, _ in sounds]) == {}
    broken = tmp_path / "broken.wav"
    broken.write_text("words")
    assert judge_timbre([(broken, {"pitch": 60}), sounds[0]]) == {}


@pytest.fixture
def joint():
    torch.manual_seed(0)
    return JointEmbedding(JointConfig(network=SMALL, dim=8, text_dim=16, text_heads=2)).eval()


def unequal(joint, files):
    """Sounds that lie near their texts, and tracks of two."""
    texts = [f"piano number {i}" for i in range(files)]
    words = joint.embed_text(texts)
    rng = torch.Generator().manual_seed(3)
    noise = 0.05 * torch.randn(words.shape, generator=rng)
    found = embedded(joint, (words + noise).repeat_interleave(2, 0))
    captions = dict(zip(found.paths, texts, strict=True))
    tracks = {path: str(i // 2) for i, path in enumerate(found.paths)}
    return found, captions, words, tracks


def test_means_and_shares_over_sounds_have_an_interval_by_track(joint):
    found, captions, words, tracks = unequal(joint, 24)
    plain = judge_texts(joint, found, captions)
    judged = judge_texts(joint, found, captions, Resampling(tracks=tracks))
    assert {n: w.value for n, w in judged.items()} == {n: w.value for n, w in plain.items()}
    assert all(w.interval is None for w in plain.values())
    for name, whole in judged.items():
        if "rank" in name:
            assert whole.interval is None
            continue
        low, high, level, resamples, groups = whole.interval
        assert low <= whole.value <= high and level == 0.95 and groups == (0, 12), name
        assert resamples == 100 and whole.items == 24
    # The interval of a mean of independent tracks is that of its standard error.
    own = torch.cosine_similarity(found.vectors[::2], words, dim=1).unflatten(0, (12, 2)).mean(1)
    low, high = judged["text similarity"].interval[:2]
    assert high - low == pytest.approx(2 * 1.96 * float(own.std()) / 12**0.5, rel=0.3)
    recall = judged["text to audio recall@5"]
    assert 0 < recall.value < 1 and 0 <= recall.interval.low < recall.interval.high <= 1


def test_a_share_of_all_sounds_is_not_certain(joint):
    texts = ["slow piano", "fast drums", "a choir", "wind"]
    found = embedded(joint, joint.embed_text(texts).repeat_interleave(2, 0))
    captions = dict(zip(found.paths, texts, strict=True))
    judged = judge_texts(joint, found, captions, Resampling(tracks={}))
    low, high = judged["text to audio recall@1"].interval[:2]
    assert high == pytest.approx(1) and low == pytest.approx(4 / (4 + 1.96**2), abs=1e-3)


def test_intervals_of_classes_need_two_tracks_and_resamples(classifier):
    rng = torch.Generator().manual_seed(1)
    found = embedded(classifier, 5 * torch.randn(48, classifier.dim, generator=rng))
    names = ("blues", "jazz", "rock")
    items = {
        p: item(p, genre=names[i % 3], instruments=["bass", "piano"][: 1 + i % 2])
        for i, p in enumerate(found.paths)
    }
    tracks = {path: str(i // 2) for i, path in enumerate(found.paths)}
    judged = judge_heads(classifier, found, items, Resampling(tracks=tracks, resamples=20))
    assert {"genre accuracy", "genre micro f1", "genre mean average precision"} <= judged.keys()
    for name, whole in judged.items():
        assert whole.interval.low < whole.value < whole.interval.high, name
        assert whole.interval.groups == (0, 12)
    plain = whole.to_json()
    assert plain["interval"]["groups"] == (0, 12) and plain["value"] == whole.value
    for few in (Resampling(tracks=dict.fromkeys(tracks, "a")), Resampling(tracks={}, resamples=0)):
        judged = judge_heads(classifier, found, items, few)
        assert judged and all(w.interval is None for w in judged.values())


def test_what_half_of_the_tracks_cannot_answer_costs_no_other_interval(classifier):
    rng = torch.Generator().manual_seed(1)
    found = embedded(classifier, torch.randn(8, classifier.dim, generator=rng))
    # Each track has one class, which is then asked for always: no half of two has a precision.
    items = {p: item(p, genre=("blues", "rock")[i // 2]) for i, p in enumerate(found.paths)}
    tracks = {path: str(i // 2) for i, path in enumerate(found.paths)}
    judged = judge_heads(classifier, found, items, Resampling(tracks=tracks))
    assert judged["genre mean average precision"].interval is None
    assert judged["genre accuracy"].interval is not None


def test_identified_notes_are_a_share_of_those_that_can_be(tmp_path):
    sounds = []
    for i, pitch in enumerate((60, 62, 64, 60, 62, 64, 90)):
        hz, t = 440 * 2 ** ((pitch - 69) / 12), torch.arange(24_000) / 24_000
        weights = (1, 0.5, 0.25, 0.1) if i < 3 else (0.1, 1, 0.1, 0.8)
        x = sum(w * torch.sin(2 * torch.pi * hz * (k + 1) * t) for k, w in enumerate(weights))
        path = tmp_path / f"{i}.wav"
        Audio(0.3 * x[None], 24_000).save(path)
        sounds.append((path, {"pitch": pitch, "instrument": "ab"[i // 3 % 2]}))
    found = judge_timbre(sounds, Resampling(tracks={}))
    identified = found["timbre identified"]
    # The lone high note has no neighbours.
    assert identified.items == 6 and found["timbre within"].items == 7
    assert identified.interval.groups == (0, 6) and identified.interval.low < 1
    assert found["timbre within"].interval is None
