"""The VQGAN transformer: sizes, order of codes, and recipes that train and generate."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import latentone
from latentone.audio import Audio, load_audio
from latentone.cli import main
from latentone.codecs import Codec
from latentone.conditioning import ChromaConfig, LabelConfig
from latentone.config import from_dict, to_dict
from latentone.generators import Autoregressive
from latentone.hub import build_model
from latentone.latents import LatentStore
from latentone.spec import LatentSpec
from latentone.systems.vqgan_transformer import CARD, RECIPES
from latentone.training import system
from latentone.training.recipe import Recipe
from latentone.training.samples import SampleSettings, make_samples
from latentone.training.system import train_system
from latentone.training.tasks.language_model import LanguageModelConfig

PARAMETERS = {
    "debug": 25_024,
    "debug_class": 25_120,
    "debug_map": 25_568,
    "small": 6_824_448,
    "small_class": 6_825_216,
    "small_map": 6_828_800,
    "paper": 312_581_120,
    "paper_class": 312_584_192,
    "paper_map": 312_598_528,
}
RATE = 8000


def test_every_recipe_has_a_line_on_the_card() -> None:
    assert list(RECIPES) == list(CARD.sizes) == list(PARAMETERS)


def spec_of(codec: Codec) -> LatentSpec:
    return LatentSpec(
        kind="discrete",
        shape=(len(codec.vocab),),
        vocab=codec.vocab,
        frame_rate=codec.frame_rate,
        fingerprint="0" * 64,
    )


@pytest.mark.parametrize("size", RECIPES)
def test_recipes_are_json_and_have_their_size(size: str) -> None:
    recipe = RECIPES[size]()
    assert (recipe.system, recipe.size) == ("vqgan_transformer", size)
    assert from_dict(Recipe, json.loads(json.dumps(to_dict(recipe)))) == recipe
    assert recipe.codec is not None and recipe.generator is not None
    task = recipe.generator.task
    assert isinstance(task, LanguageModelConfig)
    assert set(task.maps()) == ({"chroma", "onset"} if size.endswith("map") else set())
    with torch.device("meta"):
        codec = build_model(recipe.codec.task.model, Codec)
        spec = spec_of(codec)
        frames = round(recipe.generator.train.crop_seconds * codec.frame_rate)
        raw = {name: ["ambient", "techno"] for name in task.open_conditions()}
        model = Autoregressive(task.fitted(spec, frames).learned(raw).model)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[size]
    # all rows of a frame from low to high, then the next frame: one code a step
    steps = model.config.layout.steps(len(spec.vocab), 3)
    assert steps.T.flatten().tolist() == list(range(1, 3 * len(spec.vocab) + 1))


def test_the_paper_size_is_that_of_its_public_configs() -> None:
    """24 blocks of width 1024: 12 d^2 and two norms each, without GPT's biases and positions."""
    d, rows, vocab = 1024, 5, 1024
    blocks = 24 * (12 * d * d + 4 * d) + 2 * d
    assert PARAMETERS["paper"] == blocks + rows * (vocab + 1) * d + rows * vocab * d
    recipe = RECIPES["paper"]()
    assert recipe.generator is not None and isinstance(recipe.generator.task, LanguageModelConfig)
    network = recipe.generator.task.model.network  # type: ignore[attr-defined]
    assert (network.num_layers, network.num_heads, network.dim) == (24, 16, 1024)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten plucked tones of two genres; one says nothing about its own."""
    folder = tmp_path_factory.mktemp("plucks")
    time = torch.arange(2 * RATE) / RATE
    for i in range(10):
        x = torch.sin(2 * torch.pi * 220 * 2 ** (i / 12) * time) * torch.exp(-5 * (time % 0.5))
        Audio(0.4 * x[None], RATE).save(folder / f"tone {'abcdefghij'[i]}.wav")
        if i:
            words = {"genre": ("techno", "ambient")[i % 2]}
            (folder / f"tone {'abcdefghij'[i]}.json").write_text(json.dumps(words))
    return folder


@pytest.fixture(scope="module")
def runs(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Steps 2 and 3 over a codec that nobody has trained, and few samples."""
    root = tmp_path_factory.mktemp("runs")
    recipe = RECIPES["debug"]()
    assert recipe.codec is not None
    torch.manual_seed(0)
    build_model(recipe.codec.task.model, Codec).save_pretrained(root / "codec")
    few = SampleSettings(measured=1, seconds=0.5, generations=2, duration=0.5)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(system, "make_samples", partial(make_samples, settings=few))
        for size in ("debug_class", "debug_map"):
            train_system(
                RECIPES[size](),
                sounds,
                root / size,
                steps=("encode", "generator"),
                codec_from=root / "codec",
                device="cpu",
                progress=False,
            )
    return {size: root / size for size in ("debug_class", "debug_map")}


