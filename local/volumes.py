"""The loop devices of a platform's volumes: each volume is a file system in a file, attached while the platform is up.

`tools/provisioner` makes and mounts them; here is what `down` needs to leave none behind.
"""

import contextlib
from pathlib import Path

from local import network, waiting
from local.errors import PlatformError

BLOCK_DEVICES = Path("/sys/block")

PATIENCE = 10.0
"""Seconds the kernel may take to write a volume's last data and let go of its file."""


def attached(place: Path, devices: Path = BLOCK_DEVICES) -> list[str]:
    """The loop devices whose file is at a place, or in the folder there; also one that was deleted meanwhile."""
    found: list[str] = []
    for backing in sorted(devices.glob("loop*/loop/backing_file")):
        with contextlib.suppress(OSError):  # detached while it is read
            file = Path(backing.read_text().strip().removesuffix(" (deleted)"))
            if file.is_relative_to(place):
                found.append(f"/dev/{backing.parent.parent.name}")
    return found


def detach(images: Path) -> None:
    """Return when no file of the folder is attached to a loop device; what is mounted must be unmounted before.

    Raises:
        PlatformError: a process that is not the platform's keeps one in use, in a mount namespace of its own.
    """
    devices = attached(images)
    for device in devices:
        with contextlib.suppress(PlatformError):  # it let go of its file by itself meanwhile
            network.run(["losetup", "--detach", device])
    what = f"the end of {', '.join(devices)}, which a mount namespace outside the platform may keep,"
    waiting.until(lambda: not attached(images), what, PATIENCE)
