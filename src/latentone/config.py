"""Configs: frozen dataclasses to JSON and back, checked on reading."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from .atomic import atomic_file

__all__ = ["ConfigError", "from_dict", "load_json", "save_json", "to_dict"]

T = TypeVar("T")


class ConfigError(ValueError):
    """A config that cannot be read; the message names the field's path."""


def to_dict(config: Any) -> Any:
    """Turn a config into JSON values; a dataclass carries its class name under `type`."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        fields = {f.name: to_dict(getattr(config, f.name)) for f in dataclasses.fields(config)}
        return {"type": type(config).__name__, **fields}
    if isinstance(config, Mapping):
        return {str(key): to_dict(value) for key, value in config.items()}
    if isinstance(config, tuple | list):
        return [to_dict(value) for value in config]
    if isinstance(config, Path):
        return str(config)
    return config


def from_dict(cls: type[T], data: Any, path: str = "") -> T:
    """Build a config of class `cls` (or of the subclass that `type` names) from JSON values.

    Only classes that are already imported and derive from the annotated one can be named: a file
    never chooses what is imported.

    Raises:
        ConfigError: unknown key, missing key or wrong type, with the field's path.
    """
    return _read(cls, data, path or cls.__name__)


def _subclasses(cls: type) -> dict[str, type]:
    found = {cls.__name__: cls}
    children: list[type] = cls.__subclasses__()
    for child in children:
        found.update(_subclasses(child))
    return found


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)  # compiles every annotation, which is slow


def _read_dataclass(cls: type, data: Any, path: str) -> Any:
    if not isinstance(data, Mapping):
        raise ConfigError(f"`{path}` must be an object for {cls.__name__}, got {data!r}")
    named = data.get("type", cls.__name__)
    known = _subclasses(cls)
    if named not in known:
        raise ConfigError(f"`{path}.type` must be one of {sorted(known)}, got {named!r}")
    cls = known[named]
    hints = _hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(data) - set(fields) - {"type"})
    if unknown:
        raise ConfigError(
            f"`{path}.{unknown[0]}` is not a field of {cls.__name__}; known: {sorted(fields)}"
        )
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _read(hints[name], data[name], f"{path}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"`{path}.{name}` is missing")
    try:
        return cls(**values)
    except ConfigError:
        raise
    except (ValueError, TypeError) as error:
        raise ConfigError(f"`{path}`: {error}") from error


def _read(kind: Any, data: Any, path: str) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return data
    if origin is typing.Annotated:
        return _read(args[0], data, path)
    if origin in (Union, types.UnionType):
        if data is None and type(None) in args:
            return None
        problems = []
        for option in args:
            if option is not type(None):
                try:
                    return _read(option, data, path)
                except ConfigError as error:
                    problems.append(str(error))
        raise ConfigError("; or ".join(problems))
    if origin is Literal:
        if data not in args:
            raise ConfigError(f"`{path}` must be one of {args}, got {data!r}")
        return data
    if origin is tuple:
        if not isinstance(data, list | tuple):
            raise ConfigError(f"`{path}` must be a list, got {data!r}")
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_read(args[0], v, f"{path}[{i}]") for i, v in enumerate(data))
        if len(data) != len(args):
            raise ConfigError(f"`{path}` must have {len(args)} items, got {len(data)}")
        pairs = enumerate(zip(args, data, strict=True))
        return tuple(_read(a, v, f"{path}[{i}]") for i, (a, v) in pairs)
    if origin is list:
        if not isinstance(data, list | tuple):
            raise ConfigError(f"`{path}` must be a list, got {data!r}")
        return [_read(args[0], v, f"{path}[{i}]") for i, v in enumerate(data)]
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        if not isinstance(data, Mapping):
            raise ConfigError(f"`{path}` must be an object, got {data!r}")
        return {str(k): _read(args[1], v, f"{path}.{k}") for k, v in data.items()}
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(typing.cast(type, kind), data, path)
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if kind is Path and isinstance(data, str):
        return Path(data)
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise ConfigError(f"`{path}` must be {kind.__name__}, got {data!r}")
    return data


def save_json(value: Any, path: str | Path) -> None:
    """Write JSON values (or a config) whole or not at all."""
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(to_dict(value), indent=2) + "\n", encoding="utf-8")


def load_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        ConfigError: the file is not JSON; the line is named.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid JSON: {error}") from error
