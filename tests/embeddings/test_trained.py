"""Answers, losses and figures of the embeddings that are trained here."""

import math

import numpy as np
import pytest
import torch

from latentone.data import Item
from latentone.dsp.mel import MelSpec
from latentone.embeddings import (
    ClassifierConfig,
    Head,
    JointConfig,
    JointEmbedding,
    MusicClassifier,
    TrainedEmbedding,
)
from latentone.embeddings.labels import fill_classes, label, targets
from latentone.networks.short_chunk_cnn import ShortChunkCNNConfig

SMALL = {
    "network": ShortChunkCNNConfig(channels=(4, 8), dim=8),
    "mel": MelSpec(sample_rate=8000, n_fft=512, hop_length=200, n_mels=16, log="log10"),
    "window_seconds": 0.5,
    "hop_seconds": 0.25,
}


def item(name="a", caption=None, group=None, **facts):
    return Item(
        id=name, path=name, group=group or name, split="train", duration=1.0, sample_rate=8000,
        channels=1, caption=caption, metadata=facts,
    )  # fmt: skip


ITEMS = (
    item("a", instruments=["flute", "drums"], key="C major", bpm=70),
    item("b", instruments=["flute"], key="A minor", bpm=130),
    item("c", instrument="drums, bass", bpm=True),
    item("d", mood="calm"),
)
HEADS = {
    "instrument": Head(multiple=True),
    "key": Head(),
    "tempo": Head(classes=("slow", "fast")),
    "mood": Head(),
    "role": Head(),
}


def test_labels_are_read_from_what_sidecars_say():
    said = [label("instrument", HEADS["instrument"], i.metadata) for i in ITEMS]
    assert said == [("flute", "drums"), ("flute",), ("drums", "bass"), ()]
    assert [label("tempo", HEADS["tempo"], i.metadata) for i in ITEMS[:3]] == [
        ("slow",),
        ("fast",),
        (),
    ]
    # Several answers to a question that has one are no answer.
    assert label("key", Head(), {"key": ["C major", "A minor"]}) == ()


def test_classes_are_those_of_the_items_and_silent_heads_go():
    heads = fill_classes(HEADS, ITEMS)
    assert heads["instrument"].classes == ("bass", "drums", "flute")
    assert heads["key"].classes == ("A minor", "C major")
    assert set(heads) == {"instrument", "key", "tempo"}  # one mood only, and no role at all
    with pytest.raises(ValueError, match=r"no item says anything about role: .*\.json"):
        fill_classes({"role": Head()}, ITEMS)


def test_targets_tell_wrong_from_unknown():
    found = targets(fill_classes(HEADS, ITEMS), (*ITEMS, item("e", key="B major")))
    assert found["key"].tolist() == [1, 0, -1, -1, -1]
    assert found["instrument"][:3].tolist() == [[0, 1, 1], [0, 0, 1], [1, 1, 0]]
    assert found["instrument"][3:].isnan().all()


def classifier():
    torch.manual_seed(0)
    config = ClassifierConfig(**SMALL, heads=HEADS).fitted_to(ITEMS)
    return MusicClassifier(config).eval()


def test_the_loss_is_the_mean_cross_entropy_of_what_is_said():
    model, x = classifier(), 0.1 * torch.randn(4, 1, 4000)
    with torch.no_grad():
        losses = model(x, model.targets(ITEMS))
    logits = {k: v.double().detach().numpy() for k, v in model.answers(x).items()}
    p = np.exp(logits["key"]) / np.exp(logits["key"]).sum(1, keepdims=True)
    key = -(math.log(p[0, 1]) + math.log(p[1, 0])) / 2
    q = 1 / (1 + np.exp(-logits["instrument"][:3]))
    truth = np.array([[0, 1, 1], [0, 0, 1], [1, 1, 0]])
    instrument = -np.where(truth == 1, np.log(q), np.log(1 - q)).mean()
    assert float(losses["key/loss"]) == pytest.approx(key, rel=1e-5)
    assert float(losses["instrument/loss"]) == pytest.approx(instrument, rel=1e-5)
    mean = (losses["key/loss"] + losses["instrument/loss"] + losses["tempo/loss"]) / 3
    assert float(losses["loss"]) == pytest.approx(float(mean), rel=1e-6)


