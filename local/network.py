"""The network namespace of a platform: no way out, no address of the machine's, the same addresses in each.

The node's address stands on a bridge without ports. There is no default route; the Service network is routed to the
bridge only so that a process of the node gets as far as the hooks in which kube-proxy rewrites the destination.
"""

import subprocess
from pathlib import Path

from local.errors import PlatformError
from local.paths import Layout

BRIDGE = "cloison0"
NODE_ADDRESS = "10.10.0.1"
NODE_NETWORK = "10.10.0.0/24"
POD_NETWORK = "10.244.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"
API_PORT = 6443

NAMESPACES = Path("/run/netns")


def enter(layout: Layout) -> list[str]:
    """The words to put before a command that shall run inside.

    Not `ip netns exec`: that mounts another /sys, in which the kubelet finds no control groups.
    """
    return ["nsenter", f"--net={layout.namespace_path}", "--"]


def exists(layout: Layout) -> bool:
    """Whether the namespace is there: the file alone is not enough, it must be mounted on."""
    return str(layout.namespace_path) in mount_points()


def create(layout: Layout) -> None:
    """Make the namespace and what belongs in it; what is there already stays."""
    if not exists(layout):
        _make_namespace(layout)
    run([*enter(layout), "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])
    run([*enter(layout), "ip", "link", "set", "lo", "up"])
    if BRIDGE not in interfaces(layout):
        run([*enter(layout), "ip", "link", "add", BRIDGE, "type", "bridge"])
    run([*enter(layout), "ip", "address", "replace", f"{NODE_ADDRESS}/24", "dev", BRIDGE])
    run([*enter(layout), "ip", "link", "set", BRIDGE, "up"])
    run([*enter(layout), "ip", "route", "replace", SERVICE_NETWORK, "dev", BRIDGE])


def delete(layout: Layout) -> None:
    """Remove the namespace; its interfaces, routes and firewall rules go with it."""
    if exists(layout):
        run(["umount", str(layout.namespace_path)])
    layout.namespace_path.unlink(missing_ok=True)


def interfaces(layout: Layout) -> list[str]:
    """Names of the interfaces inside."""
    listing = run([*enter(layout), "ip", "-oneline", "link", "show"])
    return [line.split(": ")[1].split("@")[0] for line in listing.splitlines()]


def mount_points() -> list[str]:
    """Every mount of this machine, in the order they were made."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4].encode().decode("unicode_escape") for line in lines]


def run(command: list[str]) -> str:
    """Run a command and return what it printed.

    Raises:
        PlatformError: it failed, with what it said.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(command)} failed: {done.stderr.strip()}"
        raise PlatformError(message)
    return done.stdout


def _make_namespace(layout: Layout) -> None:
    # Not `ip netns add`: that leaves a mount on /run/netns behind, which `down` could not tell from another's.
    NAMESPACES.mkdir(exist_ok=True)
    layout.namespace_path.touch()
    run(["unshare", f"--net={layout.namespace_path}", "--", "true"])
