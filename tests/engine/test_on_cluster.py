"""Ordinary Pulumi programs against a real API server, by the command line, killed half-way."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.kubernetes.client import Client
from engine.kubernetes.kubeconfig import find_cluster

pytestmark = pytest.mark.platform

PROGRAM = """
import pulumi
from pulumi_kubernetes import Provider
from pulumi_kubernetes.core.v1 import ConfigMap, Namespace, Secret

config = pulumi.Config()
options = {"enable_server_side_apply": True, "enable_config_map_mutable": True, "enable_secret_mutable": True}
cluster = Provider("cluster", **options)

class Team(pulumi.ComponentResource):
    def __init__(self, name, maps, opts=None):
        super().__init__("test:index:Team", name, {"maps": maps}, opts)
        mine = pulumi.ResourceOptions(parent=self)
        self.space = Namespace(name, metadata={"name": name, "labels": {"team": config.require("label")}}, opts=mine)
        where = {"namespace": self.space.metadata["name"]}
        for index in range(maps):
            metadata = {**where, "name": f"map-{index}"}
            ConfigMap(f"{name}-{index}", metadata=metadata, data={"n": config.require("value")}, opts=mine)
        self.named = ConfigMap(f"{name}-generated", metadata=where, data={"a": "b"}, opts=mine)
        self.token = Secret(f"{name}-token", metadata={**where, "name": "token"},
                            string_data={"token": config.require_secret("token")}, opts=mine)
        self.register_outputs({"namespace": self.space.metadata["name"]})

