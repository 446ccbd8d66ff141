"""An OCI archive, the same for the same image."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

CONTAINERD_NAME = "io.containerd.image.name"
"""Annotation by which containerd names an image that it imports.

https://github.com/containerd/containerd/blob/main/core/images/annotations.go
"""


_LAYOUT = {"imageLayoutVersion": "1.0.0"}
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def pack(exported: Path, reference: str, archive: Path) -> str:
    """Pack what buildah exported into an OCI archive, in a fixed order, without times and owners.

    Args:
        exported: The folder of `Buildah.export`; its files move.
        reference: The image's name, by which containerd knows it after an import.
        archive: The file to write.

    Returns:
        The digest of the image's manifest.
    """
    layout = exported.with_name(f"{exported.name}.layout")
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)
    manifest = (exported / "manifest.json").read_bytes()
    digest = hashlib.sha256(manifest).hexdigest()
    (blobs / digest).write_bytes(manifest)
    for blob in _blobs(json.loads(manifest)):
        (exported / blob).rename(blobs / blob)
    (layout / "oci-layout").write_text(_compact(_LAYOUT))
    (layout / "index.json").write_text(_compact(_index(digest, len(manifest), reference)))
    _tar(layout, archive)
    return f"sha256:{digest}"


def _blobs(manifest: dict[str, Any]) -> set[str]:
    return {each["digest"].removeprefix("sha256:") for each in (manifest["config"], *manifest["layers"])}


def _index(digest: str, size: int, reference: str) -> dict[str, Any]:
    names = {CONTAINERD_NAME: reference, "org.opencontainers.image.ref.name": reference}
    described = {"mediaType": _MANIFEST, "digest": f"sha256:{digest}", "size": size, "annotations": names}
    return {"schemaVersion": 2, "manifests": [described]}


def _compact(content: object) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _tar(layout: Path, archive: Path) -> None:
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(layout.rglob("*")):
            tar.add(path, str(path.relative_to(layout)), recursive=False, filter=_plain)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() else 0o644
    return entry
