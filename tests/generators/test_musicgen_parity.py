"""Our generator against transformers' MusicGen, on the same random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("transformers", reason="parity needs the transformers extra")

from musicgen_peer import build_peer, peer_codes, peer_tokens, save_peer

from latentone.config import ConfigError
from latentone.generators import Autoregressive, AutoregressiveOptions
from latentone.generators.musicgen_layout import (
    is_musicgen_layout,
    load_musicgen_decoder,
    read_musicgen,
)
from latentone.networks.context import Context, Span
from latentone.sampling import layouts
from latentone.spec import LatentSpec

GREEDY = AutoregressiveOptions(temperature=0)
TEXTS = ["slow piano and a bass", "fast drums"]


@pytest.fixture(scope="module")
def peer() -> Any:
    return build_peer()


@pytest.fixture(scope="module")
def folder(peer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_peer(peer, tmp_path_factory.mktemp("musicgen"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Autoregressive:
    return load_musicgen_decoder(folder)


def test_decoder_logits_agree(peer: Any, model: Autoregressive) -> None:
    torch.manual_seed(1)
    codes = torch.randint(0, 32, (2, 4, 19))
    sequence = layouts.build(codes, model.config.layout.steps(4, 19), 32)
    memory, mask = torch.randn(2, 7, 48), torch.arange(7) < torch.tensor([[7], [4]])
    with torch.no_grad():
        theirs = peer.decoder(
            input_ids=sequence.flatten(0, 1),
            encoder_hidden_states=memory,
            encoder_attention_mask=mask.long(),
        ).logits.unflatten(0, (2, 4))
        hidden = model.network(model._embed(sequence), Context(memory=Span(memory, mask)))
        ours = model._by_row(model.heads(hidden))
    assert theirs.std() > 0.5
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_text_to_logits_agree(peer: Any, model: Autoregressive) -> None:
    torch.manual_seed(2)
    codes = torch.randint(0, 32, (2, 4, 9))
    steps = model.config.layout.steps(4, 9)
    sequence = layouts.build(codes, steps, 32)
    with torch.no_grad():
        theirs = peer(
            **peer_tokens(TEXTS), decoder_input_ids=sequence.flatten(0, 1)
        ).logits.unflatten(0, (2, 4))
        ours = model.logits(codes, model.prepare({"text": TEXTS}, 2))
    torch.testing.assert_close(ours, layouts.revert_logits(theirs, steps).values, atol=1e-4, rtol=0)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("use_cache", [True, False])
def test_greedy_codes_agree(
    peer: Any, model: Autoregressive, guidance: float, use_cache: bool
) -> None:
    scale = None if guidance == 1.0 else guidance
    inputs = {**peer_tokens(TEXTS), "guidance_scale": scale, "use_cache": use_cache}
    theirs = peer_codes(peer, 24, **inputs)
    ours = model.sample(24, {"text": TEXTS}, batch=2, guidance=guidance, options=GREEDY).latents
    assert len(theirs.unique()) > 10
    assert torch.equal(ours, theirs)


def test_prompt_continues_alike(peer: Any, model: Autoregressive) -> None:
    torch.manual_seed(3)
    prompt = torch.randint(0, 32, (2, 4, 6))
    theirs = peer_codes(
        peer,
        20,
        **peer_tokens(TEXTS),
        decoder_input_ids=prompt.flatten(0, 1),
        guidance_scale=3.0,
    )
    ours = model.sample(
        20, {"text": TEXTS}, batch=2, known=prompt, guidance=3.0, options=GREEDY
    ).latents
    assert torch.equal(ours[:, :, :6], prompt)
    assert torch.equal(ours, theirs)


def test_unconditional_codes_agree(peer: Any, model: Autoregressive) -> None:
    theirs = peer_codes(peer, 16, **peer.get_unconditional_inputs(1))
    assert torch.equal(model.sample(16, options=GREEDY).latents, theirs)


def test_stereo_delays_agree(tmp_path: Path) -> None:
    peer = build_peer(stereo=True, seed=5)
    model = load_musicgen_decoder(save_peer(peer, tmp_path / "stereo"))
    theirs = peer_codes(peer, 15, **peer_tokens(TEXTS), guidance_scale=3.0)
    ours = model.sample(15, {"text": TEXTS}, batch=2, guidance=3.0, options=GREEDY).latents
    assert ours.shape == (2, 8, 15)
    assert torch.equal(ours, theirs)


def test_equal_widths_need_no_projection(tmp_path: Path) -> None:
    peer = build_peer(text_dim=48, seed=6)
    assert not hasattr(peer, "enc_to_dec_proj")
    model = load_musicgen_decoder(save_peer(peer, tmp_path / "equal"))
    theirs = peer_codes(peer, 12, **peer_tokens(TEXTS))
    ours = model.sample(12, {"text": TEXTS}, batch=2, options=GREEDY).latents
    assert torch.equal(ours, theirs)


def test_shards_read_like_one_file(peer: Any, model: Autoregressive, tmp_path: Path) -> None:
    folder = save_peer(peer, tmp_path / "shards", shard_size="100KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    again = load_musicgen_decoder(folder)
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_saved_again_in_our_layout(model: Autoregressive, tmp_path: Path) -> None:
    again = Autoregressive.from_pretrained(model.save_pretrained(tmp_path / "ours"))
    assert sorted(p.name for p in (tmp_path / "ours").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    expected = model.sample(8, {"text": TEXTS[:1]}, options=GREEDY).latents
    assert torch.equal(again.sample(8, {"text": TEXTS[:1]}, options=GREEDY).latents, expected)


def test_spec_and_parts(folder: Path, model: Autoregressive, peer: Any) -> None:
    assert is_musicgen_layout(folder)
    assert model.latent.frame_rate == 800 / 16
    assert model.latent.vocab == (32,) * 4
    parts = read_musicgen(folder)
    assert set(parts.audio_encoder) <= set(peer.audio_encoder.state_dict())
    ours = LatentSpec(
        kind="discrete", shape=(4,), vocab=(32,) * 4, frame_rate=50.0, fingerprint="codec"
    )
    assert load_musicgen_decoder(folder, latent=ours, parts=parts).latent == ours
    three = LatentSpec(
        kind="discrete", shape=(3,), vocab=(32,) * 3, frame_rate=50.0, fingerprint="codec"
    )
    with pytest.raises(ValueError, match="the decoder writes 4 x 32"):
        load_musicgen_decoder(folder, latent=three, parts=parts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "bark"}, "does not say"),
        ({"activation_function": "relu"}, r"decoder\.activation_function"),
        ({"num_hidden_layers": 4}, "missing"),
        ({"ffn_dim": 100}, "do not fit"),
    ],
)
def test_other_models_are_refused(
    folder: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    config = json.loads((folder / "config.json").read_text())
    (config if "model_type" in change else config["decoder"]).update(change)
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises((ConfigError, ValueError), match=message):
        load_musicgen_decoder(tmp_path)


@pytest.mark.parametrize("stereo", [False, True])
def test_delay_is_the_peers(stereo: bool) -> None:
    peer = build_peer(stereo=stereo).decoder
    rows = 8 if stereo else 4
    delays = (0, 0, 1, 1, 2, 2, 3, 3) if stereo else ()
    for frames in (4, 5, 9):
        codes = torch.randint(0, 32, (2, rows, frames))
        steps = layouts.Delay(delays=delays).steps(rows, frames)
        start = torch.full((2 * rows, 1), 32)
        whole = torch.cat([start, codes.flatten(0, 1)], dim=1)
        _, mask = peer.build_delay_pattern_mask(whole, 32, max_length=frames + 4)
        assert torch.equal(layouts.build(codes, steps, 32).flatten(0, 1), mask)
