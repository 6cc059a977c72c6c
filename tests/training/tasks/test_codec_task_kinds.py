"""Codec training beyond EnCodec: sums, other judges, distances and optimisers, a frozen encoder."""

import json
from dataclasses import fields, replace

import pytest
import torch
from codec_trials import Trainer, TrialConfig, tones

from latentone.codecs import EnCodecConfig
from latentone.config import from_dict, to_dict
from latentone.discriminators import (
    BandDiscriminatorConfig,
    CombinedDiscriminatorConfig,
    PatchDiscriminatorConfig,
    PeriodDiscriminatorConfig,
    ResidualSTFTDiscriminatorConfig,
    ScaleDiscriminatorConfig,
    STFTDiscriminatorConfig,
)
from latentone.dsp.distances import MultiResolutionSTFT, multi_resolution_stft
from latentone.losses import discriminator_loss, feature_matching, generator_loss
from latentone.networks.seanet import SEANetConfig
from latentone.training.recipe import Recipe
from latentone.training.tasks import CodecLossWeights, CodecTaskConfig

ENCODEC = EnCodecConfig(
    sample_rate=8000,
    seanet=SEANetConfig(num_filters=4, latent_dim=8, ratios=(4, 4), num_lstm_layers=0),
    num_codebooks=2,
    codebook_size=16,
)
PERIODS = PeriodDiscriminatorConfig(periods=(2, 3), filters=(2, 4))
SUM = CodecTaskConfig(
    model=TrialConfig(),
    discriminator=PERIODS,
    balanced=False,
    weights=CodecLossWeights(waveform=7.0, mel=15.0, adversarial=1.0, feature=2.0),
    adversarial="least_squares",
    relative_features=False,
    reduction="sum",
    mel_preset="dac",
)


def built(config, seed=0):
    torch.manual_seed(seed)
    return config.build()


def test_a_recipe_from_before_still_reads():
    """What a run folder of the first release holds names none of the newer settings."""
    from latentone.systems.encodec import RECIPES

    recipe = RECIPES["small"]()
    data = json.loads(json.dumps(to_dict(recipe)))
    task = data["codec"]["task"]
    old = {
        *("type", "model", "discriminator", "weights", "adversarial", "adversarial_start"),
        *("discriminator_share", "balancer_decay", "mel_preset", "learning_rate", "betas"),
        *("schedule", "warmup", "train_encoder"),
    }
    data["codec"]["task"] = {name: value for name, value in task.items() if name in old}
    del data["codec"]["task"]["weights"]["stft"]
    assert len(fields(CodecTaskConfig)) > len(old)
    assert from_dict(Recipe, data) == recipe


def test_a_sum_has_the_gradient_of_the_weighted_losses():
    """Against the whole graph differentiated at once, without the detour over the output."""
    task = built(replace(SUM, own={"trial/size": 0.25, "trial/sum": 0.0}, discriminator_share=0.0))
    run, batch = Trainer(task), tones()
    run.go(batch, 1)
    found = {name: grad.clone() for name, grad in run.kept["codec"].items()}

    task = built(SUM)
    real, judge = batch["x"], task.discriminator
    fake = task.codec(batch).reconstruction
    of_real, of_fake = judge(real), judge(fake)
    total = 7 * (fake - real).abs().mean() + 15 * task.mel(fake, real)
    total = total + sum((1 - s).square().mean() for s in of_fake.scores)
    pairs = zip(of_real.features, of_fake.features, strict=True)
    layers = [(r, f) for rs, fs in pairs for r, f in zip(rs, fs, strict=True)]
    total = total + 2 * sum((f - r.detach()).abs().mean() for r, f in layers)
    total = total + 0.25 * task.codec.down.weight.square().sum()
    total.backward()
    for name, parameter in task.codec.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_the_discriminator_of_a_sum_learns_by_least_squares():
    task = built(replace(SUM, discriminator_share=1.0))
    run, batch = Trainer(task), tones()
    logs = run.go(batch, 1)[0]
    task = built(SUM)
    scores = [task.discriminator(x).scores for x in (batch["x"], task.codec(batch).reconstruction)]
    expected = discriminator_loss(*scores, "least_squares", "sum")
    assert logs["discriminator"] == pytest.approx(expected.item(), rel=1e-5)


