"""Step 3: a language model over the codes of a codec.

MusicGen (Copet et al., 2023) and its relatives: the rows of codes are laid out as one sequence
(`sampling.layouts`), the embeddings of a step's codes are summed, a transformer reads them, and
one head a row predicts the codes of the next step. Unlike the original, the loss also takes in
the last steps, in which only the delayed rows have codes, so that a generation's end is trained.

Conditions that vary by frame (a chroma map) are added to a step's input: those of the frame that
the step is about to write, the latest one where a layout writes several at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..conditioning import (
    Condition,
    Conditioner,
    ConditionerConfig,
    FramesConditioner,
    FramesConfig,
)
from ..networks.context import Context, Span, join
from ..networks.transformer import Transformer, TransformerConfig, TransformerState
from ..nn.skinny import skinny_linear
from ..nn.transform import LatentTransform
from ..sampling import layouts
from ..sampling.layouts import OUTSIDE, Delay, Layout
from ..sampling.logits import draw
from ..spec import LatentSpec
from .base import FrameRange, Generator, GeneratorConfig, Sampled
from .decoding import Decoder, write
from .draft import Draft
from .windows import Window, plan_windows

__all__ = ["Autoregressive", "AutoregressiveConfig", "AutoregressiveOptions"]

Prepared = dict[str, dict[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class AutoregressiveConfig(GeneratorConfig):
    """What an `Autoregressive` is built from; its `latent` is discrete."""

    layout: Layout = field(default_factory=Delay)
    """The order in which codes are written."""
    network: TransformerConfig = field(default_factory=TransformerConfig)
    """The transformer."""
    conditioners: dict[str, ConditionerConfig] = field(default_factory=dict)
    """What steers it, by name."""
    prefix: tuple[str, ...] = ()
    """Conditions that stand before the sequence; the others are cross-attended, but for those that
    vary by frame."""
    condition_dropout: float = 0.3
    """Share of training items whose conditions are all dropped: the other branch of guidance."""
    window_frames: int = 1500
    """Frames of a training excerpt, and so of a window when longer music is drawn."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.prefix) - set(self.conditioners))
        if unknown:
            raise ValueError(
                f"prefix names {unknown[0]!r}; the conditioners are {sorted(self.conditioners)}"
            )
        framed = {name for name, c in self.conditioners.items() if isinstance(c, FramesConfig)}
        if framed & set(self.prefix):
            raise ValueError(
                f"condition {min(framed & set(self.prefix))!r} varies by frame and is added to the "
                "steps: take it out of the prefix"
            )
        crossed = sorted(set(self.conditioners) - set(self.prefix) - framed)
        if self.network.cross_attention != bool(crossed):
            raise ValueError(
                "cross-attention and conditions outside of the prefix go together, got "
                f"network.cross_attention={self.network.cross_attention} and {crossed}"
            )
        if not 0 <= self.condition_dropout <= 1:
            raise ValueError(f"condition_dropout is a share, got {self.condition_dropout}")
        if self.window_frames < 1:
            raise ValueError(f"window_frames must be 1 or more, got {self.window_frames}")

    def fitted(self, latent: LatentSpec, crop_frames: int) -> Self:
        conditioners = {name: c.fitted(latent) for name, c in self.conditioners.items()}
        return replace(self, latent=latent, window_frames=crop_frames, conditioners=conditioners)

    def learned(self, raw: Mapping[str, Sequence[Any]]) -> Self:
        conditioners = {
            name: c.learned(raw[name]) if name in raw else c
            for name, c in self.conditioners.items()
        }
        return replace(self, conditioners=conditioners)


@dataclass(frozen=True, kw_only=True)
class AutoregressiveOptions:
    """How `Autoregressive.sample` draws; the defaults are MusicGen's."""

    temperature: float = 1.0
    """Divides the logits; 0 takes the most probable code."""
    top_k: int | None = 250
    """Draw among this many codes; None = all."""
    top_p: float | None = None
    """Draw among the most probable codes that together reach this probability."""
    window_seconds: float | None = None
    """Length of a window; None = that of training."""
    overlap_seconds: float | None = None
    """How much of a window is read again by the next; None = two fifths (MusicGen: 12 of 30 s)."""
    two_pass: bool = False
    """Run the two branches of guidance one after the other: slower, less memory."""


