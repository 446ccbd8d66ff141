"""The image of the conformance pods: upstream's agnhost to serve, and our worker to connect."""

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProbeImage:
    """An image without anything but programs, each at the root under the name given."""

    programs: dict[str, Path]

    @property
    def reference(self) -> str:
        """Name of the image; its tag follows from its content."""
        return f"cloison.local/policy-probe:{hashlib.sha256(self._layer()).hexdigest()[:12]}"

    def write(self, archive: Path) -> None:
        """Write the image as a Docker archive, the simplest kind that containerd imports."""
        layer = self._layer()
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
            }
        ).encode()
        manifest = [{"Config": "config.json", "RepoTags": [self.reference], "Layers": ["layer.tar"]}]
        files = {"layer.tar": layer, "config.json": config, "manifest.json": json.dumps(manifest).encode()}
        archive.write_bytes(_tar(files))

    def _layer(self) -> bytes:
        return _tar({name: path.read_bytes() for name, path in sorted(self.programs.items())})


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