def test_a_weight_of_zero_leaves_a_loss_out():
    weights = CodecLossWeights(waveform=0, mel=0, feature=0, adversarial=1.0)
    task = built(replace(SUM, weights=weights, discriminator_share=0.0))
    run, batch = Trainer(task), tones()
    logs = run.go(batch, 1)[0]
    assert "waveform" not in logs and logs["loss"] > 0  # the mel distance is told, not minimised
    found = run.kept["codec"]["up.weight"].clone()
    task = built(SUM)
    score = task.discriminator(task.codec(batch).reconstruction).scores
    generator_loss(score, "least_squares", "sum").backward()
    torch.testing.assert_close(found, task.codec.up.weight.grad, rtol=1e-4, atol=1e-7)


def test_balanced_shares_count_only_losses_with_a_weight():
    weights = CodecLossWeights(waveform=0, feature=0, mel=1.0, adversarial=1.0, stft=2.0)
    task = built(CodecTaskConfig(model=TrialConfig(), discriminator=PERIODS, weights=weights))
    assert set(task.balancer.weights) == {"mel", "adversarial", "stft"}
    logs = Trainer(task).go(tones(), 1)[0]
    assert {"stft", "adversarial", "gradient/stft"} <= set(logs) and "waveform" not in logs


def test_a_judge_alone_waits_for_its_step():
    weights = CodecLossWeights(waveform=0, mel=0, feature=1.0)
    task = built(replace(SUM, weights=weights, adversarial_start=0.5))
    run = Trainer(task, total_steps=4)
    before = task.codec.up.weight.clone()
    run.go(tones(), 2)
    assert torch.equal(task.codec.up.weight, before)
    run.go(tones(), 2)
    assert not torch.equal(task.codec.up.weight, before)


def test_own_penalties_that_the_codec_does_not_have_are_named():
    task = built(replace(SUM, own={"vq/commitment": 0.25}))
    with pytest.raises(ValueError, match=r"weighs vq/commitment, .* \['trial/size', 'trial/sum'\]"):
        Trainer(task).go(tones(), 1)


def test_a_penalty_that_is_left_out_cannot_harm():
    """Left out, not multiplied by zero: zero times infinity is no number."""
    task = built(replace(SUM, own={"trial/sum": 0.0}))
    forward = task.codec.forward

    def broken(batch):
        output = forward(batch)
        return output._replace(losses={**output.losses, "trial/sum": torch.tensor(torch.inf)})

    task.codec.forward = broken
    run = Trainer(task)
    run.go(tones(), 1)
    assert all(grad.isfinite().all() for grad in run.kept["codec"].values())


def test_adaptive_makes_the_judge_as_loud_as_the_distances():
    logs = {}
    for ratio in (1.0, 3.0):
        weights = replace(SUM.weights, adversarial=ratio, mel=0)
        task = built(replace(SUM, weights=weights, adaptive=True))
        logs[ratio] = Trainer(task).go(tones(batch=1), 1)[0]
    for ratio, log in logs.items():
        assert log["gradient/judge"] == pytest.approx(
            ratio * log["gradient/distances"].item(), rel=3e-2
        )


@pytest.mark.parametrize("preset", ["encodec", "dac", "hifigan"])
def test_mel_distances(preset):
    task = built(replace(SUM, discriminator=None, mel_preset=preset))
    logs = Trainer(task).go(tones(), 25)
    assert logs[-1]["loss"] < logs[0]["loss"]


def test_the_stft_distance_also_hears_the_sides():
    """Two channels in opposite phase: left and right alone do not show what the sum lost."""
    config = replace(
        SUM,
        model=TrialConfig(channels=2),
        discriminator=None,
        weights=CodecLossWeights(waveform=0, mel=0, stft=1.0),
    )
    batch = tones(channels=2)
    real, fake = batch["x"], 0.5 * batch["x"]
    plain = Trainer(built(config)).go(batch, 1)[0]["stft"]
    both = Trainer(built(replace(config, mid_side=True))).go(batch, 1)[0]["stft"]
    assert plain == pytest.approx(multi_resolution_stft(fake, real).item(), rel=1e-5)
    sides = [torch.stack([x[:, 0] + x[:, 1], x[:, 0] - x[:, 1]], 1) / 2 for x in (fake, real)]
    expected = plain + multi_resolution_stft(*sides)
    assert both == pytest.approx(expected.item(), rel=1e-5)


