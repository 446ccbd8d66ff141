"""A project's hub on the local platform: who comes in, what is started for them, what it reaches, and how it ends."""

import datetime as dt
from collections.abc import Iterator
from typing import Any, cast

import pytest

from local import waiting
from local.errors import PlatformError
from local.platform import Platform
from tests.components.rendering import Manifest
from tests.e2e.hub import ISSUER, Hub
from tests.e2e.project import load_images
from tests.samples import cohort
from workspaces.model import Workspace

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900)]

GROUP = "/projects/sleep-study"
SERVER, NEIGHBOUR = "server-ada", "server-ben"


def _claims(subject: str, email: str, *, verified: bool = True, group: str = GROUP) -> dict[str, object]:
    return {"sub": subject, "email": email, "email_verified": verified, "groups": [group]}


PEOPLE = {
    "ada": _claims("subject-ada", "Ada@lab.example"),
    "ben": _claims("subject-ben", "ben@lab.example"),
    "ada-renamed": _claims("subject-ada", "ada.married@lab.example"),
    "cleo": _claims("subject-cleo", "cleo@lab.example"),
    "heir-of-address": _claims("subject-other", "ada@lab.example"),
    "stranger": _claims("subject-eve", "eve@lab.example"),
    "groupless": _claims("subject-cleo", "cleo@lab.example", group="/projects/another"),
    "unverified": _claims("subject-cleo", "cleo@lab.example", verified=False),
}


def _project(**changes: object) -> Workspace:
    today = dt.datetime.now(dt.UTC).date()
    content = {
        **cohort(),
        "permit": {"reference": "DR-2026-7", "expires": today + dt.timedelta(days=30)},
        "members": [
            {"name": "ada", "email": "ada@lab.example", "role": "lead"},
            {"name": "ben", "email": "ben@lab.example", "role": "researcher"},
            {"name": "cleo", "email": "cleo@lab.example", "role": "reviewer"},
        ],
        **changes,
    }
    return Workspace.model_validate(content, context={"today": today})


def _expired() -> Workspace:
    """A project whose permit ended after it was declared."""
    project = _project()
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    return project.model_copy(update={"permit": project.permit.model_copy(update={"expires": yesterday})})


@pytest.fixture(scope="module")
def images(platform: Platform) -> dict[str, str]:
    return load_images(platform, ("jupyterhub", "jupyterlab"))


@pytest.fixture(scope="module")
def hub(platform: Platform, images: dict[str, str]) -> Iterator[Hub]:
    hub = Hub(platform, _project(), images, PEOPLE)
    try:
        hub.start()
        yield hub
    finally:
        hub.delete()


@pytest.fixture(scope="module")
def working(hub: Hub) -> Hub:
    """The hub with the servers of two members."""
    for member in ("ada", "ben"):
        hub.start_server(hub.signed_in(member), member)
    return hub


def test_a_member_comes_in_and_nobody_else_does(hub: Hub) -> None:
    hub.signed_in("ada")
    for person in ("stranger", "groupless", "unverified"):
        page = hub.browser(person).get(hub.url("/hub/home"))
        assert (person, page.status) == (person, 403)
        assert "mailto:ada@lab.example" in page.text


@pytest.mark.parametrize(
    ("person", "reason"),
    [
        ("stranger", "eve@lab.example is not a member of the project."),
        ("groupless", "You are not in the group of the project&#39;s members."),
        ("unverified", "Your e-mail address is not verified."),
        ("heir-of-address", "ada@lab.example is not a member of the project."),
    ],
)
def test_who_is_refused_is_told_why(hub: Hub, person: str, reason: str) -> None:
    hub.signed_in("ada")
    page = hub.browser(person).get(hub.url("/hub/home"))
    assert page.status == 403
    assert reason in page.text


def test_a_member_stays_a_member_under_another_address(hub: Hub) -> None:
    """Once the issuer's subject is known it alone counts."""
    hub.signed_in("ada")
    user = hub.signed_in("ada-renamed").get(hub.url("/hub/api/user")).json()
    assert user["name"] == "ada"


def test_nobody_is_an_administrator(hub: Hub) -> None:
    user = hub.signed_in("ada").get(hub.url("/hub/api/user")).json()
    assert (user["admin"], [scope for scope in user["scopes"] if scope.startswith("admin")]) == (False, [])


