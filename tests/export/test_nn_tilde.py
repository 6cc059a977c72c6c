"""nn~ modules, played in a process without latentone as nn~'s hosts play them."""

import json
import subprocess
import sys

import pytest
import torch

from latentone.codecs import LatentPCA
from latentone.export import export_nn_tilde
from latentone.export.prepare import has_chance, hop_length

QUICK = ["rave noise", "tiny", "soundstream"]
MORE = [
    "rave v1",
    "rave v2",
    "rave v3",
    "rave wasserstein",
    "rave discrete",
    "rave recurrent",
    "vae",
    "vqvae",
    "encodec",
]
MORE += ["dac causal", "oobleck causal"]
NAMES = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]

# What the hosts of nn~ do: load, move, ask for methods and ratios, and run in inference mode.
HOST = """
import json, sys
sys.modules["latentone"] = None
import torch
for path in sys.argv[1:]:
    facts = {"latentone.json": ""}
    model = torch.jit.load(path, _extra_files=facts)
    model.eval()
    model.to(torch.device("cpu"))
    sound, out = torch.load(path + ".in"), {}
    hop = int(model.encode_params[3])

    def play(method, x, blocks):
        with torch.inference_mode():
            return torch.cat([getattr(model, method)(part) for part in x.split(blocks, -1)], -1)

    model.set_noise(False)
    for rows in (1, 3):
        x = sound[:rows]
        out[f"latents {rows}"] = z = torch.cat(
            [play("encode", x[..., : 5 * hop], hop), play("encode", x[..., 5 * hop :], 3 * hop)], -1
        )
        out[f"sound {rows}"] = play("decode", z, [1, 2, z.shape[-1] - 3])
        assert model.set_reset(True) == 0
        model.to(torch.device("cpu"))
        out[f"forward {rows}"] = play("forward", x, 2 * hop)
        assert model.set_reset(True) == 0
        out[f"odd {rows}"] = play("forward", x, hop // 2 + 1)
        model.set_reset(True)
    torch.manual_seed(7)
    out["noise set"] = torch.tensor(model.set_noise(True))
    out["noisy"] = play("decode", z, z.shape[-1])
    model.set_reset(True)
    params = {m: [int(v) for v in getattr(model, m + "_params")] for m in model.get_methods()}
    labels = {m: [getattr(model, f"{m}_{end}_labels") for end in ("input", "output")]
              for m in model.get_methods()}
    told = {"params": params, "labels": labels, "attributes": model.get_attributes(),
            "got": [model.get_reset(), model.get_noise()],
            "types": [int(model.reset_params), int(model.noise_params)],
            "facts": json.loads(facts["latentone.json"]), "latency": model.latency,
            "hidden": [name for name in sys.modules if name.startswith("latentone.")]}
    torch.save(out, path + ".out")
    with open(path + ".json", "w") as file:
        json.dump(told, file)
"""


@pytest.fixture(scope="module")
def played(build, tmp_path_factory, request):
    """Export all codecs that are asked for, and play them in one other process."""
    folder = tmp_path_factory.mktemp("nn_tilde")
    wanted = [
        item.callspec.params["name"]
        for item in request.session.items
        if item.path == request.path and "name" in item.fixturenames
    ]
    paths = {}
    for name in dict.fromkeys(wanted):
        codec = build(name)
        path = paths[name] = folder / f"{name.replace(' ', '_')}.ts"
        export_nn_tilde(codec, path)
        rng = torch.Generator().manual_seed(1)
        shape = (3, codec.source.channels, 11 * hop_length(codec))
        torch.save(0.3 * torch.randn(shape, generator=rng), f"{path}.in")
    subprocess.run([sys.executable, "-c", HOST, *map(str, paths.values())], check=True)
    return {
        name: (
            torch.load(f"{path}.in"),
            torch.load(f"{path}.out"),
            json.loads(path.with_suffix(".ts.json").read_text()),
        )
        for name, path in paths.items()
    }


def stream(part, x, chunk):
    state, done = part.initial_state(len(x)), []
    for piece in x.split(chunk, -1):
        y, state = part.step(piece, state)
        done.append(y)
    return torch.cat(done, -1)