@pytest.mark.slow
def test_the_free_recipe_trains_from_the_first_step(sounds: Path, tmp_path: Path) -> None:
    run = train_system(RECIPES["debug"](), sounds, tmp_path / "run", device="cpu", progress=False)
    check(run)


@pytest.mark.parametrize("size", ["debug_class", "debug_map"])
def test_recipes_train_and_generate(size: str, runs: dict[str, Path]) -> None:
    check(runs[size])


def check(run: Path) -> None:
    weights = load_file(run / "generator" / "model.safetensors")
    assert all(t.isfinite().all() for t in weights.values())
    curve = (run / "generator" / "training" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(curve[-1])["step"] == 12
    assert (run / "samples" / "generated-1.flac").exists()
    music = latentone.load(run, device="cpu")
    one = music.generate(duration=0.9, seed=1)
    assert one.samples.shape == (1, round(0.9 * RATE))
    assert torch.equal(one.samples, music.generate(duration=0.9, seed=1).samples)


def test_genres_are_those_of_the_files(runs: dict[str, Path]) -> None:
    music = latentone.load(runs["debug_class"], device="cpu")
    assert isinstance(music.generator, Autoregressive)
    config = music.generator.config.conditioners["genre"]
    assert config == LabelConfig(fields={"genre": ("ambient", "techno")})
    sounds = [
        music.generate(duration=0.9, seed=1, conditions={"genre": genre}, temperature=0).samples
        for genre in ("ambient", "techno")
    ]
    assert sounds[0].shape == sounds[1].shape
    with pytest.raises(ValueError, match=r"unknown genre 'tecno'.*did you mean 'techno'"):
        music.generate(duration=0.9, conditions={"genre": "tecno"})


def test_maps_are_a_stream_of_the_store_and_files_steer(
    runs: dict[str, Path], sounds: Path
) -> None:
    store = LatentStore.open(runs["debug_map"] / "latents")
    assert set(store.specs) == {"acoustic", "chroma", "onset"}
    assert store.specs["chroma"] == ChromaConfig(frame_rate=15.625).stream
    music = latentone.load(runs["debug_map"], device="cpu")
    paths = sorted(sounds.glob("*.wav"))
    for given in (paths[0], str(paths[0]), load_audio(paths[0])):
        made = music.generate(duration=0.9, seed=1, conditions={"chroma": given, "onset": given})
        assert made.samples.shape == (1, round(0.9 * RATE))
    with pytest.raises(FileNotFoundError, match="nothing"):
        music.generate(duration=0.9, conditions={"chroma": "nothing.wav"})


def test_the_command_line_takes_classes_and_files(
    runs: dict[str, Path], sounds: Path, tmp_path: Path
) -> None:
    song = str(min(sounds.glob("*.wav")))
    cases = {
        "debug_class": ["--condition", "genre=techno"],
        "debug_map": ["--condition", f"chroma={song}", "--condition", f"onset={song}"],
    }
    for size, flags in cases.items():
        out = tmp_path / f"{size}.wav"
        argv = ["generate", str(runs[size]), "--duration", "0.9", "--seed", "1", *flags]
        assert main([*argv, "--device", "cpu", "-o", str(out)]) == 0
        assert load_audio(out).samples.shape == (1, round(0.9 * RATE))
