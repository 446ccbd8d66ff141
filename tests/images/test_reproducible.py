"""An image with a Debian package, a Python package and a file, built twice from nothing."""

import io
import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from images.builder import Builder
from images.catalogue import IMAGES, Catalogue
from images.progress import Progress
from images.store import Image, Store
from tests.images import unpack

pytestmark = [pytest.mark.platform, pytest.mark.timeout(1800)]

CONTAINERFILE = """\
FROM cloison.local/base
USER 0:0
ARG SOURCE_DATE_EPOCH
ARG APT_CONFIG
ARG PIP_CONFIG_FILE
RUN apt-get update -q \\
 && apt-get install -qy --no-install-recommends python3 python3-venv \\
 && seal-layer /usr/lib/python3 /usr/lib/python3.11
COPY requirements.txt /opt/requirements.txt
RUN python3 -m venv /opt/probe \\
 && /opt/probe/bin/pip install --no-compile --no-deps --require-hashes --requirement /opt/requirements.txt \\
 && seal-layer /opt/probe
COPY greeting /etc/greeting
"""
PACKAGES = ("traitlets", "tornado")


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("rooms")
    shutil.copytree(IMAGES / "base", folder / "base")
    (folder / "probe").mkdir()
    (folder / "probe/Containerfile").write_text(CONTAINERFILE)
    (folder / "probe/greeting").write_text("bonjour\n")
    pinned = (IMAGES / "jupyterlab/requirements.txt").read_text().split("\n")
    (folder / "probe/requirements.txt").write_text("\n".join(_of(PACKAGES, pinned)))
    return Catalogue(folder)


def _of(packages: tuple[str, ...], pinned: list[str]) -> list[str]:
    """Return the lines of some packages in a requirements file."""
    chosen, wanted = [], False
    for line in pinned:
        wanted = line.startswith(tuple(f"{name}==" for name in packages)) if not line.startswith(" ") else wanted
        chosen += [line] if wanted else []
    return chosen


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    made = Store(tmp_path_factory.mktemp("one")), Store(tmp_path_factory.mktemp("two"))
    yield made
    for store in made:
        shutil.rmtree(store.root)  # a gigabyte that pytest would keep


def build(catalogue: Catalogue, store: Store, name: str) -> list[Image]:
    return Builder(catalogue, store, Progress(Console(file=io.StringIO()))).build([name])


@pytest.fixture(scope="module")
def twice(catalogue: Catalogue, stores: tuple[Store, Store]) -> list[list[Image]]:
    """The image and its base from two empty stores; the second forgets its layers in between."""
    first = build(catalogue, stores[0], "probe")
    build(catalogue, stores[1], "base")
    shutil.rmtree(stores[1].root / ".layers")
    return [first, build(catalogue, stores[1], "probe")]


@pytest.fixture(scope="module")
def root(twice: list[list[Image]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("probe") / "root"
    unpack.unpack(Path(twice[0][-1].archive), folder)
    return folder


def test_the_same_inputs_give_the_same_digests(twice: list[list[Image]]):
    first, second = twice
    assert [image.name for image in first] == ["base", "probe"]
    layers = [[each["digest"] for each in unpack.manifest(Path(made[-1].archive))["layers"]] for made in twice]
    assert layers[0] == layers[1]
    assert [image.digest for image in first] == [image.digest for image in second]
    assert Path(first[-1].archive).read_bytes() == Path(second[-1].archive).read_bytes()


def test_the_image_works(root: Path):
    assert (root / "etc/greeting").read_text() == "bonjour\n"
    assert (root / "opt/probe/lib/python3.11/site-packages/tornado/web.py").exists()
    assert (root / "home/researcher").stat().st_uid == 1000


def test_python_finds_its_bytecode_whatever_the_time_stamps(root: Path):
    compiled = root / "opt/probe/lib/python3.11/site-packages/tornado/__pycache__/web.cpython-311.pyc"
    flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
    assert flags == 0b01, "PEP 552: hash-based, not checked against the source"


def test_no_layer_keeps_the_way_to_a_registry(root: Path):
    kept = [*root.glob("etc/apt/sources.list*"), *root.glob("etc/apt/sources.list.d/*"), *root.glob("mnt/*")]
    kept += [*root.glob("etc/pip.conf"), *root.glob("etc/apt/apt.conf.d/*mmdebstrap*"), *root.glob("root/.*/**/pip*")]
    assert [path.relative_to(root) for path in kept if path.is_file()] == []


def test_only_debians_own_authorities_are_trusted(root: Path):
    assert list((root / "usr/local/share/ca-certificates").glob("*")) == []
    trusted = (root / "etc/ssl/certs/ca-certificates.crt").read_text().count("BEGIN CERTIFICATE")
    assert trusted == len(list((root / "usr/share/ca-certificates/mozilla").glob("*.crt")))


def test_nothing_tells_where_the_image_was_built(root: Path, twice: list[list[Image]], stores: tuple[Store, Store]):
    names = [(root / "etc" / file).read_text() for file in ("hostname", "hosts", "resolv.conf")]
    assert "".join(names) == ""
    described = json.dumps([unpack.config(Path(image.archive)) for image in twice[0]])
    assert str(stores[0].root) not in described
    assert socket.gethostname() not in json.loads(described)[-1]["config"].get("Env", [])


def test_nothing_is_left_behind(stores: tuple[Store, Store], twice: list[list[Image]]):
    mounts = Path("/proc/self/mounts").read_text()
    for store in stores:
        assert str(store.root) not in mounts
        assert not (store.root / ".work").exists()
