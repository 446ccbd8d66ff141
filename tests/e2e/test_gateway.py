"""The gateway on a real cluster: what it answers, what it refuses, and what its pods may reach."""

import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3
from ruamel.yaml import YAML

from local import waiting
from local.errors import PlatformError
from local.platform import Platform
from tests.e2e.project import load_images
from tests.samples import ROOT

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900)]

PROGRAM = Path(__file__).parent / "programs" / "gateway"
OWN, ECHO = "platform-gateway", "platform-echo"
IMAGES = ("envoy", "envoy-gateway", "agnhost")
HOST = "echo.gateway.platform-gateway.localhost"
CONTROLLER = f"system:serviceaccount:{OWN}:envoy-gateway"
REFUSED_SECONDS = 3
"""How long a connection that a policy drops is waited for."""


@dataclass(frozen=True)
class Deployed:
    """The program of `programs/gateway` on a platform."""

    folder: Path
    platform: Platform

    def engine(self, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the embedded engine."""
        command = [sys.executable, "-m", "engine", verb, "--stack", "test", "--cwd", str(self.folder), *options]
        environment = {**os.environ, "PULUMI_CONFIG_PASSPHRASE": "of the tests"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=280)

    def succeed(self, verb: str, *options: str) -> str:
        """Run the engine to success; returns what it printed."""
        done = self.engine(verb, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def port(self) -> int:
        return self.platform.ports.tls

    def trusting(self) -> ssl.SSLContext:
        """A client that believes the stack's authority and nobody else."""
        known = self.platform.kubectl("get", "configmap", "-n", ECHO, "echo-route", "-o", r"jsonpath={.data.ca\.crt}")
        return ssl.create_default_context(cadata=known)

    def get(self, path: str, host: str = HOST, **headers: str) -> urllib3.BaseHTTPResponse:
        """Ask the gateway as a browser does."""
        with urllib3.PoolManager(ssl_context=self.trusting(), retries=False, timeout=10) as client:
            return client.request("GET", f"https://{host}:{self.port}{path}", headers=headers)

    def reaches(self, target: str, port: int) -> bool:
        """Whether a proxy's container can open a connection."""
        script = f"exec 3<>/dev/tcp/{target}/{port}"
        inside = ["exec", "-n", OWN, "deploy/envoy", "-c", "envoy", "--", "timeout", str(REFUSED_SECONDS)]
        try:
            self.platform.kubectl(*inside, "bash", "-c", script)
        except PlatformError:
            return False
        return True

    def allows(self, verb: str, kind: str, namespace: str) -> bool:
        """Whether the controller's account has a right."""
        review = {"user": CONTROLLER, "resourceAttributes": {"verb": verb, "resource": kind, "namespace": namespace}}
        manifest = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": review}
        answer = self.platform.kubectl("create", "-o", "json", "-f", "-", stdin=json.dumps(manifest))
        return json.loads(answer)["status"]["allowed"]

    def pods(self, namespace: str) -> list[dict[str, Any]]:
        """The pods of a namespace."""
        return json.loads(self.platform.kubectl("get", "pods", "-n", namespace, "-o", "json"))["items"]


def _configure(folder: Path, platform: Platform) -> None:
    """Point a copy of the program at the platform."""
    yaml = YAML()
    content = yaml.load(ROOT / "stacks" / "profiles" / "local.yaml")
    content["cluster"]["kubeconfig"] = str(platform.kubeconfig)
    content["exposure"]["gateway"]["port"] = platform.ports.tls
    yaml.dump(content, folder / "local.yaml")
    settings = {"gateway:profiles": str(folder), "gateway:images": load_images(platform, IMAGES)}
    yaml.dump({"config": settings}, folder / "Pulumi.test.yaml")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, platform: Platform) -> Iterator[Deployed]:
    """The gateway with a server behind it, up, and gone afterwards."""
    folder = tmp_path_factory.mktemp("gateway")
    for file in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(PROGRAM / file, folder)
    _configure(folder, platform)
    deployed = Deployed(folder, platform)
    deployed.succeed("up", "--yes")
    waiting.until(lambda: deployed.get("/hostname").status == 200, "an answer of the gateway", 60)
    yield deployed
    deployed.succeed("destroy", "--yes")


def test_a_host_answers_over_tls_with_its_name_verified(deployed: Deployed) -> None:
    answer = deployed.get("/hostname")
    assert (answer.status, answer.data.decode().startswith("echo-")) == (200, True)


def test_a_browser_is_told_to_stay_with_tls(deployed: Deployed) -> None:
    assert deployed.get("/hostname").headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_path_that_no_route_names_is_not_there(deployed: Deployed) -> None:
    assert deployed.get("/shell").status == 404