def test_a_server_is_the_declared_pod(working: Hub) -> None:
    pod = working.pods()[SERVER]
    spec, container = _at(pod, "spec"), _at(pod, "spec", "containers", 0)
    assert spec["automountServiceAccountToken"] is False
    assert spec["serviceAccountName"] == "workspace"
    assert spec["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["image"] == working.images["jupyterlab"]
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}
    claims = [each["persistentVolumeClaim"]["claimName"] for each in spec["volumes"] if "persistentVolumeClaim" in each]
    assert claims == ["home-ada"]


def test_the_policies_select_the_pods_they_are_for(working: Hub) -> None:
    """Where servers live elsewhere than their policies, the policies select nothing (z2jh issue 3952)."""
    policies = working.platform.kubectl.get("networkpolicies", "-n", working.namespace)["items"]
    selected = {
        each["metadata"]["name"]: {
            name.split("-")[0] for name, pod in working.pods().items() if _selects(each["spec"]["podSelector"], pod)
        }
        for each in policies
    }
    assert selected["default-deny"] == selected["allow-dns"] == {"hub", "proxy", "server"}
    assert (selected["hub"], selected["proxy"], selected["servers"]) == ({"hub"}, {"proxy"}, {"server"})


def test_files_cross_and_terminals_open_only_where_the_workspace_file_allows(hub: Hub) -> None:
    everything = {"jupyterlab": {"downloads": True, "uploads": True, "terminals": True}}
    nothing = {"jupyterlab": {"downloads": False, "uploads": False, "terminals": False}}
    try:
        assert _tried(hub, _project(data_class="synthetic", tools=everything)) == {
            "save": 201, "download": 200, "upload": 201, "terminal": 200,
        }  # fmt: skip
        assert _tried(hub, _project(data_class="synthetic", tools=nothing)) == {
            "save": 200, "download": 403, "upload": 403, "terminal": 404,
        }  # fmt: skip
    finally:
        hub.apply(_project())


def _tried(hub: Hub, project: Workspace) -> dict[str, int]:
    """What becomes of each way across in a server that was started under this project's rules."""
    hub.apply(project)
    browser = hub.signed_in("cleo")
    hub.start_server(browser, "cleo")
    base = hub.url("/user/cleo")
    note = {"type": "file", "format": "text", "content": "a note"}
    tried = {
        "save": browser.send("PUT", f"{base}/api/contents/note.txt", note).status,
        "download": browser.get(f"{base}/files/note.txt").status,
        "upload": browser.send(
            "PUT", f"{base}/api/contents/table.bin", {"type": "file", "format": "base64", "content": "AAEC"}
        ).status,
        "terminal": browser.send("POST", f"{base}/api/terminals", {}).status,
    }
    assert browser.send("DELETE", hub.url("/hub/api/users/cleo/server")).status in {202, 204}
    waiting.until(lambda: "server-cleo" not in hub.pods(), "the end of the server", 60)
    return tried


HUB, PROXY, API = "deploy/hub", "deploy/proxy", "10.10.0.1:6443"


@pytest.mark.parametrize(
    ("pod", "target", "reached"),
    [
        (SERVER, "hub:8081", True),
        (SERVER, "proxy:443", False),
        (SERVER, "proxy-api:8001", False),
        (SERVER, NEIGHBOUR, False),
        (SERVER, API, False),
        (SERVER, "kubernetes.default:443", False),
        (SERVER, f"{ISSUER}:443", False),
        (SERVER, "169.254.169.254:80", False),
        (SERVER, "192.0.2.1:443", False),
        (PROXY, SERVER, True),
        (PROXY, "hub:8081", True),
        (PROXY, API, False),
        (PROXY, f"{ISSUER}:443", False),
        (HUB, SERVER, True),
        (HUB, "proxy-api:8001", True),
        (HUB, "proxy:443", False),
        (HUB, API, True),
        (HUB, f"{ISSUER}:443", True),
        (HUB, "192.0.2.1:443", False),
    ],
)
def test_exactly_the_flows_of_the_picture_pass(working: Hub, pod: str, target: str, reached: bool) -> None:
    if target.startswith("server-"):
        target = f"{_at(working.pods()[target], 'status', 'podIP')}:8888"
    assert _reaches(working, pod, target) is reached


