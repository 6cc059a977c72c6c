"""From a folder, a file or a Hub id to a `Pipeline`, whatever lies there."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from .codecs.base import Codec
from .codecs.encodec import EnCodec
from .config import ConfigError, from_dict, load_json
from .device import choose_device
from .generators.base import Generator
from .generators.musicgen_layout import load_musicgen_decoder, read_musicgen
from .hub import CONFIG, resolve_folder
from .pipeline import CODEC, GENERATOR, PIPELINE, Pipeline, PipelineConfig

__all__ = ["import_models", "load"]


def load(name_or_folder: str | Path, *, device: str = "cpu") -> Pipeline:
    """Load what makes sound.

    Args:
        name_or_folder: a run folder, a saved pipeline, or a codec alone (it can only reconstruct);
            of others, a MusicGen in the transformers layout, or the folder or file of any codec
            that `Codec.from_pretrained` reads (docs/foreign.md lists them).
        device: auto, cpu, cuda, cuda:N or mps.

    Raises:
        FileNotFoundError: nothing there, or a training that has not finished.
        ValueError: something else than a model, or parts that do not belong together.
    """
    folder = resolve_folder(name_or_folder)
    import_models()
    if (folder / PIPELINE).exists() or (folder / CODEC / CONFIG).exists():
        pipeline = _load_parts(folder, str(name_or_folder))
    elif (codec := Codec.find_foreign(folder)) is not None:
        name = str(name_or_folder)
        pipeline = Pipeline({"acoustic": codec}, name=name, licence=_licence(folder))
    elif not folder.is_dir():
        raise ValueError(
            f"{folder} is a file that no codec reads; expected a model folder, a run, a Hub id, or "
            "the weights of a published codec (docs/foreign.md)"
        )
    elif (folder / CONFIG).exists():
        pipeline = _load_model(folder, str(name_or_folder))
    elif (folder / CODEC).exists():
        raise FileNotFoundError(
            f"{folder} is a run whose codec is not trained to the end; repeat its train command"
        )
    else:
        raise FileNotFoundError(
            f"{folder} holds no model: expected {CONFIG}, {PIPELINE} or a run with {CODEC}/"
        )
    return pipeline.to(choose_device(device))


def import_models() -> None:
    """Import every codec, conditioner and generator, so that a saved model finds its class."""
    for name in ("codecs", "conditioning", "generators"):
        package = importlib.import_module(f".{name}", __package__)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f".{name}.{module.name}", __package__)


def _load_parts(folder: Path, name: str) -> Pipeline:
    config = PipelineConfig(stages=(GENERATOR,) if (folder / GENERATOR / CONFIG).exists() else ())
    if (folder / PIPELINE).exists():
        config = from_dict(PipelineConfig, load_json(folder / PIPELINE))
    for part in (*config.codecs.values(), *config.stages):
        if Path(part).name != part:
            raise ConfigError(f"{folder / PIPELINE}: {part!r} is no folder inside {folder}")
    return Pipeline(
        {s: Codec.from_pretrained(folder / part) for s, part in config.codecs.items()},
        [Generator.from_pretrained(folder / part) for part in config.stages],
        name=config.name or name,
        licence=config.licence,
    )


def _load_model(folder: Path, name: str) -> Pipeline:
    data = load_json(folder / CONFIG)
    kind = data.get("model_type") if isinstance(data, dict) else None
    if kind == "musicgen":
        parts = read_musicgen(folder)
        codec = EnCodec.from_transformers(
            parts.config["audio_encoder"], parts.audio_encoder, folder
        )
        generator = load_musicgen_decoder(folder, latent=codec.latent, parts=parts)
        return Pipeline({"acoustic": codec}, [generator], name=name, licence=_licence(folder))
    if Generator._find(str(kind)) is not None:
        raise ValueError(
            f"{folder} is a generator without its codec; load the folder above it, where "
            f"{CODEC}/ and {GENERATOR}/ lie side by side"
        )
    if isinstance(data, dict) and "format_version" not in data:
        raise ValueError(
            f"{folder} holds a {kind!r} in a foreign layout; known: latentone's own, musicgen, and "
            "those of codecs (docs/foreign.md)"
        )
    return Pipeline({"acoustic": Codec.from_pretrained(folder)}, name=name)


def _licence(folder: Path) -> str | None:
    """The licence in a model card's front matter, where there is a card."""
    card = folder / "README.md"
    if not card.exists():
        return None
    head = card.read_text(encoding="utf-8", errors="replace").split("---")
    for line in head[1].splitlines() if len(head) > 2 else ():
        key, _, value = line.partition(":")
        if key.strip() in ("license", "licence"):
            return value.strip() or None
    return None
