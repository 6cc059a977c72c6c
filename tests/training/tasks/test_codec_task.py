"""Codec training: what each half touches, when the discriminator learns, fine-tuning."""

import logging
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from latentone.audio import AudioSource
from latentone.codecs import Codec, CodecConfig, CodecOutput, EnCodecConfig
from latentone.config import from_dict, to_dict
from latentone.discriminators import STFTDiscriminatorConfig
from latentone.networks.seanet import SEANetConfig
from latentone.training.tasks import CodecLossWeights, CodecTaskConfig

ENCODEC = EnCodecConfig(
    sample_rate=8000,
    seanet=SEANetConfig(num_filters=4, latent_dim=8, ratios=(4, 4), num_lstm_layers=0),
    num_codebooks=2,
    codebook_size=16,
)
JUDGE = STFTDiscriminatorConfig(filters=4, n_ffts=(256, 64))
CONFIG = CodecTaskConfig(model=ENCODEC, discriminator=JUDGE, learning_rate=1e-3)


class PlainRun:
    """The least that a task needs of a trainer; notes what is optimised, with its gradients."""

    rank, world = 0, 1
    device = torch.device("cpu")

    def __init__(self, task, total_steps=100):
        self.task, self.step, self.total_steps = task, 0, total_steps
        self.rng = torch.Generator().manual_seed(0)
        self.optimizations = task.optimizers()
        self.log = []

    def module(self, name):
        return self.task.modules[name]

    def frozen(self, name):
        def call(*args):
            module = self.task.modules[name]
            module.requires_grad_(False)
            try:
                return module(*args)
            finally:
                module.requires_grad_(True)

        return call

    def backward(self, loss):
        loss.backward()

    def optimize(self, name):
        self.log.append((name, {n: self.touched(n) for n in self.optimizations}))
        optimizer = self.optimizations[name].optimizer
        optimizer.step()
        optimizer.zero_grad()

    def touched(self, name):
        gradients = [p.grad for p in self.task.modules[name].parameters()]
        return any(g is not None and bool(g.any()) for g in gradients)

    def go(self, batch, steps):
        logs = []
        for _ in range(steps):
            logs.append(self.task.step(batch, self))
            self.step += 1
        return logs


def tones(batch=4, samples=2048, channels=1):
    time = torch.arange(samples) / 8000
    hertz = torch.linspace(200, 900, batch)[:, None, None]
    x = 0.5 * torch.sin(2 * torch.pi * hertz * time).expand(batch, channels, samples).contiguous()
    return {"x": x, "lengths": torch.full((batch,), samples), "ids": list("abcd")[:batch]}


def built(config=CONFIG, seed=0):
    torch.manual_seed(seed)
    return config.build()


def test_the_distance_falls_on_a_fixed_batch():
    """Also under a discriminator that weighs little enough to leave the distances their say."""
    weights = CodecLossWeights(mel=10.0)
    config = replace(CONFIG, weights=weights, adversarial_start=0.5, learning_rate=2e-3)
    logs = PlainRun(built(config), total_steps=80).go(tones(batch=2), 80)
    losses = torch.stack([log["loss"] for log in logs])
    assert losses[35:40].mean() < 0.8 * losses[0]
    assert losses[-5:].mean() < losses[35:40].mean()


def test_each_half_leaves_the_other_alone():
    run = PlainRun(built())
    run.go(tones(), 6)
    halves = {"discriminator": 0, "codec": 0}
    for name, touched in run.log:
        other = "codec" if name == "discriminator" else "discriminator"
        assert touched[name] and not touched[other]
        halves[name] += 1
    assert halves == {"discriminator": 4, "codec": 6}


def test_the_discriminator_learns_to_tell_and_the_codec_to_deceive():
    """Against a codec that stands still its loss falls; against a judge that does, the codec's."""
    task = built(replace(CONFIG, discriminator_share=1.0, learning_rate=3e-3))
    run = PlainRun(task)
    for group in run.optimizations["codec"].optimizer.param_groups:
        group["lr"] = 0.0
    judged = [float(log["discriminator"]) for log in run.go(tones(), 30)]
    assert judged[-1] < 0.7 * judged[0]

    weights = CodecLossWeights(waveform=1e-3, mel=1e-3, adversarial=1.0, feature=1e-3)
    task = built(replace(CONFIG, discriminator_share=0.0, weights=weights))
    run = PlainRun(task)
    deceived = [float(log["adversarial"]) for log in run.go(tones(), 30)]
    assert deceived[-1] < deceived[0]


