"""The folder that a Containerfile is built in."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from images.debian import make_root
from images.fingerprint import files
from images.maven import MavenInput, fetch
from images.recipe import DebianInput, Recipe


def fill(
    context: Path,
    recipe: Recipe,
    binaries: Mapping[str, Path],
    epoch: int,
    downloads: Path,
    log: Path,
    say: Callable[[str], None],
) -> None:
    """Copy an image's files into its build context and make its other inputs.

    Args:
        context: An existing, empty folder.
        recipe: The image.
        binaries: The files that come from elsewhere, by their name in the context.
        epoch: Time stamp of what is made, in seconds since 1970.
        downloads: A folder that outlives the build.
        log: Gets the output of what is run.
        say: Gets a few words on each step.
    """
    for file in files(recipe.folder):
        _copy(file, context / file.relative_to(recipe.folder), executable=bool(file.stat().st_mode & 0o100))
    for name, path in binaries.items():
        _copy(path, context / name, executable=True)
    for name, declared in recipe.settings.inputs.items():
        if isinstance(declared, DebianInput):
            make_root(declared.debian, context / name, epoch, log, lambda line: _say_information(line, say))
        if isinstance(declared, MavenInput):
            say(f"fetch {declared.maven}")
            fetch(declared, context / name, downloads, log)


def _copy(source: Path, target: Path, *, executable: bool) -> None:
    """Copy a file with one of the two modes that git keeps, whatever the checkout's umask was."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if executable else 0o644)


def _say_information(line: str, say: Callable[[str], None]) -> None:
    if line.startswith("I: ") and "/" not in line:
        say(line.removeprefix("I: "))
