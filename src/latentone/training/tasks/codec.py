"""Train a codec: distances in time and frequency, a discriminator that listens, one gradient.

The recipe of Defossez et al., "High Fidelity Neural Audio Compression", 2022, section 3.4, for any
codec whose forward pass gives a reconstruction; unbalanced, with other distances, discriminators
and optimisers, those of SoundStream, HiFi-GAN, DAC, VQGAN, Oobleck and RAVE. Differs: the
discriminator is updated at evenly spaced steps, a share of all, where EnCodec throws a die; and it
may join late.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ...codecs.base import Codec, CodecOutput
from ...discriminators import Discriminator
from ...dsp.distances import MultiResolutionSTFT, MultiScaleMel, si_sdr
from ...losses import (
    Balancer,
    LogMelDistance,
    discriminator_loss,
    feature_matching,
    generator_loss,
    weighted_gradient,
)
from ..codec_insides import code_health, divergences, latent_health, score_health
from ..health import HealthWatch, judge_health, variety
from ..optimizers import adamw
from ..schedules import (
    Schedule,
    constant,
    cosine,
    exponential,
    inverse_power,
    linear,
    log_ramp,
)
from ..score_picture import score_picture
from ..task import Batch, Optimization, Portrait, Preview, Run, Task
from .codec_config import CodecLossWeights, CodecTaskConfig, ScheduleName
from .denoising import noisy_batch
from .unmoved import unmoved

__all__ = ["CodecLossWeights", "CodecTask", "CodecTaskConfig"]


class CodecTask(Task):
    """A codec, what judges it, and the weights of its losses.

    Args:
        config: settings.
        codec: what is trained, with fresh or trained weights.
    """

    def __init__(self, config: CodecTaskConfig, codec: Codec) -> None:
        self.config = config
        if config.noise_db is not None and not getattr(codec.config, "denoising", False):
            raise ValueError("noise_db teaches a switch: the codec needs denoising=True")
        if config.inner_losses and not hasattr(codec, "inner"):
            raise ValueError(
                f"{type(codec).__name__} does not say how far it hears: inner_losses must be False"
            )
        self.model = self.codec = codec.train()
        rate, channels = codec.source.sample_rate, codec.source.channels
        preset = config.mel_preset
        self.mel: nn.Module = (
            LogMelDistance(rate) if preset == "hifigan" else MultiScaleMel(rate, preset)
        )
        self.stft = MultiResolutionSTFT(
            config.stft_preset, a_weighting_rate=rate if config.a_weighted else None
        )
        self.modules = {"codec": codec, "distances": nn.ModuleList([self.mel, self.stft])}
        self.balancer: Balancer | None = None
        if config.balanced:
            self.balancer = Balancer(config.weights.present(), decay=config.balancer_decay)
            self.modules["balancer"] = self.balancer
        self.discriminator: Discriminator | None = None
        if config.discriminator is not None:
            self.discriminator = config.discriminator.build(channels)
            self.modules["discriminator"] = self.discriminator
        self.watch = HealthWatch()
        self.fixed: list[nn.Module] = [] if config.train_encoder else codec.encode_path()[1]
        for module in self.fixed:
            module.requires_grad_(False)

    def optimizers(self) -> dict[str, Optimization]:
        config = self.config
        rates = {
            "codec": config.learning_rate,
            "discriminator": config.discriminator_learning_rate or config.learning_rate,
        }
        clips = {"codec": config.clip, "discriminator": config.discriminator_clip}
        schedules = {
            "codec": self._schedule(config.schedule),
            "discriminator": self._schedule(config.discriminator_schedule or config.schedule),
        }
        return {
            name: Optimization(self._optimizer(name, rate), name, clips[name], schedules[name])
            for name, rate in rates.items()
            if name in self.modules
        }

    def _optimizer(self, name: str, rate: float) -> torch.optim.Optimizer:
        config, module = self.config, self.modules[name]
        if config.optimizer == "adamw":
            decay = config.weight_decay
            return adamw(module, learning_rate=rate, betas=config.betas, weight_decay=decay)
        parameters = [p for p in module.parameters() if p.requires_grad]
        return torch.optim.Adam(parameters, lr=rate, betas=config.betas)

    def _schedule(self, name: ScheduleName) -> Schedule:
        warmup = self.config.warmup
        if name == "exponential":
            return exponential(decay=self.config.decay, warmup=warmup)
        if name == "linear":
            return linear(fall=self.config.fall, warmup=warmup)
        if name == "inverse_power":
            return inverse_power()
        return (cosine if name == "cosine" else constant)(warmup=warmup)

    def step(self, batch: Batch, run: Run) -> dict[str, Tensor]:
        config, real = self.config, batch["x"]
        still = self._stand_still(run)
        if config.noise_db is not None:
            batch, real = noisy_batch(batch, config.noise_db, run.rng)
        real = self.codec.target(real)
        inner = slice(None)
        if config.inner_losses:
            inner = self.codec.inner(real.shape[-1])  # type: ignore[operator]
            batch = {**batch, "inner": inner}
        adversarial = self.adversarial_at(run.step, run.total_steps)
        alone = adversarial and self.discriminator_learns_alone_at(run.step)
        if alone:  # DDP: no backward, then no graph either
            with torch.no_grad(), unmoved(self.codec):
                output = run.module("codec")(batch)
        else:
            output = run.module("codec")(batch)
        fake, real = _reconstruction(output).float()[..., inner], real[..., inner]
        logs: dict[str, Tensor] = {}

        # The discriminator's half: tell real sound from the codec's.
        if adversarial and self.discriminator_learns_at(run.step):
            judged = run.module("discriminator")(torch.cat([real, fake.detach()]))
            of_real, of_fake = judged.split(len(real))
            loss = discriminator_loss(
                of_real.scores, of_fake.scores, config.adversarial, config.reduction
            )
            run.backward(loss)
            run.optimize("discriminator")
            logs = {"discriminator": loss, **judge_health(of_real.scores, of_fake.scores)}

        if alone:
            with torch.no_grad():
                logs["loss"] = self.mel(fake, real)
            logs = {name: value.detach() for name, value in logs.items()}
            if run.rank == 0:
                self.watch.see(logs)  # the judge's numbers come from these steps alone
            return logs

        # The codec's half: sound right, and be taken for real.
        heard = fake.detach().requires_grad_()
        losses = self._distances(heard, real)
        if adversarial:
            judge = run.frozen("discriminator")
            of_real, of_fake = judge(real), judge(heard)
            losses["adversarial"] = generator_loss(
                of_fake.scores, config.adversarial, config.reduction
            )
            losses["feature"] = feature_matching(
                of_real.features,
                of_fake.features,
                relative=config.relative_features,
                reduction=config.reduction,
            )
        # The gradient of sum(fake * g) with respect to fake is g: one backward pass takes the
        # combined gradient into the codec, together with those of its own penalties.
        gradient, norms = self._gradient(losses, heard)
        run.backward((fake * gradient).sum() + self._penalty(output.losses, run, like=fake))
        for parameter in still:
            parameter.grad = None  # or the optimiser's momentum would go on moving it
        run.optimize("codec")
        logs = {"loss": losses.pop("mel"), **losses, **logs, **output.losses, **output.metrics}
        logs |= {f"gradient/{side}": norm for side, norm in norms.items()}
        if len(real) > 1:
            logs["variety"] = variety(fake, real)
        logs = {name: value.detach() for name, value in logs.items()}
        if run.rank == 0:
            self.watch.see(logs)
        return logs

    def adversarial_at(self, step: int, total_steps: int) -> bool:
        """Whether the discriminator takes part in this step."""
        late_enough = step >= self.config.adversarial_start * total_steps
        return self.discriminator is not None and late_enough

    def discriminator_learns_at(self, step: int) -> bool:
        """Whether the discriminator is updated at this step: the same on all ranks."""
        if self.config.discriminator_alone_every:
            return self.discriminator_learns_alone_at(step)
        share = self.config.discriminator_share
        return int((step + 1) * share) > int(step * share)

    def discriminator_learns_alone_at(self, step: int) -> bool:
        """Whether the discriminator, once it has joined, has this step to itself."""
        every = self.config.discriminator_alone_every
        return every > 0 and step % every == 0

    def own_at(self, name: str, step: int, total_steps: int) -> float:
        """The factor of the codec's own penalty `name` at this step."""
        factor = self.config.own.get(name, 1.0)
        if name not in self.config.ramps:
            return factor
        first, steps = self.config.ramps[name]
        return log_ramp(first, factor, steps)(step, total_steps)

    def encoder_stands_at(self, step: int, total_steps: int) -> bool:
        """Whether encoder and codebooks have been trained to their end at this step."""
        after = self.config.freeze_encoder_after
        return after < 1 and step >= after * total_steps

    def _stand_still(self, run: Run) -> list[nn.Parameter]:
        """Keep fixed modules from moving; the parameters whose gradients are to be dropped."""
        for module in self.fixed:
            module.eval()  # or codebooks would go on moving
        if not self.encoder_stands_at(run.step, run.total_steps):
            return []
        modules = self.codec.encode_path()[1]
        for module in modules:
            module.eval()
            if run.world == 1:  # DDP waits for the gradients of all that could learn at the start
                module.requires_grad_(False)
        return [p for module in modules for p in module.parameters()]

    def _distances(self, heard: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Those with a weight, and always mel: it is the loss that validation reports too."""
        weights = self.config.weights
        losses = {}
        if weights.waveform:
            losses["waveform"] = (heard - real).abs().mean()
        with torch.set_grad_enabled(weights.mel > 0):
            losses["mel"] = self.mel(heard, real)
        if weights.stft:
            losses["stft"] = self._stft(heard, real)
        return losses

    def _stft(self, heard: Tensor, real: Tensor) -> Tensor:
        distance: Tensor = self.stft(heard, real)
        if self.config.mid_side and heard.shape[1] == 2:
            return distance + self.stft(_mid_side(heard), _mid_side(real))
        return distance

    def _gradient(
        self, losses: dict[str, Tensor], heard: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the losses with a weight ask of the reconstruction, and how loudly."""
        weights = self.config.weights.present()
        weighed = {name: loss for name, loss in losses.items() if name in weights}
        if not weighed:  # a judge alone that has not joined yet
            return torch.zeros_like(heard), {}
        if self.balancer is not None:
            return self.balancer(weighed, heard), self.balancer.norms()
        return weighted_gradient(weighed, weights, heard, adaptive=self.config.adaptive)

    def _penalty(self, losses: dict[str, Tensor], run: Run, like: Tensor) -> Tensor:
        factors = {name: self.own_at(name, run.step, run.total_steps) for name in losses}
        unknown = sorted(set(self.config.own) - set(losses))
        if unknown:
            raise ValueError(
                f"`own` weighs {unknown[0]}, but {type(self.codec).__name__} gives the penalties "
                f"{sorted(losses)}"
            )
        terms = [factor * losses[name] for name, factor in factors.items() if factor]
        return sum(terms, start=like.new_zeros(()))

    def validate(self, batch: Batch, run: Run) -> dict[str, Tensor]:
        """Distances of each item without its padding; `loss` is the mel distance, as in `step`."""
        output = run.module("codec")(batch)
        pairs = _valid_pairs(_reconstruction(output).float(), batch)
        logs = {
            "loss": torch.stack([self.mel(fake, real) for fake, real in pairs]).mean(),
            "stft": torch.stack([self.stft(fake, real) for fake, real in pairs]).mean(),
            "waveform": torch.stack([(fake - real).abs().mean() for fake, real in pairs]).mean(),
        }
        ratios = [si_sdr(fake, real).mean() for fake, real in pairs if bool(real.any())]
        if ratios:  # the ratio says nothing of silence
            logs["si_sdr"] = torch.stack(ratios).mean()
        return {**logs, **output.losses, **output.metrics}

    def preview(self, batch: Batch, run: Run) -> Preview:
        """Each item's original and reconstruction, and what the discriminator makes of them."""
        output = run.module("codec")(batch)
        render = self.codec.source.render
        audio, images = {}, {}
        for i, (fake, real) in enumerate(_valid_pairs(self._sound(output), batch)):
            audio[f"{i}/original"] = render(real)
            audio[f"{i}/reconstruction"] = render(fake)
        judge, real = self.discriminator, self.codec.target(batch["x"])
        if judge is not None and real.shape[-1] >= judge.config.min_samples:
            fake = _reconstruction(output).float()
            images["judge"] = score_picture(judge(real).scores, judge(fake).scores)
        return Preview(audio, images)

    def _sound(self, output: CodecOutput) -> Tensor:
        """The reconstruction as sound, the same for the same weights."""
        rng = torch.Generator().manual_seed(0)
        return self.codec.sound_of(_reconstruction(output).float(), rng)

    def portrait(self, batch: Batch, run: Run) -> Portrait:
        """The same sounds as `preview`, and the insides of codec and discriminator."""
        codec, judge, render = self.codec, self.discriminator, self.codec.source.render
        ids = batch.get("ids", [""] * len(batch["x"]))
        shown = Portrait({}, {}, {})
        latents, scores = [], []
        with divergences(codec) as per_channel:
            for i, (_, real) in enumerate(_valid_pairs(batch["x"], batch)):
                # Alone and without padding: silence would count as sound.
                alone = {"x": real[None], "lengths": real.new_tensor([real.shape[-1]]).long()}
                output = run.module("codec")(alone)
                fake, target = _reconstruction(output).float(), codec.target(alone["x"])
                sound = self._sound(output)[0, :, : real.shape[-1]]
                name = f"{i}-{Path(ids[i]).stem[:60]}"
                shown.originals[name], shown.sounds[name] = render(real), render(sound)
                latents.append(output.latents[0])
                if judge is not None and target.shape[-1] >= judge.config.min_samples:
                    scores.append((judge(target).scores, judge(fake).scores))
        shown.health["latents"] = latent_health(torch.cat(latents, dim=-1)[None], per_channel)
        if codes := code_health(codec):
            shown.health["codes"] = codes
        if scores:
            real_scores, fake_scores = zip(*scores, strict=True)
            shown.health["scores"] = score_health(_joined(real_scores), _joined(fake_scores))
        return shown


def _joined(judged: Iterable[Sequence[Tensor]]) -> list[Tensor]:
    """The scores of each discriminator over all items."""
    return [torch.cat([s.flatten() for s in scores]) for scores in zip(*judged, strict=True)]


def _reconstruction(output: CodecOutput) -> Tensor:
    if output.reconstruction is None:
        raise TypeError("this codec's forward pass gives no reconstruction to compare with")
    return output.reconstruction


def _valid_pairs(fake: Tensor, batch: Batch) -> list[tuple[Tensor, Tensor]]:
    """Reconstruction and original `(C, length)` of each item."""
    real = batch["x"]
    lengths = batch.get("lengths", torch.full((len(real),), real.shape[-1]))
    rows = zip(fake, real, lengths.tolist(), strict=True)
    return [(f[:, :length], r[:, :length]) for f, r, length in rows]


def _mid_side(x: Tensor) -> Tensor:
    """Half sum and half difference of two channels `(B, 2, T)`."""
    left, right = x.unbind(1)
    return torch.stack([left + right, left - right], dim=1) / 2
