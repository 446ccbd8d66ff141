"""The project (``Pulumi.yaml``), its stacks' files (``Pulumi.<stack>.yaml``) and their typed configuration."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from engine.errors import InputError, Unsupported
from engine.journal import write_atomically


@dataclass(frozen=True)
class Option:
    """One configuration key that ``Pulumi.yaml`` declares."""

    type: str | None = None
    default: Any = None
    secret: bool = False
    description: str = ""
    required: bool = True


@dataclass(frozen=True)
class Project:
    """A Pulumi project."""

    name: str
    folder: Path
    main: Path
    """The program: a Python file, or a folder that holds ``__main__.py``."""
    stack_folder: Path
    """Where the stacks' files lie (``stackConfigDir``)."""
    options: Mapping[str, Option] = field(default_factory=dict)

    def stack_file(self, stack: str) -> Path:
        """Return the path of a stack's file, which need not exist."""
        return self.stack_folder / f"Pulumi.{stack}.yaml"


@dataclass(frozen=True)
class Configuration:
    """A stack's configuration as programs receive it; objects are JSON text, and secrets are plain text."""

    values: Mapping[str, str]
    secret_keys: frozenset[str]

    def namespace(self, name: str) -> dict[str, str]:
        """Return the values of one namespace without it, for example of a provider's package."""
        prefix = f"{name}:"
        return {key.removeprefix(prefix): value for key, value in self.values.items() if key.startswith(prefix)}


def load_project(folder: Path) -> Project:
    """Read the ``Pulumi.yaml`` of a folder or of the nearest folder above it.

    Raises:
        InputError: If there is none, or it is not a Python project.
    """
    for candidate in (folder, *folder.parents):
        if (path := candidate / "Pulumi.yaml").is_file():
            return _parse_project(path, read_yaml(path))
    raise InputError(
        f"no Pulumi.yaml project file found in {folder} or above; run in the project's folder or use --cwd"
    )


def _parse_project(path: Path, document: Mapping[str, Any]) -> Project:
    if not (name := document.get("name")):
        raise InputError(f"{path}: name: missing; give the project a name")
    runtime = document.get("runtime")
    language = runtime.get("name") if isinstance(runtime, dict) else runtime
    if language != "python":
        raise Unsupported(f"{path}: runtime: {language!r}")
    folder = path.parent
    options = {
        key if ":" in key else f"{name}:{key}": _parse_option(option)
        for key, option in (document.get("config") or {}).items()
    }
    return Project(
        name, folder, folder / document.get("main", "."), folder / document.get("stackConfigDir", "."), options
    )


def _parse_option(option: Any) -> Option:
    if not isinstance(option, dict):
        return Option(default=option, required=option is None)
    default = option.get("default", option.get("value"))
    return Option(
        option.get("type"), default, bool(option.get("secret")), option.get("description", ""), default is None
    )


def load_configuration(project: Project, stack: str, decrypt: Callable[[str], str]) -> Configuration:
    """Read a stack's configuration, decrypt it, add the project's defaults and check the declared types.

    Raises:
        InputError: With every missing or ill-typed key.
    """
    path = project.stack_file(stack)
    given = {
        key if ":" in key else f"{project.name}:{key}": value
        for key, value in (read_yaml(path).get("config") or {}).items()
    }
    failures = [failure for key, option in project.options.items() if (failure := _failure(stack, key, option, given))]
    if failures:
        raise InputError(f"{path}: " + "\n".join(failures))
    defaults = {key: option.default for key, option in project.options.items() if option.default is not None}
    merged = {**defaults, **given}
    secret_keys = {key for key, value in merged.items() if _is_secure(value)}
    secret_keys |= {key for key, option in project.options.items() if option.secret and key in merged}
    return Configuration({key: _text(value, decrypt) for key, value in merged.items()}, frozenset(secret_keys))


def _failure(stack: str, key: str, option: Option, given: Mapping[str, Any]) -> str | None:
    described = f" ({option.description})" if option.description else ""
    if key not in given:
        missing = f"stack {stack!r} is missing configuration value {key!r}{described}; add it under config:"
        return missing if option.required and option.type else None
    value = given[key]
    if option.secret and not _is_secure(value):
        return f"configuration key {key!r}{described} must be encrypted: `pulumi config set --secret {key}`"
    if option.type and not _is_secure(value) and not _matches(value, option.type):
        return f"configuration key {key!r}{described} must be of type {option.type!r}, not {value!r}"
    return None


def _matches(value: Any, type_: str) -> bool:
    text = _text(value, str) if not isinstance(value, dict | list) else ""
    match type_:
        case "integer":
            return text.removeprefix("-").isdigit()
        case "boolean":
            return text in ("true", "false")
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
    return not isinstance(value, dict | list)


def _is_secure(value: Any) -> bool:
    if isinstance(value, dict):
        return set(value) == {"secure"} or any(_is_secure(item) for item in value.values())
    return isinstance(value, list) and any(_is_secure(item) for item in value)


def _text(value: Any, decrypt: Callable[[str], str]) -> str:
    plain = _plain(value, decrypt)
    return plain if isinstance(plain, str) else json.dumps(plain, separators=(",", ":"))


def _plain(value: Any, decrypt: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return decrypt(value["secure"])
        return {key: _plain(item, decrypt) for key, item in value.items()}
    return [_plain(item, decrypt) for item in value] if isinstance(value, list) else value


def read_stack_salt(project: Project, stack: str) -> str | None:
    """Return the ``encryptionsalt`` of a stack's file.

    Raises:
        Unsupported: If the stack's secrets are kept by another provider than the passphrase.
    """
    settings = read_yaml(project.stack_file(stack))
    provider = settings.get("secretsprovider") or "passphrase"
    if provider not in ("passphrase", "default"):
        raise Unsupported(f"The secrets provider {provider!r} of {project.stack_file(stack)}")
    return settings.get("encryptionsalt")


def write_stack_salt(project: Project, stack: str, salt: str) -> None:
    """Put the salt into the stack's file, keeping its comments and order."""
    path = project.stack_file(stack)
    yaml = YAML()
    yaml.width = 4096  # the salt stays on one line, as Pulumi writes it
    document = (yaml.load(path.read_text(encoding="utf-8")) if path.exists() else None) or {}
    document["encryptionsalt"] = salt
    text = StringIO()
    yaml.dump(document, text)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.getvalue().encode())
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; make it writable, or use --salt-in-state") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; a file that does not exist is an empty one.

    Raises:
        InputError: If it is not a YAML mapping.
    """
    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}
    except (OSError, YAMLError) as error:
        raise InputError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise InputError(f"{path}: must be a mapping, not a {type(document).__name__}")
    return document