def close(got, expected, tolerance=1e-5):
    assert got.shape == expected.shape
    largest = expected.abs().max()
    assert largest > 0
    assert (got - expected).abs().max() <= tolerance * largest


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_equal_to_our_own_steps_without_latentone(played, build, name):
    sound, out, told = played[name]
    codec, hop = build(name), hop_length(build(name))
    assert not told["hidden"]
    if hasattr(codec.decoder, "noisy"):
        codec.decoder.noisy = False
    encoder, decoder = codec.encoder_stream(), codec.decoder_stream()
    for rows in (1, 3):
        z = stream(encoder, sound[:rows], hop)
        if codec.vocab:
            codes = codec.quantize(z)
            assert (out[f"latents {rows}"] == codes).float().mean() > 0.98  # but for near ties
            z = codec.dequantize(out[f"latents {rows}"].long())
        else:
            close(out[f"latents {rows}"], z)
            z = out[f"latents {rows}"]
        y = stream(decoder, z, 1)
        close(out[f"sound {rows}"], y)
        if not codec.vocab:
            close(out[f"forward {rows}"], y, 2e-5)
        # Blocks that are no whole frames are a frame late, and otherwise the same.
        late, whole = out[f"odd {rows}"], out[f"forward {rows}"]
        assert late.shape == whole.shape and not late[..., :hop].any()
        if not codec.vocab:
            close(late[..., hop:], whole[..., :-hop], 2e-5)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_what_a_host_asks(played, build, name):
    _, out, told = played[name]
    codec = build(name)
    hop, channels, dim = hop_length(codec), codec.source.channels, codec.latent.dim
    assert told["params"] == {
        "encode": [channels, 1, dim, hop],
        "decode": [dim, hop, channels, 1],
        "forward": [channels, 1, channels, 1],
    }
    for method, (inputs, outputs) in told["labels"].items():
        assert [len(inputs), len(outputs)] == told["params"][method][::2]
    noise = has_chance(codec)
    assert told["attributes"] == (["reset", "noise"] if noise else ["reset"])
    assert told["got"] == [[False], [noise]] and told["types"] == [0, 0]
    assert told["facts"]["latentone.fingerprint"] == codec.fingerprint()
    assert told["latency"] == codec.encoder.latency * hop + codec.decoder.latency
    assert int(out["noise set"]) == (0 if noise else -1)
    quiet, noisy = out["sound 3"], out["noisy"]
    if not noise:
        close(noisy, quiet)
        return
    torch.manual_seed(7)
    z = out["latents 3"]
    expected = stream(codec.decoder_stream(), codec.dequantize(z.long()) if codec.vocab else z, 99)
    close(noisy, expected)
    assert (noisy - quiet).abs().max() > 1e-3 * quiet.abs().max()


@torch.no_grad()
def test_kept_directions_alone(build, tmp_path):
    codec = build("rave v2")
    hop = hop_length(codec)
    sound = 0.3 * torch.randn(2, 1, 20 * hop, generator=torch.Generator().manual_seed(2))
    z = stream(codec.encoder_stream(), sound, hop)
    pca = LatentPCA.fit([z])
    export_nn_tilde(codec, tmp_path / "pca.ts", transform=pca.transform(dimensions=2))
    model = load(tmp_path / "pca.ts")
    assert model.encode_params.tolist() == [1, 1, 2, hop]
    assert model.get_attributes() == ["reset", "noise"]
    knobs = model.encode(sound)
    rows = pca.components[:2]
    close(knobs, rows @ (z - pca.mean[:, None]))
    model.set_noise(False)
    back = rows.T @ knobs + pca.mean[:, None]
    close(model.decode(knobs), stream(codec.decoder_stream(), back, hop))
    model.set_reset(True)
    model.set_noise(True)
    torch.manual_seed(3)
    noise = torch.randn(2, 6, 20)
    noise[:, :2] = knobs
    torch.manual_seed(3)
    back = pca.components.T @ noise + pca.mean[:, None]
    close(model.decode(knobs), stream(codec.decoder_stream(), back, hop))


def load(path):
    with pytest.warns(DeprecationWarning):
        return torch.jit.load(path)


@torch.no_grad()
def test_blocks_of_any_number_of_frames_and_refusals(build, tmp_path):
    codec = build("rave v2")
    hop = hop_length(codec)
    path = export_nn_tilde(codec, tmp_path / "a.ts")
    model = load(path)
    x = 0.3 * torch.randn(1, 1, 8192)
    whole = model.encode(x)
    for frames in (1, 2, 3, 8, 64):
        model.set_reset(True)
        parts = [model.encode(part) for part in x.split(frames * hop, -1)]
        close(torch.cat(parts, -1), whole)
    with pytest.raises(torch.jit.Error, match=f"a multiple of {hop} samples, got {hop + 1}"):
        model.encode(x[..., : hop + 1])
    with pytest.raises(torch.jit.Error, match="got no samples"):
        model.encode(x[..., :0])


def test_what_cannot_be_played_is_refused(build, tmp_path):
    path = tmp_path / "a.ts"
    with pytest.raises(ValueError, match=r"cannot stream: .*low_latency"):
        export_nn_tilde(build("rave centred"), path)
    with pytest.raises(ValueError, match="cannot stream"):
        export_nn_tilde(build("hifigan"), path)
    pca = LatentPCA.fit([torch.randn(5, 30)])
    with pytest.raises(ValueError, match="of 6 latent channels, got one of 5"):
        export_nn_tilde(build("rave v2"), path, transform=pca.transform())
    with pytest.raises(ValueError, match="codes have no directions"):
        export_nn_tilde(build("soundstream"), path, transform=pca.transform())
    assert not list(tmp_path.iterdir())


def test_the_codec_stays_as_it_was(build, tmp_path):
    codec = build("rave noise").train()
    before = {name: value.clone() for name, value in codec.state_dict().items()}
    torch.manual_seed(5)
    export_nn_tilde(codec, tmp_path / "a.ts")
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))  # nor does it draw from the global generator
    assert codec.training and codec.decoder.noisy
    after = codec.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())
