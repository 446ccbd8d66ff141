"""Upstream's network policy cases on a local platform of their own: `python -m tests.local.policy.conformance`.

cyclonus generates the cases and computes, for every pair of pods, port and protocol, what must get through; agnhost
serves. Exit code 1 if a case fails. No case is left out. Two things differ from cyclonus' own defaults:

- A pod's connections to itself are not counted: cyclonus expects policies to bind them, but to the API "a Pod cannot
  block access to itself", and within a pod they never leave its network namespace.
- Where the kernel has no SCTP sockets, our worker serves SCTP in agnhost's place, as far as INIT and INIT ACK.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from local import build
from local.platform import Platform
from tests.local.policy.probe_image import ProbeImage

PLATFORM = "conformance"


@dataclass(frozen=True)
class Verdict:
    """What the judge says of one case.

    Attributes:
        number: Its place in cyclonus' full list, from 1.
        name: What it tests.
        tags: cyclonus' tags.
        passed: Whether every connection was as the truth table says.
        seconds: How long it took.
        right: Connections between different pods that were as they should be.
        wrong: Connections that were not.
        detail: The tables of a case that failed.
    """

    number: int
    name: str
    tags: Sequence[str]
    passed: bool
    seconds: float
    right: int
    wrong: int
    detail: str = ""

    def __str__(self) -> str:
        word = "passed" if self.passed else "FAILED"
        return f"{self.number:4} {word} {self.seconds:5.1f} s  {self.right} right, {self.wrong} wrong  {self.name}"


def judge(platform: Platform, arguments: Sequence[str] = ()) -> Iterator[Verdict]:
    """Run the cases that the arguments of `tools/conformance/netpol-judge` choose; yields each verdict as it falls."""
    image = ProbeImage({"agnhost": build.tool("agnhost"), "worker": build.tool("netpol-worker")})
    load(platform, image)
    sctp = "agnhost" if kernel_has_sctp() else "worker"
    typer.echo(f"SCTP is served by the {sctp}")
    command = [str(build.tool("netpol-judge")), f"--image={image.reference}", f"--sctp={sctp}", *arguments]
    for line in _lines(command, platform.kubeconfig):
        if "cases" in line:
            typer.echo(f"{line['cases']} cases")
        else:
            yield Verdict(**line)


@contextmanager
def running(name: str) -> Iterator[Platform]:
    """The platform of that name; if it had to be started, it is gone afterwards, with its data."""
    platform = Platform(name)
    found = bool(platform.running())
    try:
        yield platform.up()
    finally:
        if not found:
            platform.down(purge=True)


def load(platform: Platform, image: ProbeImage) -> None:
    """Put the image on the node, unless it is there."""
    if image.reference not in platform.containerd.images():
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "probe.tar"
            image.write(archive)
            platform.containerd.load(archive)


def kernel_has_sctp() -> bool:
    """Whether the kernel has SCTP sockets. Routing, translating and tracking SCTP packets does not need them."""
    return any(line.startswith("SCTP") for line in Path("/proc/net/protocols").read_text().splitlines())


def summary(verdicts: Sequence[Verdict]) -> str:
    """The counts, in one line that test runners understand."""
    failed = sum(not each.passed for each in verdicts)
    right, wrong = sum(each.right for each in verdicts), sum(each.wrong for each in verdicts)
    minutes = sum(each.seconds for each in verdicts) / 60
    return (
        f"{right} connections right, {wrong} wrong, in {minutes:.1f} min\n"
        f"conformance: {len(verdicts) - failed} passed, {failed} failed"
    )


def _lines(command: Sequence[str], kubeconfig: Path) -> Iterator[dict[str, Any]]:
    """What the judge prints, line by line. Its own log goes to a file that is shown if it fails."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, env=os.environ | {"KUBECONFIG": str(kubeconfig)}, stdout=subprocess.PIPE, stderr=log, text=True
        )
        with process:
            yield from map(json.loads, process.stdout or ())
        if process.returncode:
            log.seek(0)
            message = f"the judge ended with {process.returncode}: {log.read()[-2000:]}"
            raise RuntimeError(message)


def main() -> int:
    """Run every case, or those chosen."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Every other option goes to the judge: --stride N, --match TEXT, --mode pod-ip|service-ip|service-name.",
    )
    parser.add_argument(
        "--name", default=PLATFORM, help="platform; one that does not run is started, and removed after"
    )
    options, chosen = parser.parse_known_args()
    with running(options.name) as platform:
        verdicts = []
        for verdict in judge(platform, chosen):
            typer.echo(str(verdict))
            verdicts.append(verdict)
    for verdict in verdicts:
        if not verdict.passed:
            typer.echo(f"\n{verdict}\n{verdict.detail}")
    typer.echo(summary(verdicts))
    return 0 if verdicts and all(verdict.passed for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
