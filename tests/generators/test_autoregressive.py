"""The autoregressive generator: contract, causality, caches, guidance, prompts, windows, loss."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from latentone.conditioning import ByteTextConfig, LabelConfig, NumberConfig
from latentone.config import from_dict, to_dict
from latentone.generators import Autoregressive, AutoregressiveConfig, AutoregressiveOptions
from latentone.generators.base import GeneratorConfig
from latentone.networks.transformer import TransformerConfig
from latentone.sampling import layouts
from latentone.sampling.layouts import (
    CoarseFirst,
    Delay,
    Flattened,
    Grouped,
    Layout,
    Parallel,
)
from latentone.spec import LatentSpec
from latentone.testing import verify_generator

SPEC = LatentSpec(
    kind="discrete", shape=(4,), vocab=(16,) * 4, frame_rate=10.0, fingerprint="f" * 64
)
GREEDY = AutoregressiveOptions(temperature=0)
CONDITIONS: dict[str, list[Any]] = {
    "text": ["slow piano", "fast drums and a bass", None],
    "labels": [{"genre": "techno"}, None, {"genre": "ambient"}],
    "tempo": [None, 120, 90],
}
LAYOUTS: list[Layout] = [Parallel(), Delay(), Flattened(), CoarseFirst(), Grouped()]


def build(layout: Layout | None = None, *, conditions: bool = True, seed: int = 0, **changes: Any):
    """A tiny model with spread-out weights, so that greedy codes vary."""
    config = AutoregressiveConfig(
        latent=SPEC,
        layout=layout or Delay(),
        network=TransformerConfig(
            dim=32, num_layers=2, num_heads=4, ffn_dim=64, cross_attention=conditions
        ),
        conditioners={
            "text": ByteTextConfig(dim=16, num_layers=1, num_heads=2),
            "labels": LabelConfig(fields={"genre": ("ambient", "techno")}),
            "tempo": NumberConfig(low=40, high=240),
        }
        if conditions
        else {},
        prefix=("labels", "tempo") if conditions else (),
        window_frames=40,
    )
    torch.manual_seed(seed)
    model = Autoregressive(replace(config, **changes))
    with torch.no_grad():
        model.embedding.weight.normal_()
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2 and not name.startswith("embedding"):
                parameter.mul_(2)
            if "null" in name:
                parameter.normal_()
    return model.eval()


def codes_of(model: Autoregressive, frames: int, batch: int = 1, seed: int = 1) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    rows = [torch.randint(0, v, (batch, 1, frames), generator=rng) for v in model.latent.vocab]
    return torch.cat(rows, dim=1)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda x: type(x).__name__)
def test_contract(layout: Layout) -> None:
    verify_generator(build(layout), CONDITIONS, num_frames=9, greedy=GREEDY)


def test_contract_without_conditions() -> None:
    verify_generator(build(conditions=False), {}, num_frames=9, greedy=GREEDY)


def test_contract_with_rows_of_different_size() -> None:
    spec = replace(SPEC, shape=(3,), vocab=(16, 5, 9))
    verify_generator(build(latent=spec), CONDITIONS, num_frames=9, greedy=GREEDY)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda x: type(x).__name__)
def test_no_code_reaches_its_own_or_earlier_steps(layout: Layout) -> None:
    model = build(layout)
    codes = codes_of(model, 6)
    steps = layout.steps(4, 6)
    before = model.logits(codes)
    for row, frame in ((0, 0), (1, 2), (3, 3), (2, 5)):
        changed = codes.clone()
        changed[0, row, frame] = (changed[0, row, frame] + 1) % 16
        differs = (model.logits(changed) != before).any(-1)[0]
        later = steps > steps[row, frame]
        assert not differs[~later].any()
        assert later.sum() == 0 or differs[later].any()


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda x: type(x).__name__)
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_cache_equals_no_cache(layout: Layout, guidance: float) -> None:
    model = build(layout)
    lengths = torch.tensor([11, 11, 7])
    drawn = model.sample(
        11, CONDITIONS, batch=3, lengths=lengths, guidance=guidance, options=GREEDY
    ).latents
    assert len(drawn.unique()) > 5
    # teacher forcing reads everything at once and must choose the same codes
    full = model.logits(drawn, model.prepare(CONDITIONS, 3), lengths)
    free = model.logits(drawn, None, lengths)
    chosen = (free + guidance * (full - free)).argmax(-1)
    for item, length in enumerate(lengths.tolist()):
        assert torch.equal(chosen[item, :, :length], drawn[item, :, :length])


def test_steps_equal_the_whole_to_rounding() -> None:
    model = build()
    sequence = layouts.build(codes_of(model, 12, 3), Delay().steps(4, 12), model.special)
    context = model.context(model.prepare(CONDITIONS, 3), 11)
    assert context.prefix is not None and context.memory is not None
    assert context.memory.mask is not None, "texts of different length are padded"
    with torch.no_grad():
        whole = model._by_row(model.heads(model.network(model._embed(sequence), context)))
        logits, state = model.start(sequence[:, :, :5], context, sequence.shape[2])
        torch.testing.assert_close(logits, whole[:, :, 4], atol=1e-5, rtol=1e-5)
        for step in range(5, sequence.shape[2]):
            logits = model.step(sequence[:, :, step], state)
            torch.testing.assert_close(logits, whole[:, :, step], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_one_pass_equals_two(batch: int) -> None:
    model = build()
    conditions = {name: (2 * values)[:batch] for name, values in CONDITIONS.items()}
    negative = {"text": ["noise and hiss"] * batch}
    for options in (GREEDY, AutoregressiveOptions(top_k=8)):
        one, two = (
            model.sample(
                14,
                conditions,
                batch=batch,
                guidance=3.0,
                negative=negative,
                rng=torch.Generator().manual_seed(4),
                options=replace(options, two_pass=two_pass),
            ).latents
            for two_pass in (False, True)
        )
        assert torch.equal(one, two)


def test_guidance_is_the_combination_of_branches() -> None:
    model = build()
    c = {name: values[:1] for name, values in CONDITIONS.items()}
    strong = model.sample(14, c, guidance=3.0, options=GREEDY).latents
    assert not torch.equal(strong, model.sample(14, c, options=GREEDY).latents)
    # scale 0 leaves the other branch alone: nothing, or the negative conditions
    nothing = model.sample(14, options=GREEDY).latents
    assert torch.equal(model.sample(14, c, guidance=0.0, options=GREEDY).latents, nothing)
    other = {"text": ["noise and hiss"]}
    away = model.sample(14, c, guidance=0.0, negative=other, options=GREEDY).latents
    assert torch.equal(away, model.sample(14, other, options=GREEDY).latents)
    assert not torch.equal(away, nothing)


def test_dropped_conditions_are_the_unconditional_branch() -> None:
    model = build()
    codes = codes_of(model, 8, 3)
    prepared = model.prepare(CONDITIONS, 3)
    every = torch.ones(3, dtype=torch.bool)
    dropped = {name: model.conditioners[name].drop(p, every) for name, p in prepared.items()}
    expected = model.logits(codes)
    torch.testing.assert_close(model.logits(codes, dropped), expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(model.logits(codes, prepared), expected, atol=1e-2)


def test_dropout_drops_whole_items_at_its_share() -> None:
    model = build(condition_dropout=1.0).train()
    batch = {"codes": codes_of(model, 8, 3), "conditions": model.prepare(CONDITIONS, 3)}
    nothing = model.eval().loss({"codes": batch["codes"]})["loss"]
    with_all = model.loss(batch)["loss"]
    assert not torch.allclose(with_all, nothing)
    torch.testing.assert_close(model.train().loss(batch)["loss"], nothing)
    half = build(condition_dropout=0.5).train()
    losses = [
        half.loss(batch, rng=torch.Generator().manual_seed(seed))["loss"].item()
        for seed in (0, 0, 1, 2, 3)
    ]
    assert losses[0] == losses[1]
    assert len(set(losses)) > 2


# Loss


def test_loss_by_hand() -> None:
    model = build(conditions=False)
    with torch.no_grad():
        model.heads.weight.zero_()
    codes = codes_of(model, 5, 2)
    # heads that say nothing leave every code at 1 / 16
    assert model.loss({"codes": codes})["loss"].item() == pytest.approx(math.log(16), abs=1e-6)

    model = build(Parallel(), conditions=False)
    logits = model.logits(codes)
    lengths = torch.tensor([5, 2])
    by_row = []
    for row in range(4):
        parts = [
            -logits[b, row, t].log_softmax(-1)[codes[b, row, t]]
            for b in range(2)
            for t in range(int(lengths[b]))
        ]
        by_row.append(torch.stack(parts).mean())
    got = model.loss({"codes": codes, "lengths": lengths})
    torch.testing.assert_close(got["loss"], torch.stack(by_row).mean())
    for row in range(4):
        torch.testing.assert_close(got[f"ce/{row}"], by_row[row])


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda x: type(x).__name__)
def test_loss_does_not_see_past_the_end(layout: Layout) -> None:
    model = build(layout)
    codes, lengths = codes_of(model, 9, 2), torch.tensor([9, 4])
    expected = model.loss({"codes": codes, "lengths": lengths})["loss"]
    codes[1, :, 4:] = 0
    torch.testing.assert_close(model.loss({"codes": codes, "lengths": lengths})["loss"], expected)
    alone = [model.loss({"codes": codes[b : b + 1, :, :n]})["loss"] for b, n in ((0, 9), (1, 4))]
    weighted = (9 * alone[0] + 4 * alone[1]) / 13
    torch.testing.assert_close(weighted, expected, atol=1e-5, rtol=1e-5)


def test_learns_a_sequence_by_heart() -> None:
    model = build(conditions=False, seed=3).train()
    codes = codes_of(model, 12)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        model.loss({"codes": codes})["loss"].backward()
        optimizer.step()
    assert torch.equal(model.sample(12, options=GREEDY).latents, codes)


# Prompts


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda x: type(x).__name__)
@pytest.mark.parametrize("prompt", [0, 1, 3, 4, 9, 10])
def test_prompts_stay_bit_identical_and_lead(layout: Layout, prompt: int) -> None:
    model = build(layout)
    free = model.sample(10, options=GREEDY).latents
    # continuing the model's own beginning gives the rest of it
    again = model.sample(10, known=free[:, :, :prompt], options=GREEDY).latents
    assert torch.equal(again, free)
    other = codes_of(model, prompt, seed=8)
    continued = model.sample(10, known=other, options=GREEDY).latents
    assert torch.equal(continued[:, :, :prompt], other)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda x: type(x).__name__)
def test_coarse_rows_can_be_kept(layout: Layout) -> None:
    model = build(layout)
    known = codes_of(model, 10, 2)
    keep = torch.zeros(1, 4, 10, dtype=torch.bool)
    keep[:, 0] = True
    keep[:, 1, :3] = True
    drawn = model.sample(10, batch=2, known=known, keep=keep, options=GREEDY).latents
    assert torch.equal(drawn[keep.expand_as(known)], known[keep.expand_as(known)])
    # the codes that were drawn are those that the model expects after those that were given
    expected = model.logits(drawn).argmax(-1)
    drew = ~keep.expand_as(known)
    assert torch.equal(drawn[drew], expected[drew])


def test_prompts_may_differ_in_length() -> None:
    model = build()
    known = codes_of(model, 10, 2)
    keep = torch.arange(10) < torch.tensor([3, 7])[:, None, None]
    both = model.sample(10, batch=2, known=known, keep=keep, options=GREEDY).latents
    for item, prompt in enumerate((3, 7)):
        alone = model.sample(10, known=known[item : item + 1, :, :prompt], options=GREEDY).latents
        assert torch.equal(both[item : item + 1], alone)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keep": torch.tensor([True, False, True, False, False, False])}, "writes in order"),
        ({"known": torch.full((1, 4, 6), 16)}, r"from 0 to below \(16"),
        ({"known": torch.zeros(1, 3, 6, dtype=torch.int64)}, r"must be \(1, 4, up to 6\)"),
        ({"known": torch.zeros(1, 4, 7, dtype=torch.int64)}, "up to 6"),
        ({"known": torch.zeros(1, 4, 6)}, "must be integers"),
        ({"keep": torch.ones(6)}, "keep must be bool"),
        ({"keep": torch.ones(5, dtype=torch.bool)}, "cannot be spread"),
        ({"known": None, "keep": torch.ones(6, dtype=torch.bool)}, "no `known` came"),
        ({"lengths": torch.tensor([7])}, "from 1 to 6"),
        ({"lengths": torch.tensor([2, 2])}, "each of 1 items"),
        ({"init": torch.zeros(1, 4, 6)}, "does not support `init`"),
        ({"strength": 0.5}, "strength"),
        ({"negative": {"text": ["noise"]}}, "guidance"),
        ({"options": AutoregressiveOptions(window_seconds=1, overlap_seconds=1)}, "do not advance"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    model = build()
    settings: dict[str, Any] = {"known": codes_of(model, 6), **change}
    with pytest.raises(ValueError, match=message):
        model.sample(6, **settings)


# Windows


def test_windows_are_prompted_with_the_end_of_the_last() -> None:
    model = build()
    options = replace(GREEDY, window_seconds=1.2, overlap_seconds=0.5)
    prompt = codes_of(model, 3)
    condition = {"text": ["slow piano"]}
    drawn = model.sample(30, condition, known=prompt, guidance=2.0, options=options).latents
    whole = model.sample(12, condition, known=prompt, guidance=2.0, options=GREEDY).latents
    for stop in (19, 26, 30):
        tail = whole[:, :, -5:]
        frames = 5 + stop - whole.shape[2]
        piece = model.sample(frames, condition, known=tail, guidance=2.0, options=GREEDY).latents
        whole = torch.cat([whole, piece[:, :, 5:]], dim=2)
    assert torch.equal(drawn, whole)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda x: type(x).__name__)
def test_windows_over_batches_prompts_and_kept_rows(layout: Layout) -> None:
    model = build(layout, window_frames=10)
    known = codes_of(model, 28, 2)
    keep = (torch.arange(28) < 13).expand(1, 4, 28).clone()
    keep[:, 0] = True
    lengths = torch.tensor([28, 17])
    steps: list[tuple[int, int]] = []
    both = model.sample(
        28,
        batch=2,
        known=known,
        keep=keep,
        lengths=lengths,
        options=GREEDY,
        on_step=lambda *now: steps.append(now),
    ).latents
    assert [done for done, _ in steps] == list(range(1, steps[0][1] + 1))
    kept = keep.expand_as(known)
    assert torch.equal(both[kept], known[kept])
    assert not both[1, 1:, 17:].any(), "past the end of an item stands code 0"
    for item, length in enumerate(lengths.tolist()):
        alone = model.sample(
            length,
            known=known[item : item + 1, :, :length],
            keep=keep[:, :, :length],
            options=GREEDY,
        ).latents
        assert torch.equal(both[item : item + 1, :, :length], alone)


def test_default_window_is_that_of_training() -> None:
    model = build(window_frames=10)
    options = replace(GREEDY, window_seconds=1.0, overlap_seconds=0.4)
    expected = model.sample(27, options=options).latents
    steps: list[int] = []
    drawn = model.sample(
        27, options=GREEDY, on_step=lambda done, total: steps.append(total)
    ).latents
    assert torch.equal(drawn, expected)
    # fresh frames of each window, and the lag of the last row: what is read again costs no step
    assert steps == [(10 + 3) + (6 + 3) + (6 + 3) + (5 + 3)] * 39


def test_untimed_codes_have_no_seconds() -> None:
    model = build(latent=replace(SPEC, frame_rate=None), window_frames=8)
    assert model.sample(20, options=GREEDY).latents.shape == (1, 4, 20)
    with pytest.raises(ValueError, match="no frame rate"):
        model.sample(20, options=replace(GREEDY, window_seconds=1.0))


# Stopping


def test_stop_ends_items_where_it_says() -> None:
    model = build(window_frames=10)
    free = model.sample(25, CONDITIONS, batch=3, options=GREEDY).latents
    ends = torch.tensor([6, 14, 40])
    seen: list[int] = []

    def stop(codes: Tensor) -> Tensor:
        frames = codes.shape[2]
        seen.append(frames)
        alive = frames <= ends
        assert torch.equal(codes[alive], free[alive][:, :, :frames])
        return frames >= ends

    codes, lengths = model.sample(25, CONDITIONS, batch=3, stop=stop, options=GREEDY)
    assert lengths.tolist() == [6, 14, 25]
    assert seen == list(range(1, 26))
    for item, length in enumerate(lengths.tolist()):
        assert torch.equal(codes[item, :, :length], free[item, :, :length])
        assert not codes[item, :, length:].any()


def test_stop_of_all_items_saves_the_rest() -> None:
    model = build()
    steps: list[int] = []
    result = model.sample(
        30,
        stop=lambda codes: torch.tensor([codes.shape[2] >= 5]),
        on_step=lambda done, total: steps.append(done),
        options=GREEDY,
    )
    assert result.lengths.tolist() == [5]
    assert len(steps) == 5 + 3, "five frames, and the lag of the last row"
    with pytest.raises(ValueError, match="writes frame by frame, not CoarseFirst"):
        build(CoarseFirst()).sample(5, stop=lambda codes: torch.tensor([True]))


# Chance, config


def test_top_k_of_one_is_greedy() -> None:
    model = build()
    expected = model.sample(10, options=GREEDY).latents
    drawn = model.sample(10, options=AutoregressiveOptions(top_k=1)).latents
    assert torch.equal(drawn, expected)


def test_configs_survive_json_and_are_checked() -> None:
    config = build(CoarseFirst(delays=(0, 1, 2))).config
    assert from_dict(GeneratorConfig, to_dict(config)) == config
    with pytest.raises(ValueError, match="go together"):
        replace(config, prefix=("text", "labels", "tempo"))
    with pytest.raises(ValueError, match="prefix names 'melody'"):
        replace(config, prefix=("melody",))
    with pytest.raises(ValueError, match="needs a discrete latent spec, got none"):
        Autoregressive(replace(config, latent=None))
    with pytest.raises(ValueError, match="needs a discrete latent spec, got 8 channels"):
        continuous = LatentSpec(kind="continuous", shape=(8,), frame_rate=10.0, fingerprint="c")
        Autoregressive(replace(config, latent=continuous))
    with pytest.raises(ValueError, match="delays needs 4 values"):
        Autoregressive(replace(config, layout=Delay(delays=(0, 1))))
