"""Measure what the README states: `make bench`."""

import subprocess
import sys

MEASUREMENTS = {
    "Network policy: from the API to the kernel": "tests.local.policy.bench_enforcement",
    "Engine: first up, no-op up and preview beside kubectl": "tests.engine.bench_engine",
}


def main() -> None:
    """Run every measurement, one after the other: they share two cores."""
    for title, module in MEASUREMENTS.items():
        print(f"== {title}", flush=True)  # noqa: T201 - figures are what this prints
        subprocess.run([sys.executable, "-m", module], check=True)


if __name__ == "__main__":
    main()
