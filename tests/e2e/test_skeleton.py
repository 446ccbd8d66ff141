"""The thin line through the whole house: a YAML file becomes notebooks that answer; destroyed, it leaves nothing."""

import json
import os
import signal
from collections.abc import Mapping

import pytest
import urllib3

from local import waiting
from operations.kernels import JupyterServer
from tests.e2e.project import Project

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900)]

NAMESPACE = "project-diabetes-cohort"
MEMBERS = ["claire-fontaine", "amadou-diallo", "ines-moreau"]


@pytest.fixture(scope="module")
def running(project: Project) -> Project:
    """The project, brought up."""
    project.cloison("up", "--yes")
    return project


def _server(project: Project, member: str) -> JupyterServer:
    found = next(each for each in project.urls("--show-tokens") if each["member"] == member)
    return JupyterServer(found["url"].partition("login?")[0], found["token"])


def test_a_preview_changes_nothing(project: Project) -> None:
    planned = project.cloison("preview")
    assert "jupyterlab" in planned
    assert project.objects("namespace") == []


def test_each_member_has_an_address_that_answers(running: Project) -> None:
    urls = running.urls()
    assert [(each["project"], each["tool"], each["member"]) for each in urls] == [
        ("diabetes-cohort", "jupyterlab", member) for member in MEMBERS
    ]
    assert [urllib3.request("GET", each["url"], redirect=False).status for each in urls] == [200, 200, 200]


def test_without_its_token_a_server_gives_nothing(running: Project) -> None:
    base = running.urls()[0]["url"].partition("login?")[0]
    assert urllib3.request("GET", f"{base}api/kernels", redirect=False).status == 403
    assert urllib3.request("GET", f"{base}lab", redirect=False).status == 302


def test_python_and_r_run(running: Project) -> None:
    printed = running.cloison("smoke")
    assert "python3 kernel: Python 3" in printed
    assert "ir kernel: R version 4" in printed


def test_a_second_up_changes_nothing(running: Project) -> None:
    before = _versions(running)
    running.cloison("up", "--yes")
    assert _versions(running) == before
    running.cloison("smoke")


def test_a_file_survives_a_restart_of_its_server(running: Project) -> None:
    _server(running, MEMBERS[0]).run_cell("python3", "open('note.txt', 'w').write('still here')")
    running.platform.kubectl("delete", "pod", "-n", NAMESPACE, f"jupyterlab-{MEMBERS[0]}-0", "--wait=true")
    running.platform.kubectl(
        "rollout", "status", "-n", NAMESPACE, f"statefulset/jupyterlab-{MEMBERS[0]}", "--timeout=120s", timeout=130
    )
    assert "still here" in _server(running, MEMBERS[0]).run_cell("python3", "print(open('note.txt').read())")


@pytest.mark.parametrize(
    "target",
    [
        f"jupyterlab-{MEMBERS[1]}.{NAMESPACE}.svc.cluster.local:80",
        "kubernetes.default.svc.cluster.local:443",
        "10.10.0.1:6443",
        "169.254.169.254:80",
        "192.0.2.1:443",
    ],
)
def test_a_notebook_reaches_nothing_but_the_cluster_s_dns(running: Project, target: str) -> None:
    host, port = target.rsplit(":", 1)
    probe = (
        "import socket\n"
        "try:\n"
        f"    socket.create_connection(({host!r}, {port}), timeout=3)\n"
        "    print('reached')\n"
        "except OSError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    printed = _server(running, MEMBERS[0]).run_cell("python3", probe)
    assert "TimeoutError" in printed or "unreachable" in printed, printed


def test_a_notebook_resolves_the_cluster_s_names(running: Project) -> None:
    """What the test above finds closed is closed by policy, not by a name that does not resolve."""
    lookup = f"import socket; print(socket.gethostbyname('jupyterlab-{MEMBERS[1]}.{NAMESPACE}.svc.cluster.local'))"
    assert _server(running, MEMBERS[0]).run_cell("python3", lookup).strip().count(".") == 3


def test_the_state_holds_no_token_in_plain_text(running: Project) -> None:
    tokens = [each["token"] for each in running.urls("--show-tokens")]
    texts = [file.read_text(errors="replace") for file in (running.folder / ".engine").rglob("*") if file.is_file()]
    assert texts
    assert not [token for token in tokens if any(token in text for text in texts)]


def test_destroy_leaves_nothing(running: Project) -> None:
    running.cloison("destroy", "--yes")
    _assert_nothing_left(running)


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_an_up_that_was_killed_is_finished_by_the_next(project: Project, share: float) -> None:
    """Kill the engine and everything it started, half-way; then bring up, check and destroy as ever."""
    objects = len(MEMBERS) * 4
    up = project.start("up", "--yes")
    waiting.until(
        lambda: up.poll() is not None or len(_namesakes(project)) >= share * objects, "half of the creation", seconds=60
    )
    os.killpg(up.pid, signal.SIGKILL)
    up.communicate()
    assert up.returncode == -signal.SIGKILL
    project.cloison("up", "--yes")
    assert len(_namesakes(project)) == objects
    project.cloison("smoke")
    project.cloison("destroy", "--yes")
    _assert_nothing_left(project)


def _namesakes(project: Project) -> list[tuple[object, str]]:
    """Kind and name of everything that belongs to members."""
    found = project.objects("persistentvolumeclaim,secret,service,statefulset", "--namespace", NAMESPACE)
    return [(each["kind"], _metadata(each)["name"]) for each in found]


def _versions(project: Project) -> dict[tuple[object, str], str]:
    """Generation of every declared object; a field of the specification that changes raises it."""
    kinds = "namespace,networkpolicy,persistentvolumeclaim,service,statefulset,resourcequota,limitrange,serviceaccount"
    found = project.objects(kinds, "--all-namespaces")
    return {
        (each["kind"], _metadata(each)["name"]): json.dumps(each.get("spec"), sort_keys=True) + _metadata(each)["uid"]
        for each in found
    }


def _metadata(manifest: dict[str, object]) -> Mapping[str, str]:
    metadata = manifest["metadata"]
    assert isinstance(metadata, dict)
    return metadata


def _assert_nothing_left(project: Project) -> None:
    assert project.urls() == []
    assert project.objects("namespace") == []
    waiting.until(
        lambda: not project.platform.kubectl.get("persistentvolumes")["items"], "the end of every volume", seconds=60
    )
