"""Measures the engine on a real API server: ``python -m tests.engine.bench_engine [--sizes 50] [--kubectl PATH]``.

Runs one after the other, never side by side, in namespaces of its own that are deleted again. Prints seconds, and
seconds of processor time, for the first ``up``, ``up`` and ``preview`` without changes and ``destroy``, beside
``kubectl apply --server-side`` of the same objects (first and again) and beside the floor: the SDK with a provider that
answers at once.
"""

import argparse
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.kubernetes.provider import KubernetesProvider
from engine.offline import OfflineProvider
from engine.run import Options, destroy, preview, up
from engine.session import Place

CONFIG_MAPS = 30
PROGRAM = f"""
import pulumi
from pulumi_kubernetes import Provider
from pulumi_kubernetes.core.v1 import ConfigMap, Namespace

size = pulumi.Config().require_int("components")
cluster = Provider("cluster", enable_server_side_apply=True, enable_config_map_mutable=True)

class Team(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("bench:index:Team", name, {{}}, pulumi.ResourceOptions(provider=cluster))
        mine = pulumi.ResourceOptions(parent=self)
        space = Namespace(name, metadata={{"name": name}}, opts=mine)
        for index in range({CONFIG_MAPS}):
            ConfigMap(f"{{name}}-{{index}}", metadata={{"name": f"cm-{{index}}", "namespace": space.metadata["name"]}},
                      data={{"a": "x" * 40, "b": str(index)}}, opts=mine)
        self.register_outputs({{}})

for number in range(size):
    Team(f"bench-{{number}}")
"""


class AtOnce(OfflineProvider):
    """Answers at once, without a cluster."""

    def __init__(self, report: object) -> None:
        pass

    def create(self, urn: str, inputs: dict[str, Any], *, timeout: float | None, preview: bool) -> Any:
        return urn, inputs

    def delete(self, *arguments: Any, **named: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50], help="components of 32 resources each")
    parser.add_argument("--kubectl", default=shutil.which("kubectl"), help="path of kubectl; without it no comparison")
    parser.add_argument("--parallel", type=int, default=16)
    arguments = parser.parse_args()
    os.environ.setdefault("PULUMI_CONFIG_PASSPHRASE", "bench")
    totals = [(size * (CONFIG_MAPS + 2), _measure(size, arguments)) for size in arguments.sizes]
    for name in totals[0][1]:
        if len(totals) > 1 and all(name in times for _, times in totals):
            (small, fast), (large, slow) = totals[0], totals[-1]
            exponent = math.log(slow[name] / fast[name]) / math.log(large / small)
            _say(f"{name}: grows with exponent {exponent:.2f} from {small} to {large} resources")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    _say(f"largest memory of the engine's process: {peak:.0f} MiB")


def _measure(size: int, arguments: argparse.Namespace) -> dict[str, float]:
    times: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
        (folder / "Pulumi.dev.yaml").write_text(f"config: {{bench:components: {size}}}\n")
        (folder / "__main__.py").write_text(PROGRAM)
        _say(f"{size} components, {size * (CONFIG_MAPS + 2)} resources; load {os.getloadavg()[0]:.1f}")
        floor = _options(folder / "floor", folder, AtOnce, arguments.parallel)
        times["floor, first up"] = _timed("floor, first up", lambda: up(floor))
        times["floor, no-op up"] = _timed("floor, no-op up", lambda: up(floor))
        if arguments.kubectl:
            times |= _kubectl(size, folder, arguments.kubectl)
        real = _options(folder / "real", folder, KubernetesProvider, arguments.parallel)
        for name, run in (("first up", up), ("no-op up", up), ("preview", preview), ("destroy", destroy)):
            times[name] = _timed(name, lambda run=run: run(real))
    return times


def _options(state: Path, folder: Path, factory: Any, parallel: int) -> Options:
    place = Place("dev", folder, state=state, salt_in_state=True)
    return Options(place, parallel=parallel, skip_preview=True, factories={"kubernetes": factory})


def _timed(name: str, run: Callable[[], Any]) -> float:
    began, worked, children = time.monotonic(), time.process_time(), _children()
    result = run()
    seconds, own, others = time.monotonic() - began, time.process_time() - worked, _children() - children
    done = f"{dict(getattr(result, 'changes', {}) or {})} {' '.join(getattr(result, 'errors', ())[:2])}"
    _say(f"  {name:<22} {seconds:7.1f} s, processor: engine {own:5.1f} s, program or kubectl {others:5.1f} s  {done}")
    return seconds


def _children() -> float:
    """Return the processor seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _kubectl(size: int, folder: Path, kubectl: str) -> dict[str, float]:
    manifest = folder / "objects.json"
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": _objects(size)}))

    def run(*words: str) -> None:
        subprocess.run([kubectl, *words], check=True, stdout=subprocess.DEVNULL)

    apply = ("apply", "--server-side", "-f", str(manifest))
    times = {name: _timed(name, lambda: run(*apply)) for name in ("kubectl, first apply", "kubectl, again")}
    run("delete", "namespace", *[f"bench-{number}" for number in range(size)])
    return times


def _objects(size: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number in range(size):
        name = f"bench-{number}"
        found.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        found += [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"cm-{index}", "namespace": name},
                "data": {"a": "x" * 40, "b": str(index)},
            }
            for index in range(CONFIG_MAPS)
        ]
    return found


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
