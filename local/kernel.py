"""Settings of the machine's kernel that a kubelet changes for the whole machine.

They are noted by the first `up` and put back by the last `down`.
"""

import contextlib
import json
from pathlib import Path

KEPT = Path("/run/cloison/kernel.json")

CHANGED_BY_KUBELET = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
"""From k8s.io/kubernetes/pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables."""


def keep(system: Path = Path("/proc/sys"), kept: Path = KEPT) -> None:
    """Note the settings, unless another platform runs and they are noted already."""
    if kept.exists():
        return
    values = {name: (system / name).read_text().strip() for name in CHANGED_BY_KUBELET if (system / name).exists()}
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(values))


def put_back(system: Path = Path("/proc/sys"), kept: Path = KEPT) -> None:
    """Set what was noted."""
    if not kept.exists():
        return
    for name, value in json.loads(kept.read_text()).items():
        with contextlib.suppress(OSError):  # a machine may let one read a setting but not write it
            (system / name).write_text(value)
    kept.unlink()
