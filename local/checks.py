"""Refuses a machine that cannot carry a platform, before anything is changed, and says what it lacks."""

import os
import shutil
import subprocess
from pathlib import Path

from local import cgroups
from local.errors import RefusedError
from local.paths import cache_root

MEMORY = 2 * 2**30
"""Bytes that must be available: the idle platform takes about half of it."""

DISK = 5 * 2**30
"""Bytes that must be free for images, volumes and logs."""

KERNEL_FEATURES = {
    "network namespaces (CONFIG_NET_NS)": "true",
    "bridges (CONFIG_BRIDGE)": "ip link add name probe0 type bridge",
    "virtual Ethernet pairs (CONFIG_VETH)": "ip link add name probe1 type veth peer name probe2",
    "nftables (CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET)": "nft add table inet probe",
    "nftables NAT (CONFIG_NFT_NAT)": (
        "nft 'table ip probe { chain c { type nat hook prerouting priority 0; ip daddr 10.0.0.1 dnat to 10.0.0.2; }; }'"
    ),
    "nftables masquerade (CONFIG_NFT_MASQ)": (
        "nft 'table ip probe { chain c { type nat hook postrouting priority 0; masquerade; }; }'"
    ),
    "connection tracking in nftables (CONFIG_NFT_CT)": (
        "nft 'table ip probe { chain c { type filter hook forward priority 0; ct state established accept; }; }'"
    ),
    "loop devices (CONFIG_BLK_DEV_LOOP)": "losetup --find",
    "encryption in ext4 (CONFIG_EXT4_FS, CONFIG_FS_ENCRYPTION)": (
        "modprobe --quiet ext4 2>/dev/null || true; cat /sys/fs/ext4/features/encryption"
    ),
}
"""Feature and a shell line that uses it inside a namespace of its own."""

PROBE = ["unshare", "--net", "sh", "-ec"]

CONTROLLERS = ("cpu", "cpuset", "memory", "pids")


def require_root() -> None:
    """Refuse to run as anyone but root.

    Raises:
        RefusedError: not root.
    """
    if os.geteuid() != 0:
        message = "the local platform makes network namespaces and mounts: run this as root"
        raise RefusedError(message)


def require_resources(state: Path) -> None:
    """Refuse a machine without the memory and disk for a platform.

    Raises:
        RefusedError: naming what is short, how much there is and how much is needed.
    """
    available = _available_memory()
    if available < MEMORY:
        message = f"memory: {_gibibytes(available)} available, {_gibibytes(MEMORY)} needed"
        raise RefusedError(message)
    for place in (state, cache_root()):
        free = shutil.disk_usage(_existing(place)).free
        if free < DISK:
            message = f"disk: {_gibibytes(free)} free at {place}, {_gibibytes(DISK)} needed"
            raise RefusedError(message)


def require_kernel() -> None:
    """Refuse a kernel that lacks a feature, by trying each one out in a namespace that vanishes.

    Raises:
        RefusedError: naming the first feature that is missing.
    """
    for feature, line in KERNEL_FEATURES.items():
        tried = subprocess.run([*PROBE, line], capture_output=True, text=True, check=False)
        if tried.returncode:
            message = f"the kernel lacks {feature}: {tried.stderr.strip().partition(chr(10))[0]}"
            raise RefusedError(message)
    if not _has_overlay():
        message = "the kernel lacks overlayfs (CONFIG_OVERLAY_FS)"
        raise RefusedError(message)
    for controller in CONTROLLERS:
        if not cgroups.has_controller(controller):
            message = f"the kernel lacks the control group controller {controller}, or it is not mounted"
            raise RefusedError(message)


def _has_overlay() -> bool:
    if "\toverlay\n" not in Path("/proc/filesystems").read_text() and shutil.which("modprobe"):
        subprocess.run(["modprobe", "overlay"], capture_output=True, check=False)
    return "\toverlay\n" in Path("/proc/filesystems").read_text()


def _available_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())


def _gibibytes(amount: int) -> str:
    return f"{amount / 2**30:.1f} GiB"
