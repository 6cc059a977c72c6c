"""What is shipped loads, is what the recipe makes, and hears what it should."""

import pytest
import torch

from latentone.embeddings import SHIPPED, JointEmbedding, MusicClassifier, load_shipped
from latentone.systems import classifier, joint

SYSTEMS = {"classifier": classifier, "joint": joint}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_those_of_the_small_recipe(name):
    model = load_shipped(name)
    asked = SYSTEMS[name].RECIPES["small"]().embedding.task.model
    assert not model.training and model.name == name
    for part in ("network", "mel", "window_seconds", "hop_seconds"):
        assert getattr(model.config, part) == getattr(asked, part)
    assert sum(p.numel() * p.element_size() for p in model.parameters()) < 5e6


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="only classifier, joint"):
        load_shipped("vggish")


def drums(model, beats=8):
    """Clicks of noise on a grid."""
    x = torch.zeros(model.window)
    generator = torch.Generator().manual_seed(0)
    for i in range(beats):
        burst = torch.randn(2400, generator=generator) * torch.logspace(0, -3, 2400)
        x[i * model.window // beats :][:2400] += 0.5 * burst
    return x


def tones(model):
    """A slow line of low sines."""
    time = torch.arange(model.window) / model.source.sample_rate
    hertz = torch.tensor([55.0, 65.4, 49.0, 55.0]).repeat_interleave(model.window // 4)
    return 0.4 * torch.sin(2 * torch.pi * hertz * time)


def test_the_classifier_tells_drums_from_a_bass():
    model = load_shipped("classifier")
    assert isinstance(model, MusicClassifier)
    assert set(model.config.heads) == set(classifier.HEADS)
    found = model.posteriors(model(torch.stack([drums(model), tones(model)])[:, None]))["role"]
    roles = model.config.heads["role"].classes
    assert [roles[i] for i in found.argmax(1).tolist()] == ["drums", "bass"]


def test_the_joint_embedding_finds_the_better_text():
    model = load_shipped("joint")
    assert isinstance(model, JointEmbedding)
    audio = model(torch.stack([drums(model), tones(model)])[:, None])
    words = model.embed_text(["A drum loop with drums.", "A bass line with synth bass."])
    cosine = audio @ words.T
    assert cosine[0, 0] > cosine[0, 1] and cosine[1, 1] > cosine[1, 0]
