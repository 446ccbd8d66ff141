"""From image folders to archives."""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from images import context, machine
from images.archive import pack
from images.buildah import Buildah
from images.catalogue import IMAGES, Catalogue
from images.commands import output, require_programs, require_root
from images.errors import NotBuiltError, RecipeError
from images.fingerprint import fingerprint
from images.progress import Progress, Task
from images.recipe import DebianInput, Recipe, ToolInput
from images.store import Image, Store, reference

_PROGRAMS = {"buildah": "buildah", "mmdebstrap": "mmdebstrap", "unshare": "util-linux"}


@cache
def build_tool(name: str) -> Path:
    """Have the local platform's room build a Go tool, and return its binary."""
    printed = output([sys.executable, "-m", "local", "build", name], IMAGES.parent)
    return Path(printed.split("\n")[-2] if printed.endswith("\n") else printed)


class Builder:
    """Builds the images of a catalogue into a store."""

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        progress: Progress,
        tool: Callable[[str], Path] = build_tool,
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._progress = progress
        self._tool = tool

    def hashes(self, names: Iterable[str]) -> dict[str, str]:
        """Return the content hash of each image and of all it stands on, bases first."""
        hashes: dict[str, str] = {}
        for recipe in self._catalogue.in_order(names):
            base = hashes[recipe.base] if recipe.base else None
            hashes[recipe.name] = fingerprint(recipe, base, self._binaries(recipe))
        return hashes

    def find(self, name: str) -> Image:
        """Return an image that was built.

        Raises:
            NotBuiltError: if its folder has changed since, or it never was.
        """
        image = self._store.find(self.hashes([name])[name])
        if not image:
            message = f"{name} is not built in its present form: run `python -m images build {name}`"
            raise NotBuiltError(message)
        return image

    def build(self, names: Iterable[str]) -> list[Image]:
        """Build images, after those they stand on, and return all of them; what is built already is not built again.

        Raises:
            ImageError: if an image cannot be built.
        """
        hashes = self.hashes(names)
        built: dict[str, Image] = {}
        for recipe in self._catalogue.in_order(hashes):
            built[recipe.name] = self._image(recipe, hashes[recipe.name], built.get(recipe.base or ""))
        return list(built.values())

    def _image(self, recipe: Recipe, content: str, base: Image | None) -> Image:
        if image := self._store.find(content):
            self._progress.note(f"{recipe.name}: {image.reference} is built already")
            return image
        if recipe.missing:
            message = f"{recipe.folder}: lacks {', '.join(recipe.missing)}: see {recipe.folder / 'image.yaml'}"
            raise RecipeError(message)
        require_root()
        with self._progress.task(recipe.name) as task, self._store.lock():
            return self._store.find(content) or self._make(recipe, content, base, task)

    def _make(self, recipe: Recipe, content: str, base: Image | None, task: Task) -> Image:
        """Build one image in a folder that an interrupted build may have left."""
        log = self._store.folder(content) / "build.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        require_programs(log, **_PROGRAMS)
        with _workplace(self._store.root / ".work") as work:
            epoch = self._catalogue.epoch(recipe)
            binaries, downloads = self._binaries(recipe), self._store.root / ".downloads"
            context.fill(work / "context", recipe, binaries, epoch, downloads, log, task.say)
            buildah = self._buildah(work, log, base, task)
            name = reference(recipe.name, content)
            buildah.build(
                work / "context",
                name,
                epoch,
                base=base.reference if base else None,
                arguments={"SOURCE_DATE_EPOCH": str(epoch), **machine.ARGUMENTS},
                volumes=self._lent(work / "machine", recipe),
                on_line=lambda line: _say_step(line, task),
            )
            task.say("export")
            buildah.export(name, work / "exported")
            digest = pack(work / "exported", name, work / "image.tar")
            return self._store.keep(work / "image.tar", recipe.name, content, digest)

    def _buildah(self, work: Path, log: Path, base: Image | None, task: Task) -> Buildah:
        """Return a buildah that has the layers of the base."""
        buildah = Buildah(self._store.root / ".layers", work, log)
        buildah.clear()
        if base and not buildah.has(base.reference):
            task.say("load its base")
            buildah.load(Path(base.archive), base.reference)
        return buildah

    def _lent(self, folder: Path, recipe: Recipe) -> list[tuple[Path, str]]:
        """Collect this machine's way to its registries, and return what the build sees of it, and where."""
        downloads = self._store.root / ".downloads"
        folder.mkdir()
        machine.lend(folder, self._suite(recipe), downloads)
        return [(folder, machine.MOUNT), (downloads, f"{machine.MOUNT}/downloads")]

    def _suite(self, recipe: Recipe) -> str | None:
        """Return the Debian suite at the bottom of an image, None if there is none."""
        for declared in recipe.settings.inputs.values():
            if isinstance(declared, DebianInput):
                return declared.debian.suite
        return self._suite(self._catalogue.recipe(recipe.base)) if recipe.base else None

    def _binaries(self, recipe: Recipe) -> Mapping[str, Path]:
        inputs = recipe.settings.inputs.items()
        return {name: self._tool(each.tool) for name, each in inputs if isinstance(each, ToolInput)}


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """Give an empty folder that nobody else can read, and remove it at the end."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    (folder / "context").mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _say_step(line: str, task: Task) -> None:
    if line.startswith("STEP "):
        task.say(line.removeprefix("STEP "))
