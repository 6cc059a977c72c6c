"""Steps that the discriminator has to itself: the codec stays as it is, whatever it is made of."""

from dataclasses import replace

import pytest
import torch
from codec_trials import Trainer, tones

from latentone.codecs import EnCodecConfig
from latentone.codecs.rave_config import RAVEConfig
from latentone.discriminators import PeriodDiscriminatorConfig
from latentone.networks.rave_v1 import RAVEv1Config
from latentone.networks.seanet import SEANetConfig
from latentone.nn.gradient_vq import GradientVQ
from latentone.nn.residual import ResidualVQ
from latentone.systems.dac import RECIPES
from latentone.training.tasks import CodecLossWeights, CodecTaskConfig
from latentone.training.tasks.unmoved import unmoved

MODELS = {
    "running averages": EnCodecConfig(
        sample_rate=8000,
        seanet=SEANetConfig(num_filters=4, latent_dim=8, ratios=(4, 4), num_lstm_layers=0),
        num_codebooks=2,
        codebook_size=16,
        codebook_choices=(1, 2),
        restart_below=0.9,
    ),
    "use of codes": RECIPES["debug"]().codec.task.model,
    "batch normalisation": RAVEConfig(
        sample_rate=8000,
        num_bands=4,
        attenuation_db=60.0,
        latent_dim=4,
        network=RAVEv1Config(capacity=4, ratios=(4, 2)),
    ),
}


def state(codec):
    return {name: value.clone() for name, value in codec.state_dict().items()}


def same(one, two):
    return all(torch.equal(value, two[name]) for name, value in one.items())


@pytest.mark.parametrize("name", MODELS)
def test_only_its_own_steps_move_the_codec(name):
    """From step 0 on, which is the discriminator's: codebooks have not even been placed yet."""
    config = CodecTaskConfig(
        model=MODELS[name],
        discriminator=PeriodDiscriminatorConfig(periods=(2, 3), filters=(2, 4)),
        weights=CodecLossWeights(waveform=1.0),
        balanced=False,
        discriminator_alone_every=2,
    )
    torch.manual_seed(0)
    task = config.build()
    run, batch = Trainer(task), tones(samples=1024)
    moved = []
    for _ in range(4):
        before = state(task.codec)
        run.go(batch, 1)
        moved.append(not same(before, state(task.codec)))
    assert moved == [False, True, False, True]


def test_a_codec_that_nobody_holds_would_move():
    """The pass alone, without a gradient: what `unmoved` is there for."""
    torch.manual_seed(0)
    codec = CodecTaskConfig(model=MODELS["running averages"]).build().codec
    before = state(codec)
    with torch.no_grad(), unmoved(codec):
        codec(tones(samples=1024))
    assert same(before, state(codec))
    with torch.no_grad():
        codec(tones(samples=1024))
    assert not same(before, state(codec))


@pytest.mark.parametrize(
    "quantizer",
    [ResidualVQ(2, 8, 4, restart_below=1.0), GradientVQ(8, 4, restart_below=1.0)],
    ids=["averages", "gradients"],
)
def test_started_and_restarted_codes_go_back(quantizer):
    x = torch.randn(2, 4, 40, generator=torch.Generator().manual_seed(0))
    before = state(quantizer)
    for _ in range(3):
        with torch.no_grad(), unmoved(quantizer):
            quantizer(x)
        assert same(before, state(quantizer))
        with torch.no_grad():
            quantizer(x)
        assert not same(before, state(quantizer))
        before = state(quantizer)


def test_the_judge_hears_what_training_mode_makes():
    """The draw of how many codebooks are heard stays: only the codebooks go back."""
    task = CodecTaskConfig(model=replace(MODELS["running averages"], codebook_choices=(1,))).build()
    codec, x = task.codec.train(), tones(samples=1024)
    codec(x)  # places the codebooks
    with torch.no_grad(), unmoved(codec):
        one = codec(x).reconstruction
    codec.eval()
    with torch.no_grad():
        assert not torch.allclose(one, codec(x).reconstruction)
        codes = codec.quantize(codec.encode(x["x"]), 1)
        torch.testing.assert_close(one, codec.decode(codec.dequantize(codes))[..., :1024])
