"""The Debian packages the platform stands on, installed where they are missing."""

import os
import subprocess
from collections.abc import Sequence

from local.errors import PlatformError, RefusedError
from local.progress import Progress

REQUIRED = (
    "conntrack",  # kube-proxy drops stale UDP flows with it
    "containernetworking-plugins",
    "e2fsprogs",  # makes the volumes' file systems
    "iproute2",
    "libnss-myhostname",  # names under .localhost resolve for every program
    "mount",
    "nftables",
    "runc",
    "util-linux",
)


def ensure(progress: Progress, names: Sequence[str] = REQUIRED) -> None:
    """Install what is missing; starts no service and asks nothing."""
    if absent := missing(names):
        with progress.step(f"install Debian packages: {', '.join(absent)}"):
            _install(absent)


def missing(names: Sequence[str] = REQUIRED) -> list[str]:
    """The packages that are not installed."""
    try:
        done = subprocess.run(
            ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n", *names],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        message = f"dpkg-query not found: on a system that is not Debian, install {', '.join(names)} by hand"
        raise RefusedError(message) from None
    installed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("installed ")}
    return sorted(set(names) - installed)


def _install(names: list[str]) -> None:
    install = ["install", "--yes", "--quiet", "--no-install-recommends", *names]
    if _apt_get(install).returncode == 0:
        return
    # A fresh machine has no package lists, an old one has stale ones.
    _apt_get(["update", "--quiet"])
    if (done := _apt_get(install)).returncode:
        message = f"apt-get install {' '.join(names)} failed: {done.stderr.strip()[-500:]}"
        raise PlatformError(message)


def _apt_get(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    return subprocess.run(
        ["apt-get", "--option=DPkg::Lock::Timeout=300", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
