"""Settings of the machine's kernel that a platform changes for the whole machine.

They are noted by the first `up` and put back by the last `down`.
"""

import contextlib
import json
from pathlib import Path

KEPT = Path("/run/cloison/kernel.json")
SYSTEM = Path("/proc/sys")

RAISED = {"fs/inotify/max_user_instances": 8192, "fs/inotify/max_user_watches": 1048576}
"""Setting and what it must be at least: the usual 128 instances are used up by three platforms."""

CHANGED_BY_KUBELET = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
"""From k8s.io/kubernetes/pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables."""


def prepare(system: Path = SYSTEM, kept: Path = KEPT) -> None:
    """Note the settings, unless another platform runs and they are noted already; then raise what is too low."""
    if not kept.exists():
        names = [name for name in (*RAISED, *CHANGED_BY_KUBELET) if (system / name).exists()]
        values = {name: (system / name).read_text().strip() for name in names}
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(values))
    for name, least in RAISED.items():
        path = system / name
        if path.exists() and int(path.read_text()) < least:
            _set(path, str(least))


def put_back(system: Path = SYSTEM, kept: Path = KEPT) -> None:
    """Set what was noted."""
    if not kept.exists():
        return
    for name, value in json.loads(kept.read_text()).items():
        _set(system / name, value)
    kept.unlink()


def _set(path: Path, value: str) -> None:
    with contextlib.suppress(OSError):  # a machine may let one read a setting but not write it
        path.write_text(value)
