"""Conditions that vary by frame: where they reach, caches, windows, guidance, and real use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from latentone.conditioning import ByteTextConfig, ChromaConfig, LabelConfig, OnsetConfig
from latentone.generators import Autoregressive, AutoregressiveConfig, AutoregressiveOptions
from latentone.networks.transformer import TransformerConfig
from latentone.sampling import layouts
from latentone.sampling.layouts import CoarseFirst, Delay, Flattened, Grouped, Layout, Parallel
from latentone.spec import LatentSpec
from latentone.testing import verify_generator

SPEC = LatentSpec(
    kind="discrete", shape=(3,), vocab=(12,) * 3, frame_rate=10.0, fingerprint="f" * 64
)
GREEDY = AutoregressiveOptions(temperature=0)
LAYOUTS: list[Layout] = [Parallel(), Delay(), Flattened(), CoarseFirst(), Grouped()]
EACH = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda x: type(x).__name__)


def noise(rows: int, frames: int, seed: int) -> Tensor:
    return torch.rand(rows, frames, generator=torch.Generator().manual_seed(seed))


def conditions(frames: int) -> dict[str, list[Any]]:
    """Maps as long as the music, shorter, longer and missing."""
    return {
        "chroma": [noise(12, frames, 1), noise(12, frames - 2, 2), None],
        "onset": [noise(1, frames + 3, 3), None, noise(1, frames, 4)],
    }


def build(layout: Layout, **changes: Any) -> Autoregressive:
    """A tiny model with spread-out weights, so that greedy codes vary."""
    config = AutoregressiveConfig(
        layout=layout,
        network=TransformerConfig(
            dim=32, num_layers=2, num_heads=4, ffn_dim=64, cross_attention=False
        ),
        conditioners={"chroma": ChromaConfig(), "onset": OnsetConfig()},
    )
    torch.manual_seed(0)
    model = Autoregressive(replace(config, **changes).fitted(SPEC, changes.get("window", 40)))
    with torch.no_grad():
        model.embedding.weight.normal_()
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2 and not name.startswith("embedding"):
                parameter.mul_(2)
            if "null" in name:
                parameter.normal_()
    return model.eval()


@EACH
def test_contract(layout: Layout) -> None:
    verify_generator(build(layout), conditions(9), num_frames=9, greedy=GREEDY)


def test_contract_beside_other_conditions() -> None:
    network = TransformerConfig(dim=32, num_layers=2, num_heads=4, ffn_dim=64)
    model = build(
        Delay(),
        network=network,
        conditioners={
            "chroma": ChromaConfig(),
            "genre": LabelConfig(fields={"genre": ("ambient", "techno")}),
            "text": ByteTextConfig(dim=16, num_layers=1, num_heads=2),
        },
        prefix=("genre",),
    )
    given = {
        "chroma": conditions(9)["chroma"],
        "genre": ["techno", "ambient", None],
        "text": [None, "slow", "fast drums"],
    }
    verify_generator(model, given, num_frames=9, greedy=GREEDY)


@EACH
def test_a_step_writes_the_latest_of_its_frames(layout: Layout) -> None:
    steps = layout.steps(3, 5)[None]
    latest = layouts.latest_frames(steps)[0]
    assert latest.shape == (layouts.num_steps(steps),) and latest[0] == 0
    for step in range(1, len(latest)):
        frames = [t for q in range(3) for t in range(5) if steps[0, q, t] == step]
        assert latest[step] == max(frames)


@EACH
def test_a_frame_of_a_map_reaches_the_codes_of_that_frame_and_later_ones(layout: Layout) -> None:
    model = build(layout)
    codes = torch.randint(12, (1, 3, 6), generator=torch.Generator().manual_seed(0))
    given = noise(12, 6, 1)
    steps = layout.steps(3, 6)
    latest = layouts.latest_frames(steps[None])[0]
    before = model.logits(codes, model.prepare({"chroma": [given]}, 1))
    for frame in range(6):
        changed = given.clone()
        changed[:, frame] += 1
        after = model.logits(codes, model.prepare({"chroma": [changed]}, 1))
        differs = (after != before).any(-1)[0]
        first = int((latest == frame).nonzero()[1 if frame == 0 else 0])
        assert not differs[steps < first].any()
        assert differs[steps == first].all()
        if isinstance(layout, Parallel | Flattened):
            assert not differs[:, :frame].any() and differs[:, frame].all()


@EACH
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_cache_equals_no_cache(layout: Layout, guidance: float) -> None:
    model = build(layout)
    lengths, given = torch.tensor([11, 11, 7]), conditions(11)
    drawn = model.sample(
        11, given, batch=3, lengths=lengths, guidance=guidance, options=GREEDY
    ).latents
    assert len(drawn.unique()) > 5
    full = model.logits(drawn, model.prepare(given, 3), lengths)
    free = model.logits(drawn, None, lengths)
    chosen = (free + guidance * (full - free)).argmax(-1)
    for item, length in enumerate(lengths.tolist()):
        assert torch.equal(chosen[item, :, :length], drawn[item, :, :length])


def test_one_pass_equals_two() -> None:
    model, given = build(Flattened()), conditions(9)
    negative = {"chroma": [noise(12, 9, 7)] * 3}
    settings: dict[str, Any] = {"batch": 3, "guidance": 2.0, "negative": negative}
    one = model.sample(9, given, options=GREEDY, **settings).latents
    two = model.sample(9, given, options=replace(GREEDY, two_pass=True), **settings).latents
    assert torch.equal(one, two)


@EACH
def test_later_windows_read_their_own_part_of_the_map(layout: Layout) -> None:
    """Every window alone, told its own frames and the codes before, writes the same."""
    model = build(layout)
    given = noise(12, 20, 1)
    options = replace(GREEDY, window_seconds=0.8, overlap_seconds=0.2)
    whole = model.sample(20, {"chroma": [given]}, options=options).latents
    for start in (6, 12):
        part = model.sample(
            8,
            {"chroma": [given[:, start : start + 8]]},
            known=whole[:, :, start : start + 2],
            options=GREEDY,
        ).latents
        assert torch.equal(part, whole[:, :, start : start + 8])
    other = model.sample(20, {"chroma": [given.roll(6, 1)]}, options=options).latents
    assert not torch.equal(other[:, :, 8:], whole[:, :, 8:])


def test_a_map_steers_what_follows_a_prompt() -> None:
    model = build(Flattened())
    known = torch.randint(12, (1, 3, 4), generator=torch.Generator().manual_seed(0))
    drawn = []
    for seed in (1, 2):
        given = {"chroma": [noise(12, 10, seed)]}
        drawn.append(model.sample(10, given, known=known, options=GREEDY).latents)
        assert torch.equal(drawn[-1][:, :, :4], known)
    assert not torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize("layout", [Flattened(), Delay()], ids=["flattened", "delay"])
def test_a_trained_model_follows_a_map_that_it_has_never_seen(layout: Layout) -> None:
    """Row 0 is the loudest pitch class, row 1 says whether it is an onset, row 2 is their sum."""
    rng = torch.Generator().manual_seed(0)

    def items(count: int) -> tuple[dict[str, list[Tensor]], Tensor]:
        classes = torch.randint(12, (count, 8), generator=rng)
        strokes = torch.randint(2, (count, 8), generator=rng)
        chroma = torch.nn.functional.one_hot(classes, 12).mT.float()
        maps = {"chroma": list(chroma), "onset": list(strokes[:, None].float())}
        return maps, torch.stack([classes, strokes, (classes + strokes) % 12], dim=1)

    torch.manual_seed(0)
    config = AutoregressiveConfig(
        layout=layout,
        network=TransformerConfig(
            dim=48, num_layers=2, num_heads=4, ffn_dim=96, cross_attention=False
        ),
        conditioners={"chroma": ChromaConfig(), "onset": OnsetConfig()},
        condition_dropout=0.1,
    )
    model = Autoregressive(config.fitted(SPEC, 8)).train()
    adam = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(200):
        maps, codes = items(32)
        loss = model.loss({"codes": codes, "conditions": model.prepare(maps, 32)}, rng=rng)["loss"]
        adam.zero_grad()
        loss.backward()
        for group in adam.param_groups:
            group["lr"] = 5e-3 * min(1, (200 - step) / 100)
        adam.step()
    maps, codes = items(16)
    drawn = model.sample(8, maps, batch=16, options=GREEDY).latents
    assert (drawn == codes).float().mean() > 0.95
    free = model.sample(8, batch=16, rng=rng, options=AutoregressiveOptions(top_k=None)).latents
    assert (free == codes).float().mean() < 0.5


def test_maps_of_another_rate_or_in_the_prefix_are_refused() -> None:
    with pytest.raises(ValueError, match="varies by frame and is added"):
        build(Delay(), prefix=("chroma",))
    config = build(Delay()).config
    wrong = {**config.conditioners, "chroma": ChromaConfig(frame_rate=20.0)}
    with pytest.raises(ValueError, match="has 20 frames per second, the codes have 10"):
        Autoregressive(replace(config, conditioners=wrong))


def test_a_network_wants_to_know_the_frame_of_every_step() -> None:
    model = build(Flattened())
    context = model.context(model.prepare({"chroma": [noise(12, 4, 0)]}, 1), 4)
    with pytest.raises(ValueError, match="need the frame of 12 steps, got 0"):
        model.network(torch.zeros(1, 12, 32), context)
