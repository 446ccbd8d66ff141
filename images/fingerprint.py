"""The content hash that names an image."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from images.recipe import Recipe

BUILDER = 1
"""Raise it when the builder makes something else of the same folder."""


def fingerprint(recipe: Recipe, base: str | None, binaries: Mapping[str, Path]) -> str:
    """Return the hash of everything that an image depends on, as 64 hexadecimal digits.

    Debian's packages count by their declaration only: the suite's content floats (see `Settings.date`).

    Args:
        recipe: The image.
        base: The hash of the image it stands on.
        binaries: The files that come from elsewhere, by their name in the build context.
    """
    parts = {
        "builder": BUILDER,
        "name": recipe.name,
        "base": base,
        "files": {str(file.relative_to(recipe.folder)): _file(file) for file in files(recipe.folder)},
        "binaries": {name: _content(path) for name, path in binaries.items()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def files(folder: Path) -> Iterator[Path]:
    """Yield the files of an image's folder, without what Python leaves there."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != "__pycache__")


def _file(path: Path) -> list[str]:
    """Return a file's executable bit and content: of its mode, git keeps no more than that."""
    return ["executable" if path.stat().st_mode & 0o100 else "plain", _content(path)]


def _content(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
