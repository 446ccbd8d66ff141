"""Images as folders, for tests that look inside or run them."""

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

_GONE = ".wh."


def manifest(archive: Path) -> dict[str, Any]:
    """Return the manifest of the one image in an OCI archive."""
    with tarfile.open(archive) as tar:
        index = json.load(_file(tar, "index.json"))
        return json.load(_file(tar, _blob(index["manifests"][0]["digest"])))


def config(archive: Path) -> dict[str, Any]:
    """Return the configuration of the image: its user, environment, entry point and history."""
    described = manifest(archive)["config"]["digest"]
    with tarfile.open(archive) as tar:
        return json.load(_file(tar, _blob(described)))


def unpack(archive: Path, root: Path) -> None:
    """Write the file system of an image below `root`, as a node does."""
    for layer in manifest(archive)["layers"]:
        blob = root.with_name(f"{root.name}.layer")
        with tarfile.open(archive) as tar, blob.open("wb") as target:
            shutil.copyfileobj(_file(tar, _blob(layer["digest"])), target)
        _apply(blob, root)
        blob.unlink()


def _apply(layer: Path, root: Path) -> None:
    with tarfile.open(layer) as tar:
        removed = [Path(name) for name in tar.getnames() if Path(name).name.startswith(_GONE)]
    for marker in removed:
        path = root / marker.with_name(marker.name.removeprefix(_GONE))
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    root.mkdir(exist_ok=True)
    subprocess.run(["tar", "-x", "-f", layer, "-C", root, f"--exclude={_GONE}*"], check=True)


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _file(tar: tarfile.TarFile, name: str) -> Any:
    stream = tar.extractfile(name)
    assert stream, name
    return stream