team = Team(config.require("namespace"), config.require_int("maps"), pulumi.ResourceOptions(provider=cluster))
pulumi.export("generated", team.named.metadata["name"])
pulumi.export("token", team.token.data["token"])
"""


@dataclass
class Stack:
    """A project on disk whose stack `dev` is run by the command line."""

    folder: Path
    namespace: str
    client: Client
    environment: dict[str, str]

    def configure(self, **values: object) -> None:
        defaults = {"namespace": self.namespace, "maps": 40, "value": "1", "label": "red"}
        settings = {f"demo:{key}": value for key, value in {**defaults, **values}.items()}
        path = self.folder / "Pulumi.dev.yaml"
        path.write_text(json.dumps({"config": settings}))

    def command(self, name: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "engine", name, "--stack", "dev", "--salt-in-state", *arguments]

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = self.command(name, *arguments)
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=280
        )

    def changes(self, name: str, *arguments: str) -> dict[str, int]:
        done = self.run(name, "--json", *arguments)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        return [event["summaryEvent"]["resourceChanges"] for event in events if "summaryEvent" in event][-1]

    def maps(self) -> dict[str, Any]:
        items = self.client.get(f"/api/v1/namespaces/{self.namespace}/configmaps")["items"]
        return {item["metadata"]["name"]: item for item in items if item["metadata"]["name"] != "kube-root-ca.crt"}


@pytest.fixture
def cluster_stack(tmp_path: Path, kubeconfig: str) -> Iterator[Stack]:
    (tmp_path / "Pulumi.yaml").write_text(
        "name: demo\nruntime: python\nconfig: {token: {type: string, default: t0ken}}\n"
    )
    (tmp_path / "__main__.py").write_text(PROGRAM)
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "KUBECONFIG": kubeconfig, "PULUMI_CONFIG_PASSPHRASE": "x", "PYTHONPATH": root}
    namespace = f"engine-{uuid.uuid4().hex[:8]}"
    stack = Stack(tmp_path, namespace, Client(find_cluster({"kubeconfig": kubeconfig})), environment)
    stack.configure()
    yield stack
    stack.run("destroy", "--yes", "--skip-preview")


def test_an_ordinary_program_lives_on_a_cluster(cluster_stack: Stack) -> None:
    stack = cluster_stack
    assert stack.changes("preview") == {"create": 46}
    assert stack.changes("up", "--yes", "--skip-preview") == {"create": 46}
    assert len(stack.maps()) == 41
    assert stack.changes("up", "--yes", "--skip-preview", "--expect-no-changes") == {"same": 46}
    stack.configure(value="2", maps=39)
    assert stack.changes("up", "--yes") == {"update": 40, "delete": 1, "same": 5}
    assert {item["data"]["n"] for name, item in stack.maps().items() if name.startswith("map-")} == {"2"}
    assert stack.changes("refresh", "--yes", "--skip-preview")["same"] == 42
    exported = json.loads(stack.run("export", "--show-secrets").stdout)["deployment"]["resources"]
    outputs = next(item["outputs"] for item in exported if item["type"] == "pulumi:pulumi:Stack")
    assert outputs["generated"] in stack.maps()
    assert "t0ken" not in stack.run("export").stdout
    assert stack.changes("destroy", "--yes", "--skip-preview") == {"delete": 45}
    assert stack.maps() == {}


def test_drift_is_seen_and_repaired(cluster_stack: Stack) -> None:
    stack = cluster_stack
    stack.changes("up", "--yes", "--skip-preview")
    stack.client.delete(f"/api/v1/namespaces/{stack.namespace}/configmaps/map-0", {})
    assert stack.changes("refresh", "--yes", "--skip-preview")["delete"] == 1
    assert stack.changes("up", "--yes", "--skip-preview") == {"create": 1, "same": 45}
    assert len(stack.maps()) == 41


@pytest.mark.parametrize("kills", [(5,), (10, 20, 30)])
def test_kill_9_half_way_loses_and_doubles_nothing(cluster_stack: Stack, kills: tuple[int, ...]) -> None:
    stack = cluster_stack
    uids: dict[str, str] = {}
    for count in kills:
        _killed_when(stack, lambda count=count: len(stack.maps()) >= count)
        now = {name: item["metadata"]["uid"] for name, item in stack.maps().items()}
        assert uids.items() <= now.items(), "an object was made twice"
        uids = now
    changes = stack.changes("up", "--yes", "--skip-preview")
    assert set(changes) <= {"create", "update", "same"}
    now = {name: item["metadata"]["uid"] for name, item in stack.maps().items()}
    assert uids.items() <= now.items()
    assert len(now) == 41
    assert stack.changes("up", "--yes", "--skip-preview") == {"same": 46}


def test_destroy_after_kill_9_leaves_nothing(cluster_stack: Stack) -> None:
    stack = cluster_stack
    _killed_when(stack, lambda: len(stack.maps()) >= 12)
    stack.changes("destroy", "--yes", "--skip-preview")
    assert stack.maps() == {}


def _killed_when(stack: Stack, reached: Callable[[], bool]) -> None:
    command = stack.command("up", "--yes", "--skip-preview", "--parallel", "2")
    engine = subprocess.Popen(command, cwd=stack.folder, env=stack.environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not reached() and time.monotonic() < deadline and engine.poll() is None:
        time.sleep(0.01)
    engine.send_signal(signal.SIGKILL)
    engine.wait()


def test_an_object_of_somebody_else_is_refused(cluster_stack: Stack) -> None:
    stack = cluster_stack
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": stack.namespace}}
    stack.client.post("/api/v1/namespaces", space)
    done = stack.run("up", "--yes", "--skip-preview")
    assert done.returncode == 1
    assert "already exists" in done.stdout
    assert stack.maps() == {}
    stack.client.delete(f"/api/v1/namespaces/{stack.namespace}", {})


def test_an_unreachable_cluster_is_one_message_and_nothing_changes(cluster_stack: Stack) -> None:
    stack = cluster_stack
    text = Path(stack.environment["KUBECONFIG"]).read_text()
    (stack.folder / "elsewhere").write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", text))
    stack.environment["KUBECONFIG"] = str(stack.folder / "elsewhere")
    done = stack.run("up", "--yes")
    assert done.returncode == 3, done.stdout
    assert done.stdout.count("error: ") == 1
    assert "Traceback" not in done.stdout + done.stderr