def test_optimisers_are_as_asked():
    config = replace(
        SUM,
        model=ENCODEC,
        optimizer="adamw",
        learning_rate=1e-4,
        discriminator_learning_rate=3e-4,
        betas=(0.8, 0.99),
        weight_decay=1e-3,
        schedule="exponential",
        decay=0.99,
        clip=1e3,
        discriminator_clip=10.0,
    )
    found = built(config).optimizers()
    for name, rate, clip in (("codec", 1e-4, 1e3), ("discriminator", 3e-4, 10.0)):
        optimizer = found[name].optimizer
        assert isinstance(optimizer, torch.optim.AdamW) and found[name].clip == clip
        assert optimizer.param_groups[0]["lr"] == rate
        assert optimizer.param_groups[0]["betas"] == (0.8, 0.99)
        assert optimizer.param_groups[0]["weight_decay"] == 1e-3
        assert found[name].schedule(100, 1000) == pytest.approx(0.99**100)
    plain = built(replace(SUM, learning_rate=1e-3)).optimizers()
    assert type(plain["discriminator"].optimizer) is torch.optim.Adam
    assert plain["discriminator"].optimizer.param_groups[0]["lr"] == 1e-3
    assert plain["codec"].clip is None and plain["codec"].schedule(500, 1000) == 1


@pytest.mark.parametrize("world", [1, 2])
def test_the_encoder_stands_still_in_the_second_phase(world):
    """With codebooks, and in spite of the optimiser's momentum; the decoder goes on."""
    config = replace(SUM, model=ENCODEC, freeze_encoder_after=0.5, learning_rate=1e-3)
    task = built(config)
    run = Trainer(task, total_steps=10, world=world)
    run.go(tones(), 5)
    moved = task.codec.fingerprint()
    run.go(tones(), 1)  # the first step of the second phase
    state = {k: v.clone() for k, v in task.codec.state_dict().items()}
    assert task.codec.fingerprint() == moved
    task.codec.train()  # as after a validation
    run.go(tones(), 4)
    assert task.codec.fingerprint() == moved
    decoder = {k: v for k, v in task.codec.decoder.state_dict().items()}
    assert all(not torch.equal(v, state[f"decoder.{k}"]) for k, v in decoder.items())


def test_the_discriminator_learns_in_the_codecs_place():
    task = built(replace(SUM, discriminator_alone_every=3, adversarial_start=0.5))
    run, batch = Trainer(task, total_steps=12), tones()
    moved = []
    for _ in range(12):
        before = [
            torch.cat([p.detach().flatten() for p in module.parameters()])
            for module in (task.codec, task.discriminator)
        ]
        log = run.go(batch, 1)[0]
        after = [
            torch.cat([p.detach().flatten() for p in module.parameters()])
            for module in (task.codec, task.discriminator)
        ]
        assert "loss" in log and all(not value.requires_grad for value in log.values())
        moved.append(tuple(not torch.equal(a, b) for a, b in zip(before, after, strict=True)))
    assert task.watch._counts["judge/right"] == 2, "its health is watched"
    assert moved == [(True, False)] * 6 + 2 * [(False, True), (True, False), (True, False)]


def test_a_penalty_rises_along_its_ramp():
    """The gradient of a penalty alone is its factor times that of the penalty."""
    config = replace(
        SUM,
        discriminator=None,
        weights=CodecLossWeights(waveform=0, mel=0, stft=1e-12),
        own={"trial/sum": 4.0, "trial/size": 0.0},
        ramps={"trial/sum": (1.0, 0.5)},
        learning_rate=1e-6,
    )
    task = built(config)
    run = Trainer(task, total_steps=8)
    found = []
    for _ in range(6):
        run.go(tones(), 1)
        found.append(float(run.kept["codec"]["down.weight"].sum()))
    assert found == pytest.approx([4 ** (step / 4) for step in range(5)] + [4.0], rel=1e-4)


def test_both_sides_have_schedules_of_their_own():
    config = replace(
        SUM, schedule="linear", fall=0.25, discriminator_schedule="inverse_power", warmup=0.0
    )
    codec, judge = (built(config).optimizers()[n].schedule for n in ("codec", "discriminator"))
    assert codec(25, 200) == pytest.approx(0.55) and codec(50, 200) == pytest.approx(0.1)
    assert judge(200_000, 10**6) == pytest.approx(0.5**0.5)


def test_the_stft_distance_can_hear_as_ears_do():
    weights = CodecLossWeights(waveform=0, mel=0, stft=1.0)
    config = replace(SUM, discriminator=None, weights=weights, a_weighted=True)
    batch = tones()
    found = Trainer(built(config)).go(batch, 1)[0]["stft"]
    expected = MultiResolutionSTFT(a_weighting_rate=8000)(0.5 * batch["x"], batch["x"])
    assert found == pytest.approx(expected.item(), rel=1e-5)
    assert found != pytest.approx(multi_resolution_stft(0.5 * batch["x"], batch["x"]).item())