class Autoregressive(Generator):
    """A transformer language model over codes `(B, K, F)`.

    What can be known of a drawing is the beginning of each code row: a prompt (the first frames
    of all rows), whole coarse rows, or a different length in each row. A code that follows an
    unknown one of its row is refused: the model writes in order, and could not lead up to it.
    """

    config_class = AutoregressiveConfig
    supports = frozenset({"known", "stop"})
    options_class = AutoregressiveOptions
    config: AutoregressiveConfig
    special: Tensor
    offsets: Tensor

    def __init__(self, config: AutoregressiveConfig) -> None:
        super().__init__(config)
        if config.latent is None or config.latent.kind != "discrete":
            found = "none" if config.latent is None else config.latent.describe()
            raise ValueError(f"a language model needs a discrete latent spec, got {found}")
        self.latent = config.latent
        vocab, dim = self.latent.vocab, config.network.dim
        with torch.device("cpu"):  # values, also where the model is only counted
            config.layout.steps(len(vocab), 1)  # refuses settings that do not fit the rows
        self.frames = FrameRange()
        self.transform = LatentTransform(self.latent.dim)
        built = {name: c.build(dim) for name, c in config.conditioners.items()}
        for name, conditioner in built.items():
            if isinstance(conditioner, FramesConditioner):
                if conditioner.frame_rate != self.latent.frame_rate:
                    raise ValueError(
                        f"condition {name!r} has {conditioner.frame_rate:g} frames per second, the "
                        f"codes have {self.latent.frame_rate}: leave its frame_rate open"
                    )
            elif conditioner.kind == "frames":
                raise ValueError(
                    f"condition {name!r} varies by frame, but {type(conditioner).__name__} is no "
                    "FramesConditioner"
                )
        self.conditioners = cast(Mapping[str, Conditioner], nn.ModuleDict(built))
        # each row's table and head are slices of one: the last entry of a table is special
        self.embedding = nn.Embedding(sum(vocab) + len(vocab), dim)
        self.network = Transformer(config.network)
        self.heads = nn.Linear(dim, sum(vocab), bias=False)
        for weight in (self.embedding.weight, self.heads.weight):
            nn.init.trunc_normal_(weight, std=dim**-0.5, a=-3 * dim**-0.5, b=3 * dim**-0.5)
        sizes = torch.tensor(vocab)
        self.register_buffer("special", sizes, persistent=False)
        self.register_buffer("offsets", (sizes + 1).cumsum(0) - sizes - 1, persistent=False)

    # Training

    def forward(
        self, batch: dict[str, Any], *, rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        return self.loss(batch, rng=rng)

    def loss(
        self, batch: dict[str, Any], *, rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Cross-entropy in nats: the mean over rows of the mean over a row's valid codes.

        Args:
            batch: `codes (B, K, F)`, optionally `lengths (B,)` and prepared `conditions`; those
                left out are missing.
            rng: decides which items lose their conditions; only in training mode.

        Returns:
            `loss`, and `ce/0`, `ce/1`, ... by row.
        """
        codes = batch["codes"]
        conditions = self._complete(batch.get("conditions"), codes.shape[0])
        share = self.config.condition_dropout
        if self.training and share > 0:
            like = torch.empty(codes.shape[0], device=codes.device)
            chance = (
                torch.rand_like(like)
                if rng is None
                else torch.rand(like.shape, generator=rng, device=rng.device)
            )
            gone = chance.to(codes.device) < share
            conditions = {k: self.conditioners[k].drop(v, gone) for k, v in conditions.items()}
        steps = self._steps(codes, batch.get("lengths"))
        logits = self._logits(codes, conditions, steps)
        targets = codes.masked_fill(steps == OUTSIDE, -100)
        parts = [
            F.cross_entropy(logits[:, q].flatten(0, 1).float(), targets[:, q].flatten())
            for q in range(codes.shape[1])
        ]
        rows = {f"ce/{q}": part.detach() for q, part in enumerate(parts)}
        return {"loss": torch.stack(parts).mean(), **rows}

    def logits(
        self, codes: Tensor, conditions: Prepared | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        """What the model expects at every code, having seen those that come before it.

        Args:
            codes: int64 `(B, K, F)`.
            conditions: prepared; those left out are missing.
            lengths: int `(B,)`, valid frames.

        Returns:
            `(B, K, F, V)`, NaN past the end of an item. Rows with a smaller vocabulary are filled
            up with -inf.
        """
        complete = self._complete(conditions, codes.shape[0])
        return self._logits(codes, complete, self._steps(codes, lengths))

    def _steps(self, codes: Tensor, lengths: Tensor | None) -> Tensor:
        batch, rows, frames = codes.shape
        if lengths is None:
            lengths = torch.full((batch,), frames)
        return layouts.batch_steps(self.config.layout, rows, lengths.to(codes.device), frames)

    def _logits(self, codes: Tensor, conditions: Prepared, steps: Tensor) -> Tensor:
        sequence = layouts.build(codes, steps, self.special)
        # the last step has nothing to predict
        context = self.context(conditions, codes.shape[2])
        context = context._replace(writes=layouts.latest_frames(steps)[:, 1:])
        hidden = self.network(self._embed(sequence[:, :, :-1]), context)
        return layouts.revert_logits(self._by_row(self.heads(hidden)), steps).values

    def context(self, conditions: Prepared, num_frames: int) -> Context:
        """Embed prepared conditions, all of them: a prefix, a memory, and `num_frames` frames."""
        prefix: list[Span] = []
        memory: list[Span] = []
        frames: list[Tensor] = []
        for name, conditioner in self.conditioners.items():
            if isinstance(conditioner, FramesConditioner):
                spread = conditioner.spread(conditions[name], num_frames)
                frames.append(conditioner(spread).value.transpose(1, 2))
                continue
            where = prefix if name in self.config.prefix else memory
            where.append(_span(conditioner.kind, conditioner(conditions[name])))
        added = torch.stack(frames).sum(0) if frames else None
        return Context(join(prefix), join(memory), added)

    # One step at a time (`decoding.StepModel`)

    def start(
        self, tokens: Tensor, context: Context, capacity: int
    ) -> tuple[Tensor, TransformerState]:
        """Read `(B, K, S)`; return logits `(B, K, V)` of the next step, and caches."""
        hidden, state = self.network.start(self._embed(tokens), context, capacity)
        return self._by_row(self.heads(hidden[:, -1:]))[:, :, 0], state

    def step(self, tokens: Tensor, state: TransformerState) -> Tensor:
        """Read one more step `(B, K)`; return logits `(B, K, V)` of the next."""
        hidden = self.network.step(self._embed(tokens[:, :, None])[:, 0], state)
        return self._by_row(skinny_linear(hidden, self.heads.weight)[:, None])[:, :, 0]

    # Sampling

    def sample(
        self,
        num_frames: int,
        conditions: Mapping[str, Sequence[Any]] | None = None,
        *,
        batch: int = 1,
        lengths: Tensor | None = None,
        guidance: float = 1.0,
        negative: Mapping[str, Sequence[Any]] | None = None,
        known: Tensor | None = None,
        keep: Tensor | None = None,
        init: Tensor | None = None,
        strength: float = 1.0,
        noise: Tensor | None = None,
        stop: Callable[[Tensor], Tensor] | None = None,
        rng: torch.Generator | None = None,
        on_step: Callable[[int, int], None] | None = None,
        options: AutoregressiveOptions | None = None,
    ) -> Sampled:
        """Draw codes `(B, K, F)`; see `Generator.sample`.

        Args:
            known: codes `(B, K, P)`, P of at most `num_frames`; `keep` says which of them stay,
                by default all. Each row may keep its beginning only.
            stop: called with the codes `(B, K, f)` so far each time a frame is complete; bool
                `(B,)`, True ends that item there. Only for layouts that write frame by frame.

        Frames past the end of an item hold code 0.
        """
        self.refuse_unsupported(init=init, noise=noise)
        if strength != 1.0:
            raise ValueError(f"strength is for variations of `init`, got {strength}")
        options = options or AutoregressiveOptions()
        self.frames.check(num_frames)
        if stop is not None and not self.config.layout.streams:
            name = type(self.config.layout).__name__
            raise ValueError(f"`stop` needs a layout that writes frame by frame, not {name}")
        if negative is not None and guidance == 1.0:
            raise ValueError("negative conditions act through guidance: give one other than 1")
        draft = Draft(
            self.latent,
            num_frames,
            batch,
            lengths=lengths,
            known=known,
            keep=keep,
            device=self.special.device,
        )
        choose = partial(
            draw, temperature=options.temperature, k=options.top_k, p=options.top_p, rng=rng
        )
        training = self.training
        self.eval()
        branches = [conditions] if guidance == 1.0 else [conditions, negative]
        windows, layout = self._windows(num_frames, options), self.config.layout
        try:
            # a step is hundreds of small operations: a quarter of their cost is bookkeeping for
            # gradients and views, which inference mode leaves out
            with torch.inference_mode():
                contexts = [
                    self.context(self._complete(self.prepare(branch, batch), batch), num_frames)
                    for branch in branches
                ]
                decoder = Decoder(self, contexts, scale=guidance, two_pass=options.two_pass)
                write(draft, windows, layout, decoder, choose, stop=stop, on_step=on_step)
        finally:
            self.train(training)
        return Sampled(draft.finish(), draft.ends.clone())

    def _windows(self, num_frames: int, options: AutoregressiveOptions) -> list[Window]:
        size = self._frames(options.window_seconds, self.config.window_frames)
        overlap = self._frames(options.overlap_seconds, size * 2 // 5)
        if size < 1 or not 0 <= overlap < size:
            raise ValueError(
                f"windows of {size} frames that share {overlap} do not advance; "
                "window_seconds must be positive and larger than overlap_seconds"
            )
        return plan_windows(num_frames, size, overlap)

    def _frames(self, seconds: float | None, default: int) -> int:
        if seconds is None:
            return default
        if self.latent.frame_rate is None:
            raise ValueError("these codes have no frame rate: windows cannot be given in seconds")
        return round(seconds * self.latent.frame_rate)

    # Tokens in, logits out

    def _complete(self, conditions: Prepared | None, batch: int) -> Prepared:
        """All conditions on the model's device, those left out as missing."""
        conditions = conditions or {}
        device = self.special.device
        complete = {}
        for name, conditioner in self.conditioners.items():
            prepared = conditions.get(name)
            if prepared is None:
                prepared = conditioner.prepare([None] * batch)
            complete[name] = {key: value.to(device) for key, value in prepared.items()}
        return complete

    def _embed(self, tokens: Tensor) -> Tensor:
        """`(B, K, S)` to `(B, S, D)`."""
        return self.embedding(tokens + self.offsets[:, None]).sum(1)

    def _by_row(self, flat: Tensor) -> Tensor:
        """`(B, S, sum of V)` to `(B, K, S, largest V)`."""
        vocab = self.latent.vocab
        largest = max(vocab)
        if min(vocab) == largest:
            return flat.unflatten(2, (len(vocab), largest)).transpose(1, 2)
        rows = flat.split(list(vocab), dim=2)
        padded = [F.pad(row, (0, largest - row.shape[2]), value=float("-inf")) for row in rows]
        return torch.stack(padded, dim=1)


def _span(kind: str, condition: Condition) -> Span:
    value, mask = condition
    if kind == "vector":
        return Span(value[:, None])
    # position 0 holds the null where nothing is present
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    return Span(value, mask | (~mask.any(1, keepdim=True) & first))
