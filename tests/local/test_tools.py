"""The Go programs of this repository: vetted and tested by Go's own tools."""

import subprocess

import pytest

from local import build
from local.paths import TOOLS

pytestmark = pytest.mark.slow

SAME_CACHE = ("-trimpath", "-buildvcs=false")
"""The flags that decide what Go finds in its build cache: without them it would compile Kubernetes anew."""


def go(module: str, command: str) -> subprocess.CompletedProcess[str]:
    words = [build._go(), command, *SAME_CACHE, "./..."]
    environment = build._environment()
    return subprocess.run(words, cwd=TOOLS / module, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("module", "command"),
    [
        (".", "vet"),
        (".", "test"),
        ("coredns", "vet"),
        ("provisioner", "vet"),
        ("provisioner", "test"),
        ("conformance", "vet"),
        ("credentials", "vet"),
        ("credentials", "test"),
    ],
)
def test_go_finds_no_fault(module: str, command: str) -> None:
    done = go(module, command)
    assert done.returncode == 0, done.stdout + done.stderr