def test_a_batch_that_says_nothing_costs_nothing_and_has_gradients():
    model, x = classifier().train(), 0.1 * torch.randn(4, 1, 4000)
    losses = model(x, model.targets([ITEMS[3]] * 4))
    losses["loss"].backward()
    assert float(losses["loss"].detach()) == 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_posteriors_are_read_from_vectors():
    model, x = classifier(), 0.1 * torch.randn(3, 1, 4000)
    found = model.posteriors(model(x))
    for name, logits in model.answers(x).items():
        expected = logits.sigmoid() if name == "instrument" else logits.softmax(-1)
        torch.testing.assert_close(found[name], expected)


def joint():
    torch.manual_seed(0)
    return JointEmbedding(
        JointConfig(**SMALL, dim=6, text_dim=8, text_layers=1, text_heads=2, max_bytes=16)
    ).eval()


def test_the_contrastive_loss_knows_pieces_and_missing_words():
    model, x = joint(), 0.1 * torch.randn(5, 1, 4000)
    # a and b are of one piece: no negatives of each other. d says nothing.
    items = [item(n, caption=c, group=g) for n, c, g in (
        ("a", "slow flute", "1"), ("b", "fast drums", "1"), ("c", "bass", "2"), ("d", None, "3"),
        ("e", "organ", "4"),
    )]  # fmt: skip
    with torch.no_grad():
        losses = model(x, model.targets(items))
    audio = model(x).detach().double().numpy()
    texts = model.embed_text([i.caption or "x" for i in items]).double().numpy()
    z = audio @ texts.T / 0.07
    rows = {0: (0, 2, 4), 1: (1, 2, 4), 2: (0, 1, 2, 4), 4: (0, 1, 2, 4)}
    one = [np.log(np.exp(z[r, list(c)]).sum()) - z[r, r] for r, c in rows.items()]
    two = [np.log(np.exp(z[list(c), r]).sum()) - z[r, r] for r, c in rows.items()]
    assert float(losses["loss"]) == pytest.approx((np.mean(one) + np.mean(two)) / 2, rel=1e-4)
    assert float(losses["temperature"]) == pytest.approx(0.07, rel=1e-5)


def test_texts_do_not_depend_on_their_neighbours():
    model = joint()
    alone, together = model.embed_text(["flute"]), model.embed_text(["flute", "slow old organ"])
    torch.testing.assert_close(alone[0], together[0])
    torch.testing.assert_close(together.norm(dim=1), torch.ones(2))
    with pytest.raises(ValueError, match="at most 16 bytes"):
        model.embed_text(["a text that is too long"])
    with pytest.raises(ValueError, match="none of them empty"):
        model.embed_text(["flute", " "])


def test_long_captions_are_cut_between_letters():
    prepared = joint().targets([item(caption="fünfzehn Bytes " + "ü" * 9)])
    assert int(prepared["present"].sum()) <= 16
    assert bytes(prepared["bytes"][0].tolist()).decode() == "fünfzehn Bytes "


def test_a_collection_without_words_is_refused():
    with pytest.raises(ValueError, match="no item has a caption"):
        JointConfig(**SMALL).fitted_to(ITEMS)


@pytest.mark.parametrize("make", [classifier, joint])
def test_saved_embeddings_come_back_with_their_fingerprint(make, tmp_path):
    model, x = make(), 0.1 * torch.randn(2, 1, 4000)
    model.save_pretrained(tmp_path / "m")
    again = TrainedEmbedding.from_pretrained(tmp_path / "m")
    assert again.fingerprint == model.fingerprint and type(again) is type(model)
    torch.testing.assert_close(again(x), model(x))
    with torch.no_grad():
        next(again.network.parameters()).add_(1e-3)
    assert again.fingerprint != model.fingerprint
