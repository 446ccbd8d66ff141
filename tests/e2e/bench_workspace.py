"""How long people wait, beside a bare pod of the same image: `python -m tests.e2e.bench_workspace --platform NAME`.

One more workspace: from `cloison up` to its hub's answer, beside the hub's own start and a bare pod. A server: from
pressing Start to JupyterLab's answer, beside `kubectl apply` of a pod with the same image, size and kind of volume.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import typer
import yaml

from local import waiting
from local.platform import Platform
from operations.answering import answers
from tests.e2e.browser import Browser, Page, hidden_fields
from tests.e2e.project import Project, load_images
from tests.e2e.sign_in import Authenticator, asked_for

PROJECT = "training-course"
NEW = "one-more-study"
BARE = "bench-bare"
ROUNDS = 3
OWN_PASSWORD = "Of-the-bench-2026-only"
TOKEN = "of-the-bench"
DEADLINE = 180.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Bring a stack up on a platform, measure, and take it away again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", required=True, help="name of a platform that runs")
    platform = Platform(parser.parse_args(arguments).platform)
    images = load_images(platform)
    with tempfile.TemporaryDirectory() as folder:
        project = Project.copied(Path(folder), platform)
        _say("cloison up of three workspaces, gateway and sign-in", [_timed(lambda: project.cloison("up", "--yes"))])
        _say("cloison up again", [_timed(lambda: project.cloison("up", "--yes")) for _ in range(ROUNDS)])
        bare = [_bare_pod(platform, images["jupyterlab"], number) for number in range(ROUNDS)]
        _say("kubectl apply of a bare JupyterLab pod, to its answer", bare)
        _servers(project, statistics.median(bare))
        _one_more(project, statistics.median(bare))
        project.destroy()


def _servers(project: Project, bare: float) -> None:
    browser = _signed_in(project)
    starts = [_start(project, browser) for _ in range(ROUNDS)]
    _say("from pressing Start to JupyterLab's answer", starts, bare)


def _one_more(project: Project, bare: float) -> None:
    hubs = [_restart_of_hub(project) for _ in range(ROUNDS)]
    _say("a hub's own start", hubs)
    project.cloison("new", NEW)
    began = time.monotonic()
    project.cloison("up", "--yes")
    _until(lambda: _hub_answers(project, NEW), "an answer of the new hub")
    own = statistics.median(hubs)
    _say("cloison up of one more workspace, to its hub's answer", [time.monotonic() - began], bare + own)


def _bare_pod(platform: Platform, image: str, number: int) -> float:
    """Seconds from `kubectl apply` to the pod's readiness, which its probe sees within a second."""
    name = f"{BARE}-{number}"
    platform.kubectl("create", "namespace", name)
    before = [_secret(), _claim()]
    platform.kubectl("apply", "-n", name, "-f", "-", stdin=yaml.safe_dump_all(before))
    began = time.monotonic()
    platform.kubectl("apply", "-n", name, "-f", "-", stdin=yaml.safe_dump(_pod(image)))
    platform.kubectl(
        "wait", "-n", name, "--for=condition=Ready", "pod/server", f"--timeout={DEADLINE:.0f}s", timeout=DEADLINE
    )
    taken = time.monotonic() - began
    platform.kubectl("delete", "namespace", name)
    return taken


def _secret() -> object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"token": TOKEN}}


def _claim() -> object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "home"}, "spec": spec}


def _pod(image: str) -> object:
    container = {
        "name": "notebook",
        "image": image,
        "args": ["jupyter", "lab"],
        "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "volumeMounts": [
            {"name": "home", "mountPath": "/home/researcher"},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "token", "mountPath": "/run/secrets/jupyterlab"},
        ],
        "startupProbe": {"httpGet": {"path": "/api", "port": 8888}, "periodSeconds": 1, "failureThreshold": 180},
        "readinessProbe": {"httpGet": {"path": "/api", "port": 8888}, "periodSeconds": 10},
    }
    volumes = [
        {"name": "home", "persistentVolumeClaim": {"claimName": "home"}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "token", "secret": {"secretName": "token"}},
    ]
    spec = {"securityContext": {"fsGroup": 1000}, "containers": [container], "volumes": volumes}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "server"}, "spec": spec}


def _signed_in(project: Project) -> Browser:
    """The browser of a member of the example who has signed in for the first time."""
    browser = Browser(project.authority.read_text())
    email, member = "paul.girard@universite-exemple.example", "paul-girard"
    page = browser.get(project.url(PROJECT))
    page = browser.submit(page, username=email, password=project.printed_json("accounts")[email])
    page = _first_answers(browser, page)
    assert page.status == 200, page.text
    assert f"/user/{member}" in page.url or "/hub/" in page.url, page.url
    return browser


def _first_answers(browser: Browser, page: Page) -> Page:
    """Set a password and enrol a one-time password, in whichever order they are asked for."""
    while (asked := asked_for(page)) in ("password-new", "totpSecret"):
        if asked == "password-new":
            page = browser.submit(page, **{"password-new": OWN_PASSWORD, "password-confirm": OWN_PASSWORD})
        else:
            code = Authenticator(hidden_fields(page)["totpSecret"]).code()
            page = browser.submit(page, totp=code, userLabel="of the bench")
    return page


def _start(project: Project, browser: Browser) -> float:
    """Seconds from pressing Start to the answer of JupyterLab's page; the server is stopped before."""
    base, member = project.url(PROJECT), "paul-girard"
    server = f"{base}hub/api/users/{member}/server"
    browser.get(f"{base}hub/home")
    browser.send("DELETE", server)
    _until(lambda: browser.get(f"{base}hub/api/users/{member}").json()["servers"] == {}, "the end of the server")
    began = time.monotonic()
    assert browser.send("POST", server).status in {201, 202}
    _until(lambda: _ready(browser, f"{base}hub/api/users/{member}"), "the server's readiness")
    assert browser.get(f"{base}user/{member}/lab").status == 200
    return time.monotonic() - began


def _ready(browser: Browser, model: str) -> bool:
    servers = browser.get(model).json()["servers"]
    return bool(servers) and bool(servers[""]["ready"])


def _restart_of_hub(project: Project) -> float:
    """Seconds from the declaration of a hub's pod to its answer, while no other is there."""
    _scale(project, 0)
    label = "app.kubernetes.io/component=hub"
    pods = ("get", "pods", "-n", f"project-{PROJECT}", "-l", label, "-o", "name")
    _until(lambda: not project.platform.kubectl(*pods), "the end of the hub's pod")
    began = time.monotonic()
    _scale(project, 1)
    _until(lambda: _hub_answers(project, PROJECT), "an answer of the restarted hub")
    return time.monotonic() - began


def _scale(project: Project, replicas: int) -> None:
    project.platform.kubectl("scale", "deployment/hub", "-n", f"project-{PROJECT}", f"--replicas={replicas}")


def _hub_answers(project: Project, name: str) -> bool:
    return answers(project.url(name), project.authority.read_text())


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _until(condition: Callable[[], bool], what: str) -> None:
    waiting.until(condition, what, DEADLINE, pause=0.2)


def _say(what: str, seconds: Sequence[float], beside: float | None = None) -> None:
    median = statistics.median(seconds)
    each = ", ".join(f"{one:.1f}" for one in seconds)
    ratio = f"  {median / beside:.2f} times the {beside:.1f} s of its bare parts" if beside else ""
    typer.echo(f"{what}: {median:.1f} s ({each}){ratio}")


if __name__ == "__main__":
    main()
