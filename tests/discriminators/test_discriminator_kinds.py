"""What every kind of discriminator promises: sizes, lengths, gradients, JSON."""

import json
from dataclasses import replace

import pytest
import torch

from latentone.config import ConfigError, from_dict, to_dict
from latentone.discriminators import (
    BandDiscriminatorConfig,
    CombinedDiscriminatorConfig,
    DiscriminatorConfig,
    PatchDiscriminatorConfig,
    PeriodDiscriminatorConfig,
    ResidualSTFTDiscriminatorConfig,
    ScaleDiscriminatorConfig,
    STFTDiscriminatorConfig,
    hifigan_scales,
    melgan_scales,
)
from latentone.training.tasks import CodecTaskConfig

SCALES = ScaleDiscriminatorConfig(layers=((4, 15, 1, 1), (8, 41, 4, 4), (8, 5, 1, 1)))
PERIODS = PeriodDiscriminatorConfig(periods=(2, 3), filters=(2, 4))
TINY = {
    "stft": STFTDiscriminatorConfig(filters=4, n_ffts=(256, 64)),
    "periods": PERIODS,
    "scales": SCALES,
    "melgan": melgan_scales(4),
    "bands": BandDiscriminatorConfig(filters=2, n_ffts=(256, 128)),
    "residual": ResidualSTFTDiscriminatorConfig(filters=2, n_fft=256),
    "patch": PatchDiscriminatorConfig(filters=2, n_fft=256, hop_length=64, num_layers=2),
    "combined": CombinedDiscriminatorConfig(parts=(SCALES, PERIODS), center=True, peak=0.8),
}


@pytest.fixture(params=TINY)
def config(request):
    return TINY[request.param]


def noise(*shape, seed=0):
    return 0.3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (PeriodDiscriminatorConfig(), 41_105_770),
        (BandDiscriminatorConfig(), 1_413_990),
        (hifigan_scales(), 29_618_821),
        (melgan_scales(), 16_924_086),
        (ResidualSTFTDiscriminatorConfig(), 5_551_682),
        (PatchDiscriminatorConfig(), 2_763_650),
    ],
)
def test_parameter_counts_of_the_published_sizes(config, expected):
    with torch.device("meta"):
        model = config.build()
    assert sum(p.numel() for p in model.parameters()) == expected


@pytest.mark.parametrize("channels", [1, 2])
def test_the_shortest_sound_is_judged_and_a_shorter_one_refused(config, channels):
    judge, least = config.build(channels), config.min_samples
    for samples in (least, least + 1, least + 777):
        judged = judge(noise(3, channels, samples))
        assert len(judged.scores) == len(judged.features) > 0
        assert all(s.shape[:2] == (3, 1) and s.numel() for s in judged.scores)
        assert all(len(f) == 3 for layers in judged.features for f in layers)
    with pytest.raises(ValueError, match=f"needs {least} samples, got {least - 1}"):
        judge(noise(1, channels, least - 1))
    with pytest.raises(ValueError, match="expected audio"):
        judge(noise(1, 3, least))


def test_items_of_a_batch_are_judged_alone(config):
    judge = config.build().eval()
    real, fake = noise(2, 1, 2000), noise(2, 1, 2000, seed=1)
    first, others = judge(torch.cat([real, fake])).split(2)
    for part, alone in ((first, judge(real)), (others, judge(fake))):
        torch.testing.assert_close(part.scores, alone.scores)
        torch.testing.assert_close(part.features, alone.features)


def test_every_score_sends_a_gradient_to_the_input_and_every_layer_learns(config):
    torch.manual_seed(0)
    judge = config.build()
    x = noise(1, 1, 2000).requires_grad_()
    judged = judge(x)
    for score in judged.scores:
        (gradient,) = torch.autograd.grad(score.sum(), [x], retain_graph=True)
        assert gradient.isfinite().all() and gradient.any()
    sum(score.square().sum() for score in judged.scores).backward()
    idle = [name for name, p in judge.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle


def test_silence_gives_finite_scores_and_gradients(config):
    judge, x = config.build(), torch.zeros(1, 1, 2000, requires_grad=True)
    judged = judge(x)
    sum(score.sum() for score in judged.scores).backward()
    assert all(score.isfinite().all() for score in judged.scores)
    assert x.grad.isfinite().all()


def test_a_training_keeps_its_discriminator_in_json(config):
    task = CodecTaskConfig(model=_encodec(), discriminator=config)
    again = from_dict(CodecTaskConfig, json.loads(json.dumps(to_dict(task))))
    assert again == task and type(again.discriminator) is type(config)


def test_json_names_only_known_kinds():
    data = to_dict(PERIODS)
    with pytest.raises(ConfigError, match="type` must be one of"):
        from_dict(DiscriminatorConfig, {**data, "type": "Path"})
    with pytest.raises(ConfigError, match="periods"):
        from_dict(DiscriminatorConfig, {**data, "periods": []})


@pytest.mark.parametrize(
    ("config", "changes", "message"),
    [
        (PERIODS, {"periods": (0,)}, "periods"),
        (PERIODS, {"filters": ()}, "filters"),
        (PERIODS, {"kernel_size": 4}, "odd"),
        (SCALES, {"scales": 0}, "scales"),
        (SCALES, {"layers": ()}, "layers"),
        (SCALES, {"layers": ((4, 15, 1, 1), (6, 41, 4, 4))}, "4 groups must divide"),
        (SCALES, {"layers": ((4, 15, 1, 2),)}, "groups must be 1"),
        (SCALES, {"pool_padding": 3}, "pool_padding"),
        (TINY["bands"], {"edges": (0.5, 0.2)}, "edges must rise"),
        (TINY["bands"], {"edges": (0.0, 0.001, 1.0)}, "holds no bin"),
        (TINY["bands"], {"n_ffts": (255,)}, "multiples of 4"),
        (TINY["residual"], {"n_fft": 255}, "multiple of 4"),
        (TINY["residual"], {"widths": ()}, "widths"),
        (TINY["patch"], {"n_fft": 16, "hop_length": 4}, "bins"),
        (TINY["patch"], {"hop_length": 512}, "hop_length"),
        (TINY["combined"], {"parts": ()}, "parts"),
        (TINY["combined"], {"peak": 0.0}, "peak"),
    ],
)
def test_refusals(config, changes, message):
    with pytest.raises(ValueError, match=message):
        replace(config, **changes)


def _encodec():
    from latentone.codecs import EnCodecConfig

    return EnCodecConfig(sample_rate=8000)
