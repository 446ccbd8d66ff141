"""A build that is killed in the middle leaves nothing running, and the next one goes on from there."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from images.builder import Builder
from images.catalogue import Catalogue
from images.progress import Progress
from images.store import Image, Store

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900)]

CONTAINERFILE = """\
FROM cloison.local/base
USER 0:0
RUN echo one > /etc/one
RUN test -e /mnt/downloads/go || sleep 3000
RUN echo two > /etc/two
"""
BUILD = """
import sys
from pathlib import Path
from images.builder import Builder
from images.catalogue import Catalogue
from images.progress import Progress
from images.store import Store
Builder(Catalogue(Path(sys.argv[1])), Store(Path(sys.argv[2])), Progress()).build(["probe"])
"""


@pytest.fixture
def rooms_with_probe(rooms: Path) -> Path:
    shutil.copytree(Path(__file__).parents[2] / "images/base", rooms / "base")
    (rooms / "probe").mkdir()
    (rooms / "probe/Containerfile").write_text(CONTAINERFILE)
    return rooms


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that holds the base image and none of its layers."""
    (base,) = Builder(Catalogue(), Store(), Progress()).build(["base"])
    store = Store(tmp_path / "cache")
    shutil.copytree(Path(base.archive).parent, store.folder(base.hash), ignore=shutil.ignore_patterns("*.log"))
    return store


def test_a_killed_build_ends_whole_and_continues(rooms_with_probe: Path, store: Store):
    build = subprocess.Popen([sys.executable, "-c", BUILD, str(rooms_with_probe), str(store.root.parent)])
    try:
        until(lambda: "sleep 3000" in log(store), 300)
    finally:
        build.kill()
        build.wait()
    until(lambda: not processes(store), 30)
    assert str(store.root) not in Path("/proc/self/mounts").read_text()

    (store.root / ".downloads/go").touch()
    made: list[Image] = Builder(Catalogue(rooms_with_probe), store, Progress()).build(["probe"])
    assert [image.name for image in made] == ["base", "probe"]
    assert "Using cache" in log(store)
    assert "echo two" in log(store)


def log(store: Store) -> str:
    return "".join(file.read_text() for file in store.root.glob("*/build.log"))


def processes(store: Store) -> list[str]:
    """Return the commands that work in the store."""
    commands = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.parent.name != "self"]
    return [command.decode(errors="replace") for command in commands if str(store.root).encode() in command]


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: if it does not come about in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.1)
