from collections.abc import Callable
from pathlib import Path

import pytest

from images.catalogue import Catalogue

Folder = Callable[..., Path]


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    """An empty folder of images."""
    folder = tmp_path / "rooms"
    folder.mkdir()
    return folder


@pytest.fixture
def catalogue(rooms: Path) -> Catalogue:
    return Catalogue(rooms)


@pytest.fixture
def image(rooms: Path) -> Folder:
    """Write an image's folder."""

    def write(name: str, base: str = "scratch", **files: str) -> Path:
        folder = rooms / name
        folder.mkdir(exist_ok=True)
        (folder / "Containerfile").write_text(f"FROM {base}\n")
        for file, content in files.items():
            (folder / file.replace("_", ".")).write_text(content)
        return folder

    return write
