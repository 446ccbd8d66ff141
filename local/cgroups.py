"""The control group that holds every process of a platform and of its pods, in every hierarchy the machine has.

It is what makes `down` exact: whatever runs in it is ours, whatever does not is not.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

from local.errors import PlatformError
from local.paths import Layout

MOUNT = Path("/sys/fs/cgroup")

COMPONENTS = "platform"
"""Group for the components and the container shims; the kubelet makes its own one, for pods, beside it."""


def hierarchies(mounts: str | None = None) -> list[Path]:
    """Where each hierarchy is mounted: one for version 2, several for version 1, all of them where both are in use.

    Args:
        mounts: content of /proc/mounts, for tests.
    """
    lines = (Path("/proc/mounts").read_text() if mounts is None else mounts).splitlines()
    return [Path(fields[1]) for fields in map(str.split, lines) if fields[2] in {"cgroup", "cgroup2"}]


def has_controller(name: str) -> bool:
    """Whether the machine has a control group controller, mounted and usable."""
    unified = MOUNT / "cgroup.controllers"
    if unified.exists():
        return name in unified.read_text().split()
    return any(name in hierarchy.name.split(",") for hierarchy in hierarchies())


def create(layout: Layout) -> None:
    """Make the groups; those that exist stay as they are."""
    for hierarchy in hierarchies():
        path = hierarchy
        for part in (*layout.cgroup.split("/"), COMPONENTS):
            _delegate(path)
            path = path / part
            path.mkdir(exist_ok=True)
            _inherit_cpuset(path)


def adopt(layout: Layout, pid: int) -> None:
    """Put a process into the group of the components."""
    for hierarchy in hierarchies():
        (hierarchy / layout.cgroup / COMPONENTS / "cgroup.procs").write_text(str(pid))


def processes(layout: Layout) -> list[int]:
    """Every process of the platform, its shims and its pods."""
    return sorted(_members(layout, ""))


def stop_pods(layout: Layout, patience: float = 5.0) -> None:
    """Ask every process of a pod to end and give them `patience` seconds; who is left is killed later."""
    pods = [pid for pid in processes(layout) if pid not in _members(layout, COMPONENTS)]
    for pid in pods:
        _signal(layout, pid, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while set(pods) & set(processes(layout)) and time.monotonic() < deadline:
        time.sleep(0.05)


def kill(layout: Layout, patience: float = 10.0) -> None:
    """End everything in the group.

    Raises:
        PlatformError: a process is still there after `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while left := processes(layout):
        for pid in left:
            _signal(layout, pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            message = f"processes {left} of platform {layout.name} do not end: they hang in the kernel"
            raise PlatformError(message)
        time.sleep(0.05)


def remove(layout: Layout) -> None:
    """Remove the groups, and the group of all platforms when this was the last one."""
    for hierarchy in hierarchies():
        top = hierarchy / layout.cgroup
        for path in _tree(top):
            _remove(path)
        with contextlib.suppress(OSError):
            top.parent.rmdir()


def _members(layout: Layout, group: str) -> set[int]:
    found: set[int] = set()
    for hierarchy in hierarchies():
        for path in _tree(hierarchy / layout.cgroup / group):
            with contextlib.suppress(OSError):  # a group may vanish while it is read
                found.update(map(int, (path / "cgroup.procs").read_text().split()))
    return found


def _signal(layout: Layout, pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        handle = os.pidfd_open(pid)
        try:
            # Looked up again under the handle: the number may have gone to a stranger since the group was read.
            if f"/{layout.cgroup}/" in Path(f"/proc/{pid}/cgroup").read_text():
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def _tree(top: Path) -> list[Path]:
    """A group and all groups below it, the lowest first; one that vanishes meanwhile is left out."""
    return [Path(path) for path, _, _ in os.walk(top, topdown=False)]


def _remove(path: Path, patience: float = 5.0) -> None:
    deadline = time.monotonic() + patience
    while path.is_dir():
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            # The kernel lets go of a group some time after its last process has ended.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _delegate(path: Path) -> None:
    """Version 2: hand the controllers of a group down to those below it; version 1 does so by itself."""
    offered = path / "cgroup.controllers"
    for controller in offered.read_text().split() if offered.exists() else []:
        with contextlib.suppress(OSError):  # one that cannot be handed down is missed, and named, by the kubelet
            (path / "cgroup.subtree_control").write_text(f"+{controller}")


def _inherit_cpuset(path: Path) -> None:
    for setting in ("cpuset.cpus", "cpuset.mems"):
        own, above = path / setting, path.parent / setting
        if own.exists() and above.exists() and not own.read_text().strip():
            own.write_text(above.read_text())