def test_only_the_hub_holds_a_token_and_it_is_good_for_pods_here_alone(working: Hub) -> None:
    token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    for pod in (SERVER, PROXY):
        with pytest.raises(PlatformError, match="No such file"):
            _execute(working, pod, "cat", token)
    account = f"system:serviceaccount:{working.namespace}:hub"
    listed = working.platform.kubectl("auth", "can-i", "--list", f"--as={account}", "-n", working.namespace)
    granted = {
        line.split()[0] for line in listed.splitlines() if line.split()[0] in {"pods", "secrets", "events", "*.*"}
    }
    assert granted == {"pods", "events"}
    elsewhere = working.platform.kubectl("auth", "can-i", "--list", f"--as={account}", "-n", "kube-system")
    assert "pods" not in {line.split()[0] for line in elsewhere.splitlines()}


def test_a_member_cannot_enter_the_server_of_another(working: Hub) -> None:
    assert working.signed_in("ben").get(working.url("/user/ada/lab")).status == 403


def test_servers_and_sessions_outlive_the_hub(working: Hub) -> None:
    browser = working.signed_in("ada")
    assert browser.get(working.url("/user/ada/lab")).status == 200
    before = _at(working.pods()[SERVER], "metadata", "uid")
    working.platform.kubectl("rollout", "restart", "-n", working.namespace, "deployment/hub")
    working.rolled_out("hub")
    waiting.until(lambda: browser.get(working.url("/hub/home")).status == 200, "an answer of the restarted hub", 60)
    assert working.ready(browser, "ada")
    assert browser.get(working.url("/user/ada/api/status")).status == 200
    assert _at(working.pods()[SERVER], "metadata", "uid") == before


def test_who_leaves_the_workspace_file_is_out_at_once(working: Hub) -> None:
    browser = working.signed_in("ben")
    members = [member for member in working.project.members if member.name != "ben"]
    working.apply(working.project.model_copy(update={"members": tuple(members)}))
    try:
        assert browser.get(working.url("/hub/home")).status == 403
        waiting.until(lambda: NEIGHBOUR not in working.pods(), "the end of the former member's server", 60)
        assert SERVER in working.pods()
    finally:
        working.apply(_project())


@pytest.mark.parametrize(
    ("closed", "reason"),
    [(_project(state="frozen"), "The project is frozen."), (_expired(), "The permit DR-2026-7 ended on")],
    ids=["frozen", "expired"],
)
def test_a_closed_project_turns_everybody_away_and_keeps_its_data(hub: Hub, closed: Workspace, reason: str) -> None:
    hub.start_server(hub.signed_in("ada"), "ada")
    _execute(hub, SERVER, "sh", "-c", "echo kept > /home/researcher/note.txt")
    browser = hub.signed_in("ada")
    hub.apply(closed)
    try:
        for each in (browser, hub.browser("ada")):
            page = each.get(hub.url("/hub/home"))
            assert page.status == 403
            assert reason in page.text
        assert browser.send("POST", hub.url("/hub/api/users/ada/server")).status == 403
        waiting.until(lambda: SERVER not in hub.pods(), "the end of the running server", 60)
    finally:
        hub.apply(_project())
    hub.start_server(hub.signed_in("ada"), "ada")
    assert _execute(hub, SERVER, "cat", "/home/researcher/note.txt").strip() == "kept"


def test_an_idle_server_is_stopped(hub: Hub) -> None:
    hub.start_server(hub.signed_in("ada"), "ada")
    hub.apply(_project().model_copy(update={"idle_timeout_minutes": 1}))
    try:
        waiting.until(lambda: SERVER not in hub.pods(), "the end of the idle server", seconds=180)
    finally:
        hub.apply(_project())


def _reaches(hub: Hub, pod: str, target: str) -> bool:
    """Whether a TCP connection from inside a pod opens; its name must resolve, or nothing would be proved."""
    host, port = target.rsplit(":", 1)
    code = (
        "import socket\n"
        f"address = socket.gethostbyname({host!r})\n"
        "try:\n"
        f"    socket.create_connection((address, {port}), timeout=3)\n"
        "    print('reached')\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    return _execute(hub, pod, "python3", "-c", code).strip() == "reached"


def _execute(hub: Hub, pod: str, *command: str) -> str:
    return hub.platform.kubectl("exec", "-n", hub.namespace, pod, "--", *command)


def _selects(selector: Manifest, pod: Manifest) -> bool:
    assert set(selector) <= {"matchLabels"}
    wanted = cast("dict[str, str]", selector.get("matchLabels", {}))
    return wanted.items() <= _at(pod, "metadata", "labels").items()


def _at(node: Any, *path: str | int) -> Any:
    for step in path:
        node = node[step]
    return node
