"""Where the local platform keeps what it makes: one layout for each platform, one cache for all of them."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from local.errors import RefusedError

DEFAULT_NAME = "local"

NAME_LENGTH = 12
"""Longest name of a platform. A link is the interface ``to-<name>``, and Linux gives an interface 15 characters."""

REPOSITORY = Path(__file__).resolve().parent.parent
TOOLS = REPOSITORY / "tools"


def cache_root() -> Path:
    """Folder shared by all checkouts for what is expensive to make and named by what it was made from."""
    if configured := os.environ.get("CLOISON_CACHE"):
        return Path(configured)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloison"


@dataclass(frozen=True)
class Layout:
    """The folders, files and kernel objects of one platform, all derived from its name."""

    name: str

    def __post_init__(self) -> None:
        if len(self.name) > NAME_LENGTH or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", self.name):
            message = (
                f"platform name {self.name!r}: use at most {NAME_LENGTH} lower-case letters, digits and hyphens, "
                "with a letter or digit at both ends"
            )
            raise RefusedError(message)

    @property
    def state(self) -> Path:
        """What outlives `down`: etcd's data, volumes, images, certificates. Only root may read it."""
        return Path("/var/lib/cloison") / self.name

    @property
    def run(self) -> Path:
        """What describes running processes: sockets and process records."""
        return Path("/run/cloison") / self.name

    @property
    def logs(self) -> Path:
        """One file for each component, the audit log and the pods' logs."""
        return self.state / "logs"

    @property
    def audit_log(self) -> Path:
        """Every request to the API server that the audit policy keeps, one JSON object per line."""
        return self.logs / "audit" / "audit.log"

    @property
    def pki(self) -> Path:
        """Certificate authorities, keys and certificates."""
        return self.state / "pki"

    @property
    def configuration(self) -> Path:
        """The rendered configuration of the components and their kubeconfigs."""
        return self.state / "etc"

    @property
    def volumes(self) -> Path:
        """One folder for each PersistentVolume, on which its file system is mounted."""
        return self.state / "volumes"

    @property
    def volume_images(self) -> Path:
        """One sparse file for each PersistentVolume, which holds its file system."""
        return self.state / "volume-images"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, usable from the machine's own network namespace."""
        return self.state / "kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd answers."""
        return self.run / "containerd.sock"

    @property
    def namespace(self) -> str:
        """Name of the network namespace."""
        return f"cloison-{self.name}"

    @property
    def namespace_path(self) -> Path:
        """File that keeps the network namespace alive."""
        return Path("/run/netns") / self.namespace

    @property
    def node(self) -> str:
        """Name of the one Node."""
        return f"cloison-{self.name}"

    @property
    def cgroup(self) -> str:
        """Control group, relative to the root of each hierarchy, that holds all processes of the platform."""
        return f"cloison/{self.name}"

    def kubeconfig_of(self, client: str) -> Path:
        """The kubeconfig a component uses inside the network namespace."""
        return self.configuration / f"{client}.kubeconfig"

    @property
    def lock(self) -> Path:
        """File locked while a command changes the platform."""
        return Path("/run/cloison") / f"{self.name}.lock"


def platforms() -> list[Layout]:
    """Every platform that has state on this machine, running or not."""
    root = Path("/var/lib/cloison")
    return [Layout(path.name) for path in sorted(root.iterdir()) if path.is_dir()] if root.is_dir() else []
