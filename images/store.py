"""Where built images are kept, by content, outside the checkout."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from images.recipe import REGISTRY


@dataclass(frozen=True)
class Image:
    """A built image."""

    name: str
    hash: str
    """Content hash of everything it was made from."""
    digest: str
    """Digest of its manifest, as registries and nodes know it: `sha256:…`."""
    size: int
    """Bytes of its archive; layers are not compressed."""
    archive: str
    """Path of the OCI archive."""

    @property
    def reference(self) -> str:
        """The name that a pod asks for."""
        return reference(self.name, self.hash)

    def as_dict(self) -> dict[str, object]:
        """Return what `image.json` and `--json` show."""
        return {**asdict(self), "tag": self.hash[:12], "reference": self.reference}


def reference(name: str, content: str) -> str:
    """Return the image name for a content hash."""
    return f"{REGISTRY}/{name}:{content[:12]}"


def cache_root() -> Path:
    """Return the cache that all rooms share: `$CLOISON_CACHE`, else one below the user's cache folder."""
    if chosen := os.environ.get("CLOISON_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloison"


class Store:
    """The images of one cache."""

    def __init__(self, cache: Path | None = None) -> None:
        self.root = (cache or cache_root()) / "images"

    def folder(self, content: str) -> Path:
        """Return where the image of a content hash is, or would be."""
        return self.root / content

    def find(self, content: str) -> Image | None:
        """Return the image of a content hash, None if it was not built yet."""
        folder = self.folder(content)
        if not (folder / "image.json").exists():
            return None
        known = json.loads((folder / "image.json").read_text())
        return Image(known["name"], content, known["digest"], known["size"], str(folder / "image.tar"))

    def keep(self, archive: Path, name: str, content: str, digest: str) -> Image:
        """Move a finished archive into place, then say so: a reader sees a whole image or none."""
        folder = self.folder(content)
        folder.mkdir(parents=True, exist_ok=True)
        target = archive.rename(folder / "image.tar")
        image = Image(name, content, digest, target.stat().st_size, str(target))
        draft = folder / "image.json.part"
        draft.write_text(json.dumps(image.as_dict(), indent=2) + "\n")
        draft.rename(folder / "image.json")
        return image

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the right to build: builds share layers and downloads, so there is one at a time."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield
