"""A codec without a prior makes sound of latents that are distributed as those of a store."""

import pytest
import torch

from latentone.audio import Audio, load_audio
from latentone.cli import main
from latentone.codecs import Autoencoder, PlainLatents
from latentone.codecs.base import Codec
from latentone.hub import build_model
from latentone.latents import LatentStore
from latentone.loading import load
from latentone.pipeline import Pipeline
from latentone.systems import autoencoder, vqvae


def built(stage):
    torch.manual_seed(0)
    return build_model(stage.task.model, Codec).eval()


def plain():
    return built(autoencoder.debug_stage(PlainLatents()))


def test_latents_have_the_mean_and_deviation_that_are_given(monkeypatch):
    codec = plain()
    mean, std = torch.linspace(-3, 3, codec.latent_dim), torch.linspace(0.1, 2, codec.latent_dim)
    seen, decode = [], Autoencoder.decode
    monkeypatch.setattr(
        Autoencoder, "decode", lambda self, z, **more: seen.append(z) or decode(self, z, **more)
    )
    alone = Pipeline({"acoustic": codec})
    seconds = 2000 / codec.frame_rate
    sound = alone.generate(duration=seconds, seed=1, statistics=(mean, std))
    (drawn,) = seen
    assert drawn.shape == (1, codec.latent_dim, codec.num_frames(sound.samples.shape[1]))
    torch.testing.assert_close(drawn.mean(-1)[0], mean, atol=0.2, rtol=0)
    torch.testing.assert_close(drawn.std(-1)[0], std, atol=0.02, rtol=0.1)
    again = alone.generate(duration=seconds, seed=1, statistics=(mean, std))
    assert torch.equal(again.samples, sound.samples)
    other = alone.generate(duration=seconds, seed=2, statistics=(mean, std))
    assert not torch.equal(other.samples, sound.samples)


def test_what_statistics_are_not_for_is_refused():
    with pytest.raises(ValueError, match="has codes, not numbers: leave out the statistics"):
        Pipeline({"acoustic": built(vqvae.RECIPES["debug"]().codec)}).generate(
            duration=0.1, statistics=(torch.zeros(4), torch.ones(4))
        )
    with pytest.raises(ValueError, match="takes no prompt"):
        Pipeline({"acoustic": plain()}).generate(
            "a bell", duration=0.1, statistics=(torch.zeros(4), torch.ones(4))
        )


def test_the_command_draws_from_a_store(tmp_path, capsys):
    plain().save_pretrained(tmp_path / "model")
    (tmp_path / "sounds").mkdir()
    x = torch.randn(3, 8_000, generator=torch.Generator().manual_seed(0))
    for name, row in zip("abc", x, strict=True):
        Audio(0.2 * row[None], 8_000).save(tmp_path / "sounds" / f"{name}.wav")
    model, store, out = (str(tmp_path / name) for name in ("model", "store", "out.wav"))
    data = str(tmp_path / "sounds")
    assert main(["encode", model, "--data", data, "-o", store, "--device", "cpu"]) == 0
    argv = ["generate", model, "--duration", "0.5", "--seed", "3", "-o", out, "--device", "cpu"]
    assert main([*argv, "--latents", store]) == 0
    assert f"latents are drawn from those of {store}" in capsys.readouterr().out
    statistics = LatentStore.open(store).statistics["acoustic"].tensors()
    expected = load(model).generate(duration=0.5, seed=3, statistics=statistics).limit_peak()
    torch.testing.assert_close(load_audio(out).samples, expected.samples, atol=1e-4, rtol=0)
    assert main(argv) == 2
    assert "without a generator" in capsys.readouterr().err
    other = autoencoder.debug_stage(PlainLatents())
    torch.manual_seed(1)
    build_model(other.task.model, Codec).save_pretrained(tmp_path / "other")
    argv[1] = str(tmp_path / "other")
    assert main([*argv, "--latents", store]) == 2
    assert "another codec's weights" in capsys.readouterr().err
