"""Codecs that were trained to a distribution make sound of what is drawn from it."""

import pytest
import torch

from latentone.audio import load_audio
from latentone.cli import main
from latentone.codecs.autoencoder_config import KLLatents, MMDLatents, PlainLatents, SphereLatents
from latentone.codecs.base import Codec
from latentone.hub import build_model
from latentone.loading import load
from latentone.pipeline import Pipeline
from latentone.systems import autoencoder, dac, encodec, mel, oobleck, rave, vqvae


def build(stage):
    torch.manual_seed(0)
    return build_model(stage.task.model, Codec).eval()


WITH = {
    "kl": lambda: build(autoencoder.debug_stage(KLLatents())),
    "mmd": lambda: build(autoencoder.debug_stage(MMDLatents())),
    "sphere": lambda: build(autoencoder.debug_stage(SphereLatents())),
    "oobleck": lambda: build(oobleck.RECIPES["debug"]().codec),
    "rave": lambda: build(rave.RECIPES["debug"]().codec),
}
WITHOUT = {
    "plain": lambda: build(autoencoder.debug_stage(PlainLatents())),
    "vqvae": lambda: build(vqvae.RECIPES["debug"]().codec),
    "encodec": lambda: build(encodec.RECIPES["debug"]().codec),
    "dac": lambda: build(dac.RECIPES["debug"]().codec),
    "mel": lambda: build(mel.RECIPES["debug"]().codec),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", WITH)
def test_latents_are_distributed_as_the_prior(name):
    codec = WITH[name]()
    assert codec.has_prior
    drawn = codec.sample_prior(4000, batch=2, rng=seeded())
    assert drawn.shape == (2, codec.latent_dim, 4000) and not drawn.requires_grad
    assert torch.equal(drawn, codec.sample_prior(4000, batch=2, rng=seeded()))
    assert not torch.equal(drawn, codec.sample_prior(4000, batch=2, rng=seeded(1)))
    assert not torch.equal(drawn[0], drawn[1])
    rows = drawn.transpose(1, 2).flatten(0, 1)
    # A direction of D numbers has a squared length of 1, normal ones of D.
    square = 1 / codec.latent_dim if name == "sphere" else 1.0
    expected = square * torch.eye(codec.latent_dim)
    torch.testing.assert_close(rows.T @ rows / len(rows), expected, atol=0.1 * square, rtol=0)
    assert rows.mean(0).abs().max() < 0.06 * square**0.5
    if name == "sphere":
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(rows)))


@pytest.mark.parametrize("name", WITHOUT)
def test_others_have_none_and_say_what_to_do(name):
    codec = WITHOUT[name]()
    assert not codec.has_prior
    with pytest.raises(ValueError, match="no prior to sample from: train a generator"):
        codec.sample_prior(3)
    with pytest.raises(ValueError, match="codec without a generator"):
        Pipeline({"acoustic": codec}).generate(duration=0.1)


@pytest.mark.parametrize("name", WITH)
def test_a_pipeline_decodes_what_it_draws(name):
    codec = WITH[name]()
    alone = Pipeline({"acoustic": codec})
    first = alone.generate(duration=0.3001, seed=1)
    assert first.samples.shape == (codec.source.channels, round(0.3001 * alone.sample_rate))
    assert torch.equal(first.samples, alone.generate(duration=0.3001, seed=1).samples)
    assert not torch.equal(first.samples, alone.generate(duration=0.3001, seed=2).samples)
    rng = seeded(1)
    frames = codec.num_frames(first.samples.shape[1])
    with torch.no_grad():
        y = codec.decode(codec.sample_prior(frames, rng=rng), rng=rng)[0]
    assert torch.equal(first.samples, y[:, : first.samples.shape[1]])


def test_what_a_prior_does_not_know_is_refused():
    alone = Pipeline({"acoustic": WITH["kl"]()})
    more = {"conditions": {"bpm": 90}}, {"guidance_scale": 2.0}, {"temperature": 1.0}
    for settings in ({"prompt": "a bell"}, *more):
        with pytest.raises(ValueError, match="prior takes no prompt, conditions, guidance"):
            alone.generate(duration=0.1, **settings)
    with pytest.raises(ValueError, match="at least one sound"):
        alone.generate_batch([], duration=0.1)


def test_the_command_says_where_the_sound_is_from(tmp_path, capsys):
    codec = WITH["kl"]()
    codec.save_pretrained(tmp_path / "vae")
    out = tmp_path / "texture.wav"
    argv = ["generate", str(tmp_path / "vae"), "--duration", "0.5", "--seed", "3", "-o", str(out)]
    assert main([*argv, "--device", "cpu"]) == 0
    assert "drawn from its codec's own prior" in capsys.readouterr().out
    expected = load(tmp_path / "vae").generate(duration=0.5, seed=3).limit_peak()
    torch.testing.assert_close(load_audio(out).samples, expected.samples, atol=1e-4, rtol=0)
