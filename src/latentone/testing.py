"""Contract checks that every codec, every streaming module and every generator must pass.

Call them in the tests of a new one; they raise `AssertionError` with what is wrong.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .codecs.base import Codec
from .generators.base import Generator, Sampled
from .nn.streaming import Streamable

__all__ = ["verify_codec", "verify_generator", "verify_streaming"]


def verify_codec(
    codec: Codec,
    *,
    lengths: Sequence[int] = (1, 2, 3, 7, 100, 319, 320, 321, 1000, 4001),
    crop: int | None = None,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> None:
    """Check a codec against its contract on noise.

    Exact lengths for every T, batch == single, ragged == single, determinism, inputs left
    untouched, `gain` a pure function, specs that describe the streams, `encode_long` == `streams`,
    saved == loaded with the same fingerprint, and a training pass of the right shapes.

    Args:
        codec: in eval mode.
        lengths: sample counts T to try.
        crop: samples of the training pass, the last of `lengths` when None.
        tolerance: largest difference, relative to the largest value, where two ways of computing
            may round differently.
        seed: of the noise.

    Raises:
        AssertionError: a promise is broken; the message names it.
    """
    rng = torch.Generator().manual_seed(seed)
    channels = codec.source.channels
    noise = [0.2 * torch.randn(2, channels, t, generator=rng) for t in lengths]
    with torch.no_grad():
        for x in noise:
            _verify_lengths(codec, x)
            _verify_batch(codec, x, tolerance)
            _verify_purity(codec, x)
            _verify_specs(codec, x)
        _verify_ragged(codec, [x[0] for x in noise] + [noise[0][1]], tolerance)
        _verify_long(codec, noise[-1])
        _verify_saved(codec, noise[-1])
    _verify_forward(codec, noise[-1][..., :crop])


def verify_streaming(
    offline: Callable[[Tensor], Tensor],
    module: Streamable,
    x: Tensor,
    *,
    chunks: Sequence[int] = (1, 2, 3, 8, 64),
    tolerance: float = 1e-5,
) -> None:
    """Check that stepping over chunks equals one offline pass.

    Also: mixed chunk sizes, a state that is data (a step from the same state repeats, and leaves
    it untouched), and causality (the future does not change what is already out).

    Args:
        offline: the whole computation, `(B, C, T)` to `(B, D, F)`.
        module: what streams.
        x: input `(B, C, T)`; T is cut to whole chunks.
        chunks: chunk sizes to try, in units of `module.chunk`.
        tolerance: largest difference relative to the largest value.

    Raises:
        AssertionError: a promise is broken; the message names it.
    """
    _require(isinstance(module, Streamable), "the module lacks chunk, latency, or step")
    units = x.shape[-1] // module.chunk
    _require(units >= 2, f"the input holds {units} chunks, at least 2 are needed")
    x = x[..., : units * module.chunk]
    with torch.no_grad():
        expected = offline(x)
        expected = expected[..., : expected.shape[-1] - module.latency]
        mixed = [1 + (3 * i) % 5 for i in range(units)]
        for sizes in [[size] * units for size in chunks] + [mixed]:
            got = _stream(module, x, sizes)[..., module.latency :]
            _close(got, expected, tolerance, f"chunks of {sizes[:5]}... differ from offline")
        _verify_state(module, x)
        half = units // 2 * module.chunk
        other = torch.cat([x[..., :half], torch.randn_like(x[..., half:])], dim=-1)
        past = _stream(module, x[..., :half], [1] * units)[..., module.latency :].shape[-1]
        _close(
            offline(other)[..., :past], offline(x)[..., :past], tolerance, "the future leaks back"
        )


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
    _require(
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
    _require(type(loaded) is type(generator), f"saved, it loads as {type(loaded).__name__}")
    _require(loaded.config == generator.config, "saved, it loads with another config")
    rng = torch.Generator().manual_seed(seed)
    again = loaded.sample(num_frames, given, batch=batch, rng=rng).latents
    _require(torch.equal(again, sample().latents), "saved and loaded, it draws something else")
    if hasattr(generator, "loss"):
        _verify_loss(generator, sample().latents, given, batch)


def _stream(module: Streamable, x: Tensor, sizes: Sequence[int]) -> Tensor:
    state, done, out = module.initial_state(x.shape[0]), 0, []
    for size in sizes:
        piece = x[..., done : done + size * module.chunk]
        if not piece.shape[-1]:
            break
        y, state = module.step(piece, state)
        out.append(y)
        done += piece.shape[-1]
    return torch.cat(out, dim=-1)


def _verify_state(module: Streamable, x: Tensor) -> None:
    first, second = x[..., : module.chunk], x[..., module.chunk : 2 * module.chunk]
    _, state = module.step(first, module.initial_state(x.shape[0]))
    kept = [tensor.clone() for tensor in state]
    once, after = module.step(second, state)
    module.step(first, after)
    again, _ = module.step(second, state)
    _require(torch.equal(once, again), "a step from the same state gives another result")
    same = all(torch.equal(a, b) for a, b in zip(kept, state, strict=True))
    _require(same, "a step changes the state it was given")


def _verify_lengths(codec: Codec, x: Tensor) -> None:
    samples = x.shape[-1]
    frames = codec.num_frames(samples)
    latents = codec.encode(x)
    expected = (x.shape[0], codec.latent_dim, frames)
    _require(
        tuple(latents.shape) == expected,
        f"encode of {samples} samples gives {tuple(latents.shape)}, expected {expected}",
    )
    _require(bool(latents.isfinite().all()), f"latents of {samples} samples are not finite")
    _require(
        codec.num_samples(frames) >= samples,
        f"{samples} samples give {frames} frames, which decode to less",
    )
    y = codec.decode(latents, gain=codec.gain(x), rng=torch.Generator().manual_seed(0))
    expected = (*x.shape[:2], codec.num_samples(frames))
    _require(
        tuple(y.shape) == expected,
        f"decode of {frames} frames gives {tuple(y.shape)}, expected {expected}",
    )
    if codec.vocab:
        codes = codec.quantize(latents)
        _require(
            codes.dtype == torch.int64 and codes.shape == (len(x), len(codec.vocab), frames),
            f"codes are {codes.dtype} {tuple(codes.shape)}",
        )
        top = torch.tensor(codec.vocab, device=codes.device)[:, None]
        _require(bool(((codes >= 0) & (codes < top)).all()), "codes are outside the vocabulary")
        back = codec.dequantize(codes)
        _require(back.shape == latents.shape, "dequantize changes the shape of the latents")


def _verify_batch(codec: Codec, x: Tensor, tolerance: float) -> None:
    latents, gain = codec.encode(x), codec.gain(x)
    y = codec.decode(latents, gain=gain, rng=torch.Generator().manual_seed(0))
    for i in range(len(x)):
        one = x[i : i + 1]
        _close(
            codec.encode(one), latents[i : i + 1], tolerance, "encode: batch differs from single"
        )
    one_gain = None if gain is None else gain[:1]
    alone = codec.decode(latents[:1], gain=one_gain, rng=torch.Generator().manual_seed(0))
    _close(alone, y[:1], tolerance, "decode: batch differs from single")


def _verify_purity(codec: Codec, x: Tensor) -> None:
    kept = x.clone()
    gain, latents = codec.gain(x), codec.encode(x)
    _require(torch.equal(latents, codec.encode(x)), "encode is not deterministic")
    again = codec.gain(x)
    if gain is not None and again is not None:
        _require(torch.equal(gain, again), "gain is not a pure function of the audio")
        _require(gain.dim() == 2 and len(gain) == len(x), "gain is not (B, S)")
    codec.streams(x)
    _require(torch.equal(kept, x), "encode, gain or streams changed their input")


def _verify_specs(codec: Codec, x: Tensor) -> None:
    streams, specs = codec.streams(x), codec.stream_specs()
    _require(streams.keys() == specs.keys(), f"streams {set(streams)} but specs {set(specs)}")
    _require(specs["acoustic"] == codec.latent, "`latent` is not the spec of `acoustic`")
    for name, value in streams.items():
        spec = specs[name]
        _require(value.shape[1] == spec.dim, f"stream {name} has not {spec.dim} rows")
        discrete = not value.is_floating_point()
        _require(discrete == (spec.kind == "discrete"), f"stream {name} is not {spec.kind}")
    y = codec.decode_streams(streams, rng=torch.Generator().manual_seed(0))
    _require(y.shape[-1] >= x.shape[-1], "decode_streams gives less than was encoded")


def _verify_ragged(codec: Codec, xs: list[Tensor], tolerance: float) -> None:
    for x, latents in zip(xs, codec.encode_ragged(xs), strict=True):
        _close(latents, codec.encode(x[None])[0], tolerance, "encode_ragged differs from encode")


def _verify_long(codec: Codec, x: Tensor) -> None:
    whole = codec.streams(x[:1])
    pieces = list(codec.encode_long(lambda a, n: x[0, :, a : a + n], x.shape[-1], 1000))
    for name, value in whole.items():
        joined = torch.cat([piece[name] for piece in pieces], dim=-1)
        _require(joined.shape == value[0].shape, f"encode_long: stream {name} has another shape")
        equal = (joined - value[0]).abs() <= 1e-4 * value[0].abs().max()
        _require(
            equal.float().mean().item() > 0.99, f"encode_long: stream {name} differs from `streams`"
        )


def _verify_saved(codec: Codec, x: Tensor) -> None:
    with tempfile.TemporaryDirectory() as folder:
        loaded = Codec.from_pretrained(codec.save_pretrained(f"{folder}/codec"))
    _require(type(loaded) is type(codec), f"a saved codec loads as {type(loaded).__name__}")
    _require(loaded.config == codec.config, "a saved codec loads with another config")
    _require(loaded.stream_specs() == codec.stream_specs(), "a saved codec loads with other specs")
    streams, again = codec.streams(x), loaded.to(x.device).streams(x)
    same = all(torch.equal(streams[name], again[name]) for name in streams)
    _require(same, "a saved codec encodes differently once loaded")
    rngs = [torch.Generator().manual_seed(0) for _ in range(2)]
    y, back = (
        codec.decode_streams(streams, rng=rngs[0]),
        loaded.decode_streams(streams, rng=rngs[1]),
    )
    _require(torch.equal(y, back), "a saved codec decodes differently once loaded")


def _verify_forward(codec: Codec, x: Tensor) -> None:
    before = codec.fingerprint()
    trained = copy.deepcopy(codec).train()
    output = trained({"x": x, "rng": torch.Generator().manual_seed(0)})
    for name, loss in output.losses.items():
        _require(loss.dim() == 0 and bool(loss.isfinite()), f"loss {name} is no finite scalar")
    if output.reconstruction is not None:
        _require(output.reconstruction.shape == x.shape, "reconstruction has another shape than x")
    _require(codec.fingerprint() == before, "training a copy changed the codec")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _close(got: Tensor, expected: Tensor, tolerance: float, message: str) -> None:
    _require(
        got.shape == expected.shape, f"{message}: {tuple(got.shape)}, not {tuple(expected.shape)}"
    )
    worst = (got - expected).abs().max().item() / max(expected.abs().max().item(), 1e-12)
    _require(worst <= tolerance, f"{message} by {worst:.1e} of the largest value")


def _verify_drawing(
    generator: Generator, sample: Callable[..., Sampled], batch: int, num_frames: int
) -> None:
    spec, before = generator.latent, copy.deepcopy(generator.state_dict())
    steps: list[tuple[int, int]] = []
    latents, lengths = sample(on_step=lambda done, total: steps.append((done, total)))
    _require(latents.shape == (batch, spec.dim, num_frames), f"drew {tuple(latents.shape)}")
    _require(lengths.tolist() == [num_frames] * batch, f"lengths are {lengths.tolist()}")
    _require(not latents.requires_grad, "a drawing requires grad")
    _require(
        not (latents.is_inference() or lengths.is_inference()), "a drawing is an inference tensor"
    )
    if spec.kind == "discrete":
        size = torch.tensor(spec.vocab)[:, None]
        _require(latents.dtype == torch.int64, f"codes are {latents.dtype}")
        _require(bool(((latents >= 0) & (latents < size)).all()), "codes outside the vocabulary")
    _require(bool(latents.isfinite().all()), "a drawing is not finite")
    counted = [done for done, _ in steps] == list(range(1, len(steps) + 1))
    _require(counted and steps[-1:] == [(len(steps),) * 2], "on_step does not count to its total")
    _require(torch.equal(sample().latents, latents), "one seed gives two drawings")
    _require(not torch.equal(sample(seed=1).latents, latents), "two seeds give one drawing")
    generator.train()
    drawn = sample().latents
    _require(generator.training, "sampling leaves training mode")
    generator.eval()
    _require(torch.equal(drawn, latents), "training mode changes what is drawn")
    same = all(torch.equal(before[k], v) for k, v in generator.state_dict().items())
    _require(same, "sampling changes the weights or buffers")


def _verify_known(generator: Generator, sample: Callable[..., Sampled]) -> None:
    latents = sample().latents
    prompt = latents.shape[-1] // 2
    keep = torch.arange(latents.shape[-1]) < prompt
    if "known" not in generator.supports:
        _require(_refuses(lambda: sample(known=latents, keep=keep)), "`known` is not refused")
        return
    # of another seed, so that nothing agrees by chance
    known = sample(seed=2).latents
    drawn = sample(known=known, keep=keep).latents
    _require(torch.equal(drawn[..., :prompt], known[..., :prompt]), "known latents have changed")
    whole = sample(known=known, keep=torch.ones(1, 1, 1, dtype=torch.bool)).latents
    _require(torch.equal(whole, known), "latents known throughout have changed")


def _verify_generator_refusals(
    generator: Generator, sample: Callable[..., Sampled], batch: int
) -> None:
    _require(_refuses(lambda: sample(conditions={"?": [None] * batch})), "takes any condition")
    for name in generator.conditioners:
        few = {name: [None] * (batch - 1)}
        _require(_refuses(partial(sample, conditions=few)), "takes too few conditions")
    latents = sample().latents
    extra: dict[str, Any] = {"init": latents, "noise": latents.float(), "stop": lambda codes: codes}
    for name, value in extra.items():
        if name not in generator.supports:
            refused = _refuses(partial(sample, **{name: value}))
            _require(refused, f"`{name}` is neither supported nor refused")


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
        _require(torch.equal(ragged.lengths, lengths), "lengths come back changed")
        for item, length in enumerate(lengths.tolist()):
            own = {name: [values[item]] for name, values in conditions.items()}
            alone = generator.sample(num_frames, own, **settings).latents[0]
            _require(torch.equal(alone, latents[item]), "an item of a batch is not itself alone")
            alone = generator.sample(length, own, **settings).latents[0]
            same = torch.equal(alone, ragged.latents[item, :, :length])
            _require(same, "a shorter item of a batch is not itself alone")


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
        _require(losses["loss"].dim() == 0, "loss is no scalar")
        _require(bool(losses["loss"].isfinite()), "loss is not finite")
        losses["loss"].backward()
        for name, parameter in generator.named_parameters():
            reached = parameter.grad is not None or not parameter.requires_grad
            _require(reached, f"{name} gets no gradient: DDP would hang on it")
    generator.zero_grad()
    generator.eval()