def test_the_first_phase_moves_the_encoder():
    task = built(replace(SUM, model=ENCODEC, freeze_encoder_after=0.5))
    before = task.codec.fingerprint()
    Trainer(task, total_steps=10).go(tones(), 1)
    assert task.codec.fingerprint() != before
    assert not built(SUM).encoder_stands_at(100, 100)


JUDGES = {
    "stft": STFTDiscriminatorConfig(filters=2, n_ffts=(256, 64)),
    "periods": PERIODS,
    "scales": ScaleDiscriminatorConfig(layers=((4, 15, 1, 1), (8, 41, 4, 4))),
    "bands": BandDiscriminatorConfig(filters=2, n_ffts=(256,)),
    "residual": ResidualSTFTDiscriminatorConfig(filters=2, n_fft=256),
    "patch": PatchDiscriminatorConfig(filters=2, n_fft=256, hop_length=64, num_layers=2),
}
JUDGES["combined"] = CombinedDiscriminatorConfig(parts=(PERIODS, JUDGES["scales"]), center=True)


@pytest.mark.parametrize("name", JUDGES)
def test_every_kind_of_judge_learns_to_tell_and_reaches_the_codec(name):
    task = built(replace(SUM, discriminator=JUDGES[name], discriminator_share=1.0))
    run = Trainer(task)
    run.optimizations["codec"].optimizer.param_groups[0]["lr"] = 0.0
    for group in run.optimizations["discriminator"].optimizer.param_groups:
        group["lr"] = 3e-3
    logs = run.go(tones(samples=1024), 40)
    assert logs[-1]["discriminator"] < logs[0]["discriminator"]
    assert logs[-1]["gradient/judge"] > 0
    assert logs[0]["judge/right"] < logs[-1]["judge/right"] <= 1


def test_a_step_tells_of_its_health():
    logs = Trainer(built(replace(SUM, discriminator_share=1.0))).go(tones(), 1)[0]
    for side in ("real", "fake"):
        names = {f"judge/{side}{end}" for end in ("", "_std", "_p10", "_p90")}
        assert names <= set(logs)
        assert logs[f"judge/{side}_p10"] <= logs[f"judge/{side}_p90"]
    assert logs["variety"] == pytest.approx(1, rel=1e-3)


def test_the_preview_shows_what_the_judge_thinks():
    task = built(SUM)
    with torch.no_grad():
        picture = task.preview(tones(batch=2), Trainer(task)).images["judge"]
    assert picture.shape[0] == 3 and 0 <= picture.min() < picture.max() == 1
    assert built(replace(SUM, discriminator=None)).preview(tones(), Trainer(task)).images == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freeze_encoder_after": 1.5}, "freeze_encoder_after"),
        ({"decay": 0.0}, "decay"),
        ({"discriminator_learning_rate": -1.0}, "discriminator_learning_rate"),
        ({"clip": 0.0}, "clip"),
        ({"discriminator_clip": -1.0}, "discriminator_clip"),
        ({"weight_decay": 0.1}, "needs optimizer='adamw'"),
        ({"own": {"vq/commitment": -1.0}}, "own penalties"),
        ({"adaptive": True, "balanced": True}, "balanced=False"),
        ({"discriminator_alone_every": 1}, "codec never learns"),
        ({"ramps": {"trial/sum": (1.0, 10.0)}}, "a ramp needs a positive factor"),
        ({"own": {"a": 1.0}, "ramps": {"a": (0.0, 10.0)}}, "a ramp needs"),
        ({"fall": 0.0}, "fall must be positive"),
        ({"schedule": "inverse_power", "warmup": 10.0}, "leave out warmup"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(SUM, **changes)


def test_not_all_weights_can_be_zero():
    with pytest.raises(ValueError, match="all weights are 0"):
        CodecLossWeights(waveform=0, mel=0, adversarial=0, feature=0)


def test_features_relative_or_not_are_those_of_the_loss():
    batch = tones()
    for relative in (True, False):
        config = replace(SUM, relative_features=relative, reduction="mean", discriminator_share=0.0)
        log = Trainer(built(config)).go(batch, 1)[0]
        task = built(config)
        pair = [task.discriminator(x).features for x in (batch["x"], 0.5 * batch["x"])]
        expected = feature_matching(*pair, relative=relative)
        assert log["feature"] == pytest.approx(expected.item(), rel=1e-4)
