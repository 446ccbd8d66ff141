"""What researchers see: three projects in a real browser, from the printed address to a notebook, and every refusal."""

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Error as BrowserError

from local import network
from tests.e2e.chromium import Chromium, chromium
from tests.e2e.project import Project
from tests.e2e.researcher import Researcher, Stack, namespace
from tests.samples import ROOT

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900)]

COHORT, STAYS, COURSE = "diabetes-cohort", "hospital-stays", "training-course"
CLAIRE, LOUISE, PAUL = "claire-fontaine", "louise-bernard", "paul-girard"
"""One member of each."""

NOTEBOOK = "first-results.ipynb"
"""A notebook of Claire's."""
PICTURES = ROOT / "artefacts" / "browser"


@pytest.fixture(scope="module")
def stack(running: Project) -> Stack:
    return Stack.of(running)


@pytest.fixture(scope="module")
def browser(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Chromium]:
    home = tmp_path_factory.mktemp("home")
    with chromium(stack.project.authority, home, PICTURES) as running:
        request.config.pluginmanager.register(running)
        yield running
        request.config.pluginmanager.unregister(running)


@pytest.fixture(scope="module")
def claire(stack: Stack, browser: Chromium) -> Researcher:
    return Researcher.first_signed_in(stack, browser, COHORT, CLAIRE)


@pytest.fixture(scope="module")
def louise(stack: Stack, browser: Chromium) -> Researcher:
    return Researcher.first_signed_in(stack, browser, STAYS, LOUISE)


@pytest.fixture(scope="module")
def paul(stack: Stack, browser: Chromium) -> Researcher:
    return Researcher.first_signed_in(stack, browser, COURSE, PAUL)


@pytest.fixture(scope="module")
def printed(claire: Researcher) -> dict[str, str]:
    """What a Python cell and an R cell printed in notebooks, which were saved."""
    lab = claire.lab()
    lab.new_notebook("python")
    python = lab.run("import sys, pandas\nprint(sys.version_info.major, pandas.Series([20, 22]).sum())")
    lab.save(NOTEBOOK)
    claire.window.photograph("python-cell")
    lab.new_notebook("r")
    r = lab.run("cat(R.version$language, sum(c(20, 22)))")
    lab.save("results-in-r.ipynb")
    claire.window.photograph("r-cell")
    return {"python": python, "r": r}


def test_the_browser_trusts_only_certificates_for_the_host_it_asked(stack: Stack, browser: Chromium) -> None:
    """Or the pages of the other tests would prove nothing about TLS: this host's certificate is for other names."""
    port = stack.project.platform.ports.tls
    with pytest.raises(BrowserError, match="ERR_CERT_COMMON_NAME_INVALID"):
        browser.window("nobody").open(f"https://proxy.project-{COHORT}.localhost:{port}/")


def test_a_member_sets_a_password_and_enrols_a_second_factor_and_is_in_jupyterlab(claire: Researcher) -> None:
    assert claire.asked[0] == "password"
    assert sorted(claire.asked[1:]) == ["password-new", "totpSecret"]
    assert claire.window.page.url.startswith(f"{claire.hub}user/{CLAIRE}/lab")


def test_python_and_r_run_in_notebooks(printed: dict[str, str]) -> None:
    assert printed == {"python": "3 42\n", "r": "R 42"}


def test_who_signs_out_of_the_hub_is_signed_out_of_the_issuer(paul: Researcher) -> None:
    """Or the next person at the same browser would be let in without a password."""
    paul.sign_out("signed-out")
    paul.signed_in("signed-in-again")


PROBE = """
import errno, json, socket
from concurrent.futures import ThreadPoolExecutor

def probe(target):
    host, port = target.rsplit(":", 1)
    try:
        address = socket.gethostbyname(host)
    except OSError:
        return "no such name"
    try:
        socket.create_connection((address, int(port)), timeout=3).close()
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)
    return "reached"

with ThreadPoolExecutor(32) as pool:
    print(json.dumps(dict(zip(targets, pool.map(probe, targets.values())))))
"""
"""Prints for each of `targets` whether a connection to it opens. That a name does not resolve would prove nothing."""