def test_a_host_that_no_route_names_is_not_there(deployed: Deployed) -> None:
    assert deployed.get("/hostname", "other.gateway.platform-gateway.localhost").status == 404


def test_a_client_cannot_claim_another_address(deployed: Deployed) -> None:
    claimed = {"X-Forwarded-For": "203.0.113.7"}
    assert deployed.get("/header?key=X-Forwarded-For", **claimed).data.decode() == "10.244.0.1"


def test_http_is_refused(deployed: Deployed) -> None:
    """There is no port for it: the forwarder finds nobody behind it."""
    answer = urllib3.request("GET", f"http://{HOST}:{deployed.platform.ports.http}/hostname", retries=False)
    assert (answer.status, b"refused" in answer.data) == (502, True)


@pytest.mark.parametrize(
    ("version", "accepted"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)],
    ids=lambda each: str(each),
)
def test_tls_begins_at_1_2(deployed: Deployed, version: ssl.TLSVersion, accepted: bool) -> None:
    context = deployed.trusting()
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")  # or this side would not offer the old versions
    with urllib3.PoolManager(ssl_context=context, retries=False) as client:
        try:
            answered = client.request("GET", f"https://{HOST}:{deployed.port}/hostname").status == 200
        except urllib3.exceptions.SSLError:
            answered = False
    assert answered is accepted


def test_every_container_is_restricted(deployed: Deployed) -> None:
    """Also those that the controller made."""
    containers = [container for pod in deployed.pods(OWN) for container in pod["spec"]["containers"]]
    assert sorted(each["name"] for each in containers) == ["envoy", "envoy-gateway", "shutdown-manager"]
    for each in containers:
        security = each["securityContext"]
        assert security["readOnlyRootFilesystem"] is True, each["name"]
        assert security["allowPrivilegeEscalation"] is False, each["name"]
        assert security["capabilities"] == {"drop": ["ALL"]}, each["name"]
        assert set(each["resources"]["limits"]) == {"cpu", "memory"}, each["name"]


def test_only_the_controller_holds_a_token(deployed: Deployed) -> None:
    holders = {
        mount["name"].partition("-")[0] + ":" + container["name"]
        for pod in deployed.pods(OWN)
        for container in pod["spec"]["containers"]
        for mount in container["volumeMounts"]
        if mount["mountPath"].startswith("/var/run/secrets")
    }
    assert holders == {"kube:envoy-gateway"}


@pytest.mark.parametrize(
    ("target", "port", "reached"),
    [
        (f"envoy-gateway.{OWN}.svc.cluster.local", 18000, True),
        (f"echo.{ECHO}.svc.cluster.local", 443, True),
        ("10.10.0.1", 6443, False),
        ("kubernetes.default.svc.cluster.local", 443, False),
        ("169.254.169.254", 80, False),
        ("192.0.2.1", 443, False),
    ],
)
def test_a_proxy_reaches_what_it_must_and_nothing_else(
    deployed: Deployed, target: str, port: int, reached: bool
) -> None:
    assert deployed.reaches(target, port) is reached


@pytest.mark.parametrize(
    ("verb", "kind", "namespace", "allowed"),
    [
        ("list", "secrets", ECHO, True),
        ("list", "secrets", "kube-system", False),
        ("list", "secrets", "", False),
        ("create", "pods", OWN, False),
        ("create", "secrets", OWN, False),
        ("get", "configmaps", "default", False),
    ],
)
def test_the_controller_s_rights_end_where_its_work_does(
    deployed: Deployed, verb: str, kind: str, namespace: str, allowed: bool
) -> None:
    assert deployed.allows(verb, kind, namespace) is allowed


def test_no_log_holds_the_query_of_a_request(deployed: Deployed) -> None:
    deployed.get("/echo?code=planted-authorisation-code")
    printed = lambda: deployed.platform.kubectl("logs", "-n", OWN, "deploy/envoy", "-c", "envoy")  # noqa: E731
    waiting.until(lambda: '"path":"/echo"' in printed(), "the request's line in the log", 60)
    assert "planted-authorisation-code" not in printed()


def test_a_second_up_changes_nothing(deployed: Deployed) -> None:
    deployed.succeed("up", "--yes", "--expect-no-changes")


def test_the_controller_comes_back_while_proxies_go_on(deployed: Deployed) -> None:
    deployed.platform.kubectl("delete", "pod", "-n", OWN, "-l", "app.kubernetes.io/name=envoy-gateway", "--wait=true")
    assert deployed.get("/hostname").status == 200
    deployed.platform.kubectl("rollout", "status", "-n", OWN, "deployment/envoy-gateway", "--timeout=60s", timeout=70)
    assert deployed.get("/hostname").status == 200
