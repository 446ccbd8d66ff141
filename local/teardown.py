"""Takes a platform off the machine: processes, mounts, loop devices, network, control groups. Only what is its own."""

import contextlib
import ctypes
import os
import shutil
from pathlib import Path

from local import cgroups, kernel, links, network, volumes
from local.components import START_ORDER
from local.errors import PlatformError
from local.launch import supervisor
from local.paths import Layout, platforms

CNI_RESULTS = Path("/var/lib/cni/results")
"""Where the CNI library keeps its results: a path it does not let one choose."""

KUBELET_SOCKETS = Path("/var/lib/kubelet/device-plugins")
"""Where the kubelet waits for device plugins: a path it does not let one choose."""

CONTAINER_LOGS = Path("/var/log/containers")
"""Where the kubelet links to the pods' logs: a path it does not let one choose."""

MNT_DETACH = 2
"""From linux/fs.h."""


def stop_pods(layout: Layout) -> None:
    """Stop the kubelet, so that nothing is started again, then ask the pods to end."""
    supervisor(layout).stop("kubelet")
    cgroups.stop_pods(layout)


def stop_components(layout: Layout) -> None:
    """Stop the components, last started first, then whatever is left in the platform's control group."""
    processes = supervisor(layout)
    for name in reversed(START_ORDER):
        processes.stop(name)
    cgroups.kill(layout)


def remove(layout: Layout) -> None:
    """Remove mounts, loop devices, the network namespace, control groups and run files; the state folder stays.

    Raises:
        PlatformError: a mount or a loop device cannot be removed.
    """
    _unmount(layout)
    volumes.detach(layout.volume_images)
    links.unlink_all(layout)
    network.delete(layout)
    cgroups.remove(layout)
    shutil.rmtree(layout.run, ignore_errors=True)
    _remove_files_elsewhere(layout)
    if not any(network.exists(other) for other in platforms()):
        kernel.put_back()
        _remove_kubelet_socket()


def _unmount(layout: Layout) -> None:
    own = (f"{layout.state}/", f"{layout.run}/")
    for point in reversed(network.mount_points()):
        if point.startswith(own):
            _detach(point)


def _detach(point: str) -> None:
    if ctypes.CDLL(None, use_errno=True).umount2(point.encode(), MNT_DETACH):
        message = f"cannot unmount {point}: {os.strerror(ctypes.get_errno())}"
        raise PlatformError(message)


def _remove_kubelet_socket() -> None:
    (KUBELET_SOCKETS / "kubelet.sock").unlink(missing_ok=True)
    for folder in (KUBELET_SOCKETS, KUBELET_SOCKETS.parent):
        with contextlib.suppress(OSError):  # not there, or in use by others
            folder.rmdir()


def _remove_files_elsewhere(layout: Layout) -> None:
    for path in CNI_RESULTS.glob(f"{layout.namespace}-*"):
        path.unlink(missing_ok=True)
    for link in CONTAINER_LOGS.glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(layout.logs):
            link.unlink(missing_ok=True)
    for folder in (CNI_RESULTS, CNI_RESULTS.parent, CONTAINER_LOGS, network.NAMESPACES):
        with contextlib.suppress(OSError):  # not there, or in use by others
            folder.rmdir()
