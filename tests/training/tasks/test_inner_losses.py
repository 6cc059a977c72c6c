"""Losses of the frames of an excerpt that hear nothing but it: what they compare, and refusals."""

from dataclasses import replace

import pytest
import torch
from codec_trials import Trainer, TrialConfig, tones

from latentone.codecs.rave_config import RAVEConfig
from latentone.discriminators import PeriodDiscriminatorConfig
from latentone.losses import generator_loss
from latentone.networks.rave_v2 import RAVEv2Config
from latentone.training.tasks import CodecLossWeights, CodecTaskConfig

MODEL = RAVEConfig(
    sample_rate=8_000,
    num_bands=4,
    attenuation_db=60.0,
    latent_dim=4,
    regularizer="spherical",
    network=RAVEv2Config(capacity=3, ratios=(4, 2), dilations=((1,), (1,))),
)
CONFIG = CodecTaskConfig(
    model=MODEL,
    discriminator=PeriodDiscriminatorConfig(periods=(2, 3), filters=(2, 4)),
    weights=CodecLossWeights(waveform=2.0, mel=0.0, feature=0.0, adversarial=3.0),
    balanced=False,
    discriminator_share=0.0,
    inner_losses=True,
)


def built(config):
    torch.manual_seed(0)
    return config.build()


@pytest.mark.parametrize("inner", [True, False])
def test_the_gradient_is_that_of_the_inner_sound(inner):
    """Waveform, judge and the codec's own distances, differentiated at once."""
    batch = tones()
    task = built(replace(CONFIG, inner_losses=inner))
    run = Trainer(task)
    logs = run.go(batch, 1)[0]
    found = run.kept["codec"]

    task = built(CONFIG)
    codec, x = task.codec, batch["x"]
    part = codec.inner(x.shape[-1]) if inner else slice(0, x.shape[-1])
    assert (part.stop - part.start < x.shape[-1]) == inner
    made = codec.decoder.bands(codec.encode(x))
    y, x_bands = codec.bank.inverse(made), codec.bank(x)
    bands = slice(part.start // 4, part.stop // 4)
    near, far = y[..., part], x[..., part]
    total = 2 * (near - far).abs().mean() + codec.distance(near, far)
    total = total + codec.distance(made[..., bands], x_bands[..., bands])
    total = total + 3 * generator_loss(task.discriminator(near).scores, "hinge", "mean")
    total.backward()
    for name, parameter in codec.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-3, atol=1e-6)
    assert logs["loss"] == pytest.approx(task.mel(near, far).item(), rel=1e-4)


def test_the_discriminator_hears_the_inner_sound_too():
    task = built(replace(CONFIG, discriminator_alone_every=2))
    heard = []
    task.discriminator.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0].shape))
    Trainer(task).go(tones(), 1)
    part = task.codec.inner(2048)
    assert heard == [(8, 1, part.stop - part.start)]


def test_refusals():
    with pytest.raises(ValueError, match="TrialCodec does not say how far it hears"):
        replace(CONFIG, model=TrialConfig()).build()
    with pytest.raises(ValueError, match="every frame of 256 samples hears what pads them"):
        Trainer(built(CONFIG)).go(tones(samples=256), 1)