PODS = {
    "hub": (namespace(STAYS), "app.kubernetes.io/component=hub", 8081),
    "proxy": (namespace(STAYS), "app.kubernetes.io/component=proxy", 8443),
    "proxy's API": (namespace(STAYS), "app.kubernetes.io/component=proxy", 8001),
    "server": (namespace(STAYS), "app.kubernetes.io/component=singleuser-server", 8888),
    "issuer": ("platform-identity", "app.kubernetes.io/name=keycloak", 8443),
    "gateway": ("platform-gateway", "app.kubernetes.io/name=envoy", 10443),
}
"""Pods of another project and of the platform: where they are, how they are labelled, where they listen."""
API_SERVER = {"Kubernetes' API server": "10.10.0.1:6443"}
SERVICES = {
    "hub's service": f"hub.{namespace(STAYS)}:8081",
    "proxy's service": f"proxy.{namespace(STAYS)}:443",
    "service of the proxy's API": f"proxy-api.{namespace(STAYS)}:8001",
    "issuer's service": "keycloak.platform-identity:443",
    "gateway's service": "gateway.platform-gateway:443",
    "Kubernetes' service": "kubernetes.default.svc:443",
}
OUTSIDE = {"metadata": "169.254.169.254:80", "internet": "192.0.2.1:443"}
OWN_HUB = {"own hub": "hub:8081"}


@pytest.fixture(scope="module")
def pods(stack: Stack, louise: Researcher) -> dict[str, str]:
    """Addresses of the pods; Louise's server is the one that runs in the other project."""
    addresses = {name: stack.pods(place, labels)[0]["status"]["podIP"] for name, (place, labels, _) in PODS.items()}
    return {name: f"{addresses[name]}:{port}" for name, (_, _, port) in PODS.items()}


@pytest.fixture(scope="module")
def tried(claire: Researcher, pods: dict[str, str]) -> dict[str, str]:
    """What became of each connection that a cell of a notebook tried to open."""
    lab = claire.lab()
    lab.new_notebook("python")
    found = lab.run(f"targets = {pods | API_SERVER | SERVICES | OUTSIDE | OWN_HUB}\n{PROBE}")
    lab.save("connections.ipynb")
    claire.window.photograph("connections-from-a-notebook")
    return json.loads(found)


@pytest.mark.parametrize("target", [*PODS, *API_SERVER, *SERVICES, *OUTSIDE])
def test_a_notebook_does_not_reach(tried: dict[str, str], target: str) -> None:
    assert tried[target] in {"TimeoutError", "ENETUNREACH", "ECONNREFUSED"}


def test_a_notebook_reaches_its_own_hub_by_name(tried: dict[str, str]) -> None:
    assert tried["own hub"] == "reached"


def test_what_a_notebook_does_not_reach_is_there(stack: Stack, pods: dict[str, str]) -> None:
    """The node reaches it, so a policy closes it, not an error in the address."""
    command = [*network.enter(stack.project.platform.layout), sys.executable, "-c"]
    found = subprocess.run([*command, f"targets = {pods | API_SERVER}\n{PROBE}"], check=True, stdout=subprocess.PIPE)
    assert json.loads(found.stdout) == dict.fromkeys(pods | API_SERVER, "reached")


def test_a_member_of_another_project_is_refused(stack: Stack, louise: Researcher) -> None:
    said = louise.refusal(stack.addresses[COHORT], "refused-member-of-another-project")
    assert "You are not in the group of the project's members." in said
    assert stack.accounts[CLAIRE].email in said


