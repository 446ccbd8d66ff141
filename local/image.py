"""Container images of a single static program, for what the platform needs before any image builder can run."""

import hashlib
import io
import json
import platform
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class ProgramImage:
    """An image that holds one program at its root and runs it.

    Attributes:
        program: the static program.
        user: number of the user it runs as; nobody, by default.
    """

    program: Path
    user: int = 65534

    @property
    def reference(self) -> str:
        """Name of the image; its tag follows from the program's bytes."""
        return f"cloison.local/{self.program.name}:{hashlib.sha256(self.program.read_bytes()).hexdigest()[:12]}"

    def archive(self) -> bytes:
        """The image as an OCI archive: the same bytes for the same program."""
        layer = _tar({self.program.name: (self.program.read_bytes(), 0o755)})
        config = _json(self._config(layer))
        manifest = _json({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
        })  # fmt: skip
        blobs = {f"blobs/sha256/{_digest(blob)}": (blob, 0o644) for blob in (layer, config, manifest)}
        layout = {"oci-layout": (_json({"imageLayoutVersion": "1.0.0"}), 0o644)}
        return _tar(blobs | layout | {"index.json": (_json(self._index(manifest)), 0o644)})

    def _config(self, layer: bytes) -> dict[str, Any]:
        return {
            "architecture": _architecture(),
            "os": "linux",
            "config": {"Entrypoint": [f"/{self.program.name}"], "User": f"{self.user}:{self.user}"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_digest(layer)}"]},
        }

    def _index(self, manifest: bytes) -> dict[str, Any]:
        described = _descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
        described["annotations"] = {"io.containerd.image.name": self.reference}
        described["platform"] = {"architecture": _architecture(), "os": "linux"}
        return {"schemaVersion": 2, "manifests": [described]}


def _architecture() -> str:
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{_digest(blob)}", "size": len(blob)}


def _digest(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, (content, mode) in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()
