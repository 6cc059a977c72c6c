"""Measures of whole sets against scipy and scikit-learn, and what chance scores."""

import math

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
import torch

from latentone.metrics.control import (
    average_precision,
    instrument_accuracy,
    pitch_class_entropy,
    pitch_entropy,
    text_audio_similarity,
)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_entropies_are_scipys_in_bits():
    pitches = [60, 60, 60.4, 72, 64, 67, 48]
    assert pitch_entropy(pitches) == pytest.approx(
        scipy.stats.entropy([3, 1, 1, 1, 1], base=2), abs=1e-9
    )
    assert pitch_class_entropy(pitches) == pytest.approx(
        scipy.stats.entropy([5, 1, 1], base=2), abs=1e-9
    )
    assert pitch_entropy([60]) == pitch_class_entropy([60, 72, 84]) == 0
    assert pitch_class_entropy(range(24)) == pytest.approx(math.log2(12))
    for bad in ([], [60, math.nan]):
        with pytest.raises(ValueError, match="one finite pitch or more"):
            pitch_entropy(bad)


def test_paired_vectors_against_loops():
    audio, text = normal(30, 8), normal(30, 8) + 0.7 * normal(30, 8, seed=1)
    scores = text_audio_similarity(3 * audio, text)
    a, t = ((x / x.norm(dim=1, keepdim=True)).numpy() for x in (audio, text))
    cosines = t @ a.T
    assert scores["similarity"] == pytest.approx(np.mean([cosines[i, i] for i in range(30)]))
    others = [cosines[i, j] for i in range(30) for j in range(30) if i != j]
    assert scores["mismatched"] == pytest.approx(np.mean(others))
    for name, table in (("text_to_audio", cosines), ("audio_to_text", cosines.T)):
        ranks = [int(np.where(np.argsort(-row) == i)[0][0]) + 1 for i, row in enumerate(table)]
        for k in (1, 5, 10):
            assert scores[f"{name}/recall@{k}"] == pytest.approx(np.mean(np.array(ranks) <= k))
        assert scores[f"{name}/median_rank"] == np.median(ranks)
    assert scores["text_to_audio/recall@1"] != scores["audio_to_text/recall@1"]


def test_perfect_pairs_and_equal_vectors():
    x = normal(12, 4)
    perfect = text_audio_similarity(x, 5 * x)
    assert perfect["similarity"] == pytest.approx(1) and perfect["mismatched"] < 0.5
    assert perfect["text_to_audio/recall@1"] == perfect["audio_to_text/median_rank"] == 1
    # An embedding that maps everything to one point finds nothing.
    point = text_audio_similarity(torch.ones(12, 4), torch.ones(12, 4))
    assert point["similarity"] == point["mismatched"] == pytest.approx(1)
    assert point["text_to_audio/recall@1"] == point["text_to_audio/recall@5"] == 0
    assert point["audio_to_text/median_rank"] == 6.5
    one = text_audio_similarity(x[:1], -x[:1])
    assert one["similarity"] == pytest.approx(-1) and one["text_to_audio/recall@1"] == 1
    assert "mismatched" not in one and "text_to_audio/recall@5" not in one


def test_average_precision_is_scikit_learns():
    rng = np.random.default_rng(0)
    for _ in range(20):
        # Coarse scores, so that many are equal.
        scores, wanted = rng.integers(0, 6, 40) / 5, rng.random(40) < 0.3
        wanted[0] = True
        expected = sklearn.metrics.average_precision_score(wanted, scores)
        ours = average_precision(torch.from_numpy(scores), torch.from_numpy(wanted))
        assert ours == pytest.approx(expected, abs=1e-9)


def test_several_instruments_an_item():
    p = torch.sigmoid(normal(60, 5))
    wanted = (normal(60, 5, seed=1) + normal(60, 5)) > 0.5
    wanted[:, 4] = False
    scores = instrument_accuracy(p, wanted.long())
    assert scores["mean_average_precision"] == pytest.approx(
        sklearn.metrics.average_precision_score(wanted[:, :4].numpy(), p[:, :4].numpy()), abs=1e-9
    )
    assert scores["micro_f1"] == pytest.approx(
        sklearn.metrics.f1_score(wanted.numpy(), (p >= 0.5).numpy(), average="micro"), abs=1e-9
    )
    assert "accuracy" not in scores


def test_one_instrument_an_item():
    p = torch.softmax(normal(60, 5), 1)
    classes = normal(60, 5, seed=1).argmax(1)
    scores = instrument_accuracy(p, classes)
    assert scores["accuracy"] == pytest.approx(float((p.argmax(1) == classes).double().mean()))
    assert scores == instrument_accuracy(p, torch.nn.functional.one_hot(classes, 5))
    perfect = instrument_accuracy(torch.eye(5), torch.arange(5))
    assert perfect == {"mean_average_precision": 1.0, "micro_f1": 1.0, "accuracy": 1.0}
    single = instrument_accuracy(torch.tensor([[0.2, 0.8]]), torch.tensor([1]))
    assert single == {"micro_f1": 1.0, "accuracy": 1.0}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: text_audio_similarity(torch.ones(3, 2), torch.ones(2, 2)), "for every audio"),
        (lambda: text_audio_similarity(torch.ones(3, 2), torch.zeros(3, 2)), "3 text vectors"),
        (lambda: text_audio_similarity(torch.ones(0, 2), torch.ones(0, 2)), "0 items"),
        (lambda: text_audio_similarity(torch.full((1, 2), math.nan), torch.ones(1, 2)), "finite"),
        (lambda: instrument_accuracy(torch.full((2, 2), 3.0), torch.eye(2)), "sigmoid"),
        (lambda: instrument_accuracy(torch.eye(2), torch.zeros(2, 2)), "no item has a target"),
        (lambda: instrument_accuracy(torch.eye(2), torch.full((2, 2), 0.5)), "targets of 0 and 1"),
        (lambda: instrument_accuracy(torch.eye(2), torch.tensor([0, 2])), r"classes in \[0, 2\)"),
        (lambda: average_precision(torch.ones(3), torch.zeros(3).bool()), "needs an item"),
    ],
)
def test_refusals_say_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()
