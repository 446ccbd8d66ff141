"""Measure what the README states: `make bench`, on a machine that does nothing else."""

import os
import subprocess
import sys

from local.build import tool
from local.platform import Platform

PLATFORM = "bench"


def main() -> None:
    """Run every measurement, one after the other, on a platform of their own."""
    platform = Platform(PLATFORM)
    try:
        platform.up()
        cluster = {**os.environ, "KUBECONFIG": str(platform.kubeconfig)}
        _measure("Network policy: from the API to the kernel", "tests.local.policy.bench_enforcement", [], cluster)
        sizes = ["--sizes", "13", "50", "200", "--kubectl", str(tool("kubectl"))]
        _measure("Workspaces beside bare pods", "tests.e2e.bench_workspace", ["--platform", PLATFORM], cluster)
        _measure("Engine beside kubectl and the SDK's floor", "tests.engine.bench_engine", sizes, cluster)
    finally:
        platform.down(purge=True)


def _measure(title: str, module: str, options: list[str], environment: dict[str, str]) -> None:
    print(f"== {title}", flush=True)  # noqa: T201 - figures are what this prints
    subprocess.run([sys.executable, "-m", module, *options], env=environment, check=True)


if __name__ == "__main__":
    main()