def test_a_file_is_there_after_a_restart_and_another_sign_in(
    claire: Researcher, browser: Chromium, printed: dict[str, str]
) -> None:
    claire.stop_server()
    claire.window = browser.window(CLAIRE)
    lab = claire.signed_in("another-sign-in")
    assert lab.outputs(NOTEBOOK) == printed["python"]
    claire.window.photograph("file-after-restart")


def test_files_leave_and_enter_where_the_workspace_file_allows_it(paul: Researcher, tmp_path: Path) -> None:
    lab, table = paul.lab(), tmp_path / "table.csv"
    table.write_text("1,2\n")
    lab.write_text("results.txt", "a note")
    assert lab.download("results.txt").path().read_text() == "a note"
    assert lab.ask_for_file("results.txt") == 200
    assert lab.upload(table) == 201
    assert "Start a new terminal session" in lab.launcher()
    assert lab.ask_for_terminal() == 200


def test_no_file_leaves_or_enters_and_no_terminal_opens_where_it_does_not(louise: Researcher, tmp_path: Path) -> None:
    lab, table = louise.lab(), tmp_path / "table.csv"
    table.write_text("1,2\n")
    lab.write_text("results.txt", "a note")
    assert lab.download("results.txt").failure() == "canceled"
    assert lab.ask_for_file("results.txt") == 403
    assert lab.upload(table) == 403
    louise.window.photograph("refused-upload")
    assert "not authorized" in lab.dismiss()
    assert "Start a new terminal session" not in lab.launcher()
    assert lab.ask_for_terminal() in {403, 404}


def test_a_frozen_project_refuses_at_once_and_keeps_its_data(
    stack: Stack, claire: Researcher, printed: dict[str, str]
) -> None:
    claire.lab()
    volume = stack.get(namespace(COHORT), "persistentvolumeclaim", f"home-{CLAIRE}")["metadata"]["uid"]
    stack.project.cloison("freeze", COHORT, "--yes")
    stack.wait_for_hub(COHORT)
    try:
        assert "The project is frozen." in claire.refusal(claire.hub, "refused-frozen")
        stack.wait_for_the_end_of_servers(COHORT)
        kept = stack.get(namespace(COHORT), "persistentvolumeclaim", f"home-{CLAIRE}")
        assert (kept["metadata"]["uid"], kept["status"]["phase"]) == (volume, "Bound")
    finally:
        stack.project.cloison("thaw", COHORT, "--yes")
    stack.wait_for_hub(COHORT)
    assert claire.lab().outputs(NOTEBOOK) == printed["python"]
    claire.window.photograph("file-after-thaw")


@pytest.fixture
def ended_permit(stack: Stack) -> Iterator[str]:
    """A permit that ended yesterday: its date is moved under the running hub, which stands for the clock moving on."""
    yesterday = (dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)).isoformat()
    text = stack.get(namespace(COURSE), "configmap", "hub-settings")["data"]["settings.json"]
    settings = json.loads(text)
    ended = settings | {"permit": settings["permit"] | {"expires": yesterday}}
    _restart_hub(stack, json.dumps(ended))
    yield f"The permit {settings['permit']['reference']} ended on {yesterday}."
    _restart_hub(stack, text)


def _restart_hub(stack: Stack, settings: str) -> None:
    place, patch = namespace(COURSE), json.dumps({"data": {"settings.json": settings}})
    stack.kubectl(place, "patch", "configmap", "hub-settings", "--type=merge", f"--patch={patch}")
    stack.kubectl(place, "delete", "pod", "--selector=app.kubernetes.io/component=hub")
    stack.kubectl(place, "rollout", "status", "deployment/hub", "--timeout=50s")
    stack.wait_for_hub(COURSE)


def test_an_ended_permit_refuses_at_once_and_ends_servers(stack: Stack, paul: Researcher, ended_permit: str) -> None:
    assert ended_permit in paul.refusal(paul.hub, "refused-ended-permit")
    stack.wait_for_the_end_of_servers(COURSE)