@pytest.mark.parametrize("share", [0.0, 0.5, 2 / 3, 1.0])
def test_the_discriminator_learns_at_its_share_of_steps_evenly(share):
    task = built(replace(CONFIG, discriminator_share=share))
    at = [step for step in range(300) if task.discriminator_learns_at(step)]
    assert len(at) == pytest.approx(share * 300, abs=1)
    gaps = {b - a for a, b in pairwise(at)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_the_discriminator_joins_late():
    run = PlainRun(built(replace(CONFIG, adversarial_start=0.5)), total_steps=6)
    logs = run.go(tones(), 6)
    assert ["adversarial" in log for log in logs] == [False] * 3 + [True] * 3
    assert ["feature" in log for log in logs] == [False] * 3 + [True] * 3
    assert [name for name, _ in run.log[:3]] == ["codec"] * 3


def test_without_a_discriminator():
    task = built(replace(CONFIG, discriminator=None))
    assert set(task.optimizers()) == {"codec"} and "discriminator" not in task.modules
    assert "adversarial" not in PlainRun(task).go(tones(), 1)[0]


def test_the_first_batch_places_the_codes():
    task = built()
    codebook = task.codec.quantizer.codebooks[0]
    assert not codebook.inited
    before = codebook.embed.clone()
    PlainRun(task).go(tones(), 1)
    assert codebook.inited and not torch.equal(codebook.embed, before)


@dataclass(frozen=True, kw_only=True)
class ToyConfig(CodecConfig):
    penalty: float = 1.0


class Toy(Codec):
    """Another kind of codec, by which gradients can be followed: y = up * down * x."""

    config_class = ToyConfig
    frame_rate = 8000.0
    latent_dim = 1

    def __init__(self, config):
        super().__init__(config)
        self.source = AudioSource(sample_rate=8000, channels=1)
        self.down, self.up = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(0.5))

    def num_frames(self, num_samples):
        return num_samples

    def num_samples(self, num_frames):
        return num_frames

    def encode(self, x):
        return self.down * x

    def decode(self, latents, conditions=None, gain=None, rng=None):
        return self.up * latents

    def forward(self, batch):
        latents = self.encode(batch["x"])
        penalty = self.config.penalty * self.down.square()
        return CodecOutput({"toy/size": penalty}, {}, latents, self.decode(latents))

    def encode_path(self):
        return {}, []


def test_penalties_stand_outside_the_balance():
    """The codec's gradient is the balanced one, of norm 1 an item, plus that of its penalty."""
    gradients = {}
    batch = tones(batch=1)
    for penalty in (0.0, 3.0):
        config = CodecTaskConfig(model=ToyConfig(penalty=penalty), discriminator=JUDGE)
        run = PlainRun(built(config))
        run.optimize = lambda name: None
        run.go(batch, 1)
        codec = run.task.codec
        gradients[penalty] = codec.down.grad.item(), codec.up.grad.item()
    down, up = gradients[0.0]
    # With y = u d x, dL/dd = u <g, x> and dL/du = d <g, x>, and |<g, x>| <= |g| |x|.
    assert 0 < abs(up) <= batch["x"].norm().item() + 1e-4
    assert down == pytest.approx(0.5 * up, rel=1e-4)
    # Hinge and mel alike ask for more level: the gradient on the gain is negative.
    assert gradients[3.0][0] - down == pytest.approx(2 * 3.0, rel=1e-4)
    assert gradients[3.0][1] == pytest.approx(up, rel=1e-4)


def test_encoder_learns_from_the_reconstruction_and_from_the_commitment():
    torch.manual_seed(0)
    for muted in ("commitment", "balance"):
        task = built(replace(CONFIG, discriminator=None))
        run = PlainRun(task)
        run.go(tones(), 1)
        run.optimize = lambda name: None
        if muted == "balance":
            task.balancer.forward = lambda losses, heard: torch.zeros_like(heard)
        else:
            forward = task.codec.forward
            task.codec.forward = lambda batch, f=forward: f(batch)._replace(losses={})
        run.go(tones(), 1)
        grads = [p.grad.abs().sum() for p in task.codec.encoder.parameters()]
        assert all(g > 0 for g in grads[:3]), muted
        decoder = sum(p.grad.abs().sum() for p in task.codec.decoder.parameters())
        assert (decoder > 0) == (muted == "commitment")


def test_bf16_reconstructions_are_judged_in_fp32():
    task = built(replace(CONFIG, discriminator=None))
    run = PlainRun(task)
    forward = task.codec.forward

    def autocast(batch):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return forward(batch)

    task.codec.forward = autocast
    seen = []
    task.mel.register_forward_pre_hook(lambda _, args: seen.extend(a.dtype for a in args))
    assert run.go(tones(), 2)[-1]["loss"].isfinite()
    assert set(seen) == {torch.float32}


