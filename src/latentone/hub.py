"""Models that are rebuilt from `config.json` and `model.safetensors`, and nothing else."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .atomic import atomic_folder
from .config import ConfigError, from_dict, load_json, save_json, to_dict

__all__ = [
    "CONFIG",
    "WEIGHTS",
    "PretrainedModel",
    "build_model",
    "fingerprint_of",
    "model_class",
    "read_weights",
    "resolve_folder",
]

CONFIG, WEIGHTS, FORMAT = "config.json", "model.safetensors", 1
PICKLES = ("pytorch_model.bin", "model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl")


def resolve_folder(name_or_folder: str | Path, *, revision: str | None = None) -> Path:
    """Return a local folder: the path itself, or a snapshot of a Hub repository.

    Raises:
        FileNotFoundError: no such folder, and the Hub cannot give it.
    """
    folder = Path(name_or_folder).expanduser()
    if folder.exists():
        return folder
    name = str(name_or_folder)
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise FileNotFoundError(f"{folder} does not exist; expected a model folder or a Hub id")
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.safetensors", "*.model", "*.txt", "*.md"]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except Exception as error:  # the Hub client raises many classes, most of them network errors
        raise FileNotFoundError(
            f"{name} is no local folder, and the Hub could not give it: {error}"
        ) from error


def read_weights(folder: Path, name: str = WEIGHTS) -> dict[str, Tensor]:
    """Read a safetensors file of a model folder.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is corrupt, or there is only a pickle, which is refused.
    """
    path = folder / name
    if not path.exists():
        pickles = [p.name for p in folder.iterdir() if p.name in PICKLES]
        if pickles:
            raise ValueError(
                f"{folder} holds {pickles[0]}, a pickle, where {name} was expected. Reading a "
                "pickle can run any code, so it is refused; convert it to safetensors first."
            )
        raise FileNotFoundError(f"{path} is missing")
    try:
        return load_file(path)
    except SafetensorError as error:
        with path.open("rb") as file:
            head = file.read(2)
        kind = " (it is a pickle, which is refused)" if head in (b"PK", b"\x80\x02") else ""
        raise ValueError(f"{path} is not a readable safetensors file{kind}: {error}") from error


def fingerprint_of(settings: Any, tensors: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 over JSON settings and named tensors, their shapes and bytes."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, tensor in tensors:
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        data = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(data.numpy().tobytes())
    return digest.hexdigest()


class PretrainedModel(nn.Module):
    """A module built from one config, saved as a folder."""

    config_class: ClassVar[type]

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the folder whole or not at all; what stood there is replaced."""
        folder = Path(folder)
        with atomic_folder(folder) as partial:
            self.write(partial)
        return folder

    def write(self, folder: Path) -> None:
        """Write config and weights into an existing folder (see `save_pretrained`)."""
        head = {"model_type": type(self).__name__, "format_version": FORMAT}
        save_json({**head, "config": to_dict(self.config)}, folder / CONFIG)
        tensors = {k: v.detach().cpu().contiguous().clone() for k, v in self.state_dict().items()}
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})

    @classmethod
    def from_pretrained(cls, name_or_folder: str | Path, *, revision: str | None = None) -> Self:
        """Rebuild a model in eval mode; `cls` may be a base of the saved class.

        Raises:
            FileNotFoundError: no such folder, or a file of it is missing.
            ConfigError: the config does not fit; the field's path is named.
            ValueError: another class, a pickle, or weights that do not fit.
        """
        folder = resolve_folder(name_or_folder, revision=revision)
        path = folder / CONFIG
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing: {folder} is no model folder")
        data = load_json(path)
        if not isinstance(data, dict) or "model_type" not in data or "config" not in data:
            raise ConfigError(f"{path} is no latentone config: `model_type` or `config` is missing")
        if data.get("format_version") != FORMAT:
            raise ConfigError(
                f"{path}: `format_version` must be {FORMAT}, got {data.get('format_version')!r}"
            )
        found = cls._find(data["model_type"])
        if found is None:
            raise ValueError(f"{folder} holds a {data['model_type']}, expected {cls.__name__}")
        model = found(from_dict(found.config_class, data["config"]))
        try:
            model.load_state_dict(read_weights(folder), strict=True)
        except RuntimeError as error:
            raise ValueError(f"the weights in {folder} do not fit its config: {error}") from error
        return model.eval()

    @classmethod
    def _find(cls, name: str) -> type[Self] | None:
        if cls.__name__ == name and not inspect.isabstract(cls):
            return cls
        return next((f for c in cls.__subclasses__() if (f := c._find(name))), None)

    def push_to_hub(self, repo_id: str, *, private: bool = True) -> str:
        """Upload the folder to the Hugging Face Hub and return its address."""
        import tempfile

        from huggingface_hub import HfApi

        api = HfApi()
        url = api.create_repo(repo_id, private=private, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            self.write(Path(folder))
            api.upload_folder(repo_id=repo_id, folder_path=folder)
        return str(url)


M = TypeVar("M", bound=PretrainedModel)


def model_class(config: Any, base: type[M]) -> type[M]:
    """The imported class below `base` whose configs are of this class.

    Raises:
        ValueError: there is none.
    """
    waiting: list[type[M]] = [base]
    while waiting:
        cls = waiting.pop()
        if cls.__dict__.get("config_class") is type(config):
            return cls
        waiting += cls.__subclasses__()
    raise ValueError(
        f"no {base.__name__} is built from a {type(config).__name__}; import its module first"
    )


def build_model(config: Any, base: type[M]) -> M:
    """Make the model below `base` that a config describes, with fresh weights."""
    return model_class(config, base)(config)
