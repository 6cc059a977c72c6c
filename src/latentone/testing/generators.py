"""What every generator promises."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..generators.base import Generator, Sampled
from .promises import require

__all__ = ["verify_generator"]


def verify_generator(
    generator: Generator,
    conditions: Mapping[str, Sequence[Any]],
    *,
    num_frames: int,
    greedy: Any = None,
    seed: int = 0,
) -> None:
    """Check a generator against its contract.

    Shapes and ranges, one seed one drawing, batch == single, lengths, known latents that come back
    bit-identical, refusals, progress, mode and weights left as they were, saved == loaded; and of
    a generator with a `loss`, that every trained parameter gets a gradient whatever is missing.

    Args:
        generator: in eval mode, on CPU.
        conditions: two or more values of every condition, all different.
        num_frames: a length that it can make.
        greedy: `options` without chance, for what holds only then; None skips batch == single.
        seed: of the drawings.

    Raises:
        AssertionError: a promise is broken; the message names it.
    """
    require(
        set(conditions) == set(generator.conditioners), "give values of every condition to verify"
    )
    batch = min((len(values) for values in conditions.values()), default=2)
    given = {name: list(values[:batch]) for name, values in conditions.items()}

    def sample(**changes: Any) -> Sampled:
        rng = torch.Generator().manual_seed(changes.pop("seed", seed))
        settings = {"conditions": given, "batch": batch, "rng": rng, **changes}
        return generator.sample(num_frames, settings.pop("conditions"), **settings)

    _verify_drawing(generator, sample, batch, num_frames)
    _verify_known(generator, sample)
    _verify_generator_refusals(generator, sample, batch)
    if greedy is not None:
        _verify_items(generator, sample, given, num_frames, greedy)
    with tempfile.TemporaryDirectory() as folder:
        loaded = Generator.from_pretrained(generator.save_pretrained(f"{folder}/generator"))
    require(type(loaded) is type(generator), f"saved, it loads as {type(loaded).__name__}")
    require(loaded.config == generator.config, "saved, it loads with another config")
    rng = torch.Generator().manual_seed(seed)
    again = loaded.sample(num_frames, given, batch=batch, rng=rng).latents
    require(torch.equal(again, sample().latents), "saved and loaded, it draws something else")
    if hasattr(generator, "loss"):
        _verify_loss(generator, sample().latents, given, batch)


def _verify_drawing(
    generator: Generator, sample: Callable[..., Sampled], batch: int, num_frames: int
) -> None:
    spec, before = generator.latent, copy.deepcopy(generator.state_dict())
    steps: list[tuple[int, int]] = []
    latents, lengths = sample(on_step=lambda done, total: steps.append((done, total)))
    require(latents.shape == (batch, spec.dim, num_frames), f"drew {tuple(latents.shape)}")
    require(lengths.tolist() == [num_frames] * batch, f"lengths are {lengths.tolist()}")
    require(not latents.requires_grad, "a drawing requires grad")
    require(
        not (latents.is_inference() or lengths.is_inference()), "a drawing is an inference tensor"
    )
    if spec.kind == "discrete":
        size = torch.tensor(spec.vocab)[:, None]
        require(latents.dtype == torch.int64, f"codes are {latents.dtype}")
        require(bool(((latents >= 0) & (latents < size)).all()), "codes outside the vocabulary")
    require(bool(latents.isfinite().all()), "a drawing is not finite")
    counted = [done for done, _ in steps] == list(range(1, len(steps) + 1))
    require(counted and steps[-1:] == [(len(steps),) * 2], "on_step does not count to its total")
    require(torch.equal(sample().latents, latents), "one seed gives two drawings")
    require(not torch.equal(sample(seed=1).latents, latents), "two seeds give one drawing")
    generator.train()
    drawn = sample().latents
    require(generator.training, "sampling leaves training mode")
    generator.eval()
    require(torch.equal(drawn, latents), "training mode changes what is drawn")
    same = all(torch.equal(before[k], v) for k, v in generator.state_dict().items())
    require(same, "sampling changes the weights or buffers")


def _verify_known(generator: Generator, sample: Callable[..., Sampled]) -> None:
    latents = sample().latents
    prompt = latents.shape[-1] // 2
    keep = torch.arange(latents.shape[-1]) < prompt
    if "known" not in generator.supports:
        require(_refuses(lambda: sample(known=latents, keep=keep)), "`known` is not refused")
        return
    # of another seed, so that nothing agrees by chance
    known = sample(seed=2).latents
    drawn = sample(known=known, keep=keep).latents
    require(torch.equal(drawn[..., :prompt], known[..., :prompt]), "known latents have changed")
    whole = sample(known=known, keep=torch.ones(1, 1, 1, dtype=torch.bool)).latents
    require(torch.equal(whole, known), "latents known throughout have changed")


def _verify_generator_refusals(
    generator: Generator, sample: Callable[..., Sampled], batch: int
) -> None:
    require(_refuses(lambda: sample(conditions={"?": [None] * batch})), "takes any condition")
    for name in generator.conditioners:
        few = {name: [None] * (batch - 1)}
        require(_refuses(partial(sample, conditions=few)), "takes too few conditions")
    latents = sample().latents
    extra: dict[str, Any] = {"init": latents, "noise": latents.float(), "stop": lambda codes: codes}
    for name, value in extra.items():
        if name not in generator.supports:
            refused = _refuses(partial(sample, **{name: value}))
            require(refused, f"`{name}` is neither supported nor refused")


def _refuses(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ValueError:
        return True
    return False


def _verify_items(
    generator: Generator,
    sample: Callable[..., Sampled],
    conditions: dict[str, list[Any]],
    num_frames: int,
    greedy: Any,
) -> None:
    shorter = [n for n in range(num_frames // 2, num_frames + 1) if _makes(generator, n)]
    for guidance in (1.0, 2.0):
        settings = {"options": greedy, "guidance": guidance}
        latents = sample(**settings).latents
        lengths = torch.tensor([num_frames] + [shorter[0]] * (len(latents) - 1))
        ragged = sample(**settings, lengths=lengths)
        require(torch.equal(ragged.lengths, lengths), "lengths come back changed")
        for item, length in enumerate(lengths.tolist()):
            own = {name: [values[item]] for name, values in conditions.items()}
            alone = generator.sample(num_frames, own, **settings).latents[0]
            require(torch.equal(alone, latents[item]), "an item of a batch is not itself alone")
            alone = generator.sample(length, own, **settings).latents[0]
            same = torch.equal(alone, ragged.latents[item, :, :length])
            require(same, "a shorter item of a batch is not itself alone")


def _makes(generator: Generator, num_frames: int) -> bool:
    return not _refuses(lambda: generator.frames.check(num_frames))


def _verify_loss(
    generator: Generator, latents: Tensor, conditions: dict[str, list[Any]], batch: int
) -> None:
    key = "codes" if generator.latent.kind == "discrete" else "latents"
    lengths = torch.full((batch,), latents.shape[-1])
    generator.train()
    for raw in (conditions, {}, {k: [v[0]] + [None] * (batch - 1) for k, v in conditions.items()}):
        data = {key: latents, "lengths": lengths, "conditions": generator.prepare(raw, batch)}
        generator.zero_grad()
        losses = generator(data, rng=torch.Generator().manual_seed(0))
        require(losses["loss"].dim() == 0, "loss is no scalar")
        require(bool(losses["loss"].isfinite()), "loss is not finite")
        losses["loss"].backward()
        for name, parameter in generator.named_parameters():
            reached = parameter.grad is not None or not parameter.requires_grad
            require(reached, f"{name} gets no gradient: DDP would hang on it")
    generator.zero_grad()
    generator.eval()