def test_validation_does_not_see_padding_or_learn():
    task = built()
    run = PlainRun(task)
    run.go(tones(), 2)
    task.codec.eval()
    state = {k: v.clone() for k, v in task.codec.state_dict().items()}
    whole, short = tones(batch=1), tones(batch=1, samples=1024)
    padded = torch.cat([whole["x"], torch.nn.functional.pad(short["x"], (0, 1024))])
    with torch.no_grad():
        both = task.validate({"x": padded, "lengths": torch.tensor([2048, 1024])}, run)
        one, two = task.validate(whole, run), task.validate(short, run)
    for name in ("loss", "stft", "waveform", "si_sdr"):
        assert both[name] == pytest.approx(float(one[name] + two[name]) / 2, rel=1e-3), name
    assert {"vq/use", "vq/perplexity", "vq/commitment"} <= set(both)
    assert all(torch.equal(v, state[k]) for k, v in task.codec.state_dict().items())


def test_silence_has_no_ratio():
    task = built()
    task.codec.eval()
    silence = {"x": torch.zeros(2, 1, 512), "lengths": torch.tensor([512, 512])}
    with torch.no_grad():
        logs = task.validate(silence, PlainRun(task))
    assert "si_sdr" not in logs and logs["loss"].isfinite()


def test_preview_plays_originals_beside_reconstructions():
    task = built()
    task.codec.eval()
    batch = tones(batch=2)
    batch["lengths"] = torch.tensor([2048, 500])
    with torch.no_grad():
        preview = task.preview(batch, PlainRun(task))
    assert list(preview.audio) == [
        "0/original",
        "0/reconstruction",
        "1/original",
        "1/reconstruction",
    ]
    assert torch.equal(preview.audio["0/original"].samples, batch["x"][0])
    assert preview.audio["1/reconstruction"].samples.shape == (1, 500)
    assert preview.audio["1/reconstruction"].sample_rate == 8000


def publish(task, folder):
    """What a training leaves behind, as far as fine-tuning is concerned."""
    task.codec.save_pretrained(folder)
    (folder / "training").mkdir()
    path = folder / "training" / "discriminator.safetensors"
    save_file(task.discriminator.state_dict(), path)


def test_fine_tuning_takes_the_discriminator_along(tmp_path):
    task = built()
    PlainRun(task).go(tones(), 3)
    publish(task, tmp_path / "m")
    again = CONFIG.build(tmp_path / "m")
    for name in ("codec", "discriminator"):
        state = task.modules[name].state_dict()
        assert all(torch.equal(v, state[k]) for k, v in again.modules[name].state_dict().items())
    assert again.codec.training
    codes = again.codec.quantizer.codebooks[0].embed.clone()
    PlainRun(again).go(tones(), 1)  # k-means does not start over
    assert (again.codec.quantizer.codebooks[0].embed - codes).abs().max() < 0.5 * codes.abs().max()


def test_fine_tuning_without_a_discriminator_says_so(tmp_path, caplog):
    built().codec.save_pretrained(tmp_path / "m")
    with caplog.at_level(logging.WARNING):
        CONFIG.build(tmp_path / "m")
    assert "the discriminator starts afresh" in caplog.text


def test_fine_tuning_refuses_what_does_not_fit(tmp_path):
    publish(built(), tmp_path / "m")
    other = replace(CONFIG, discriminator=replace(JUDGE, filters=8))
    with pytest.raises(ValueError, match="other sizes than the recipe's"):
        other.build(tmp_path / "m")
    with pytest.raises(ValueError, match="holds a EnCodec, expected Toy"):
        CodecTaskConfig(model=ToyConfig()).build(tmp_path / "m")
    with pytest.raises(FileNotFoundError):
        CONFIG.build(tmp_path / "none")


def test_a_decoder_can_be_fine_tuned_alone():
    task = built()
    PlainRun(task).go(tones(), 2)
    task = replace(CONFIG, train_encoder=False)
    task = built(task)
    task.codec.load_state_dict(built().codec.state_dict())
    for codebook in task.codec.quantizer.codebooks:
        codebook.inited.fill_(True)
    fingerprint = task.codec.fingerprint()
    decoder = {k: v.clone() for k, v in task.codec.decoder.state_dict().items()}
    run = PlainRun(task)
    task.codec.train()
    run.go(tones(), 3)
    assert task.codec.fingerprint() == fingerprint
    assert any(not torch.equal(v, decoder[k]) for k, v in task.codec.decoder.state_dict().items())


def test_the_config_is_json():
    assert from_dict(CodecTaskConfig, to_dict(CONFIG)) == CONFIG


def test_refusals():
    with pytest.raises(ValueError, match="adversarial_start"):
        replace(CONFIG, adversarial_start=1.5)
    with pytest.raises(ValueError, match="learning_rate"):
        replace(CONFIG, learning_rate=0.0)
    with pytest.raises(ValueError, match="weight mel must be 0 or more, got -1"):
        CodecLossWeights(mel=-1)
