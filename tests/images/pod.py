"""Runs an unpacked image as a restricted pod would, without a cluster.

`python -m tests.images.pod SCENARIO ROOT` is started in namespaces of its own by `run`: nothing but loopback exists,
the root is read-only, the user is 1000, and only the home folder and /tmp can be written to. It prints what it saw as
JSON.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from images.commands import contained
from tests.images import kernel
from tests.images.hub import CLIENT_TOKEN, ENVIRONMENT, a_hub

HOST = "127.0.0.1:8888"
TOKEN = "a-token-of-the-test"
PREFIX = "/cohort/marie/"
DEADLINE = 120.0
"""Seconds that a server may take to start."""

Server = subprocess.Popen[str]


def run(scenario: str, root: Path, config: Mapping[str, Any], **options: Any) -> Any:
    """Play a scenario with an unpacked image, and return what it saw."""
    command = contained(sys.executable, "-m", "tests.images.pod", scenario, str(root), json.dumps(config))
    done = subprocess.run(
        ["unshare", "--net", *command, json.dumps(options)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def lab(root: Path, config: Mapping[str, Any], cells: Mapping[str, str]) -> dict[str, Any]:
    """Start JupyterLab with a token, fetch pages, run one cell in each kernel."""
    _write_token(root, TOKEN)
    with _serving(root, config, config["Cmd"], {"JUPYTERHUB_SERVICE_PREFIX": PREFIX}) as server:
        ready = _wait(server, f"{PREFIX}api")
        paths = ("api", "lab", f"lab?token={TOKEN}", "login", "api/kernels", "api/contents", "api/terminals")
        pages = {path: _status(PREFIX + path) for path in paths} | {"/": _status("/"), "/api": _status("/api")}
        printed = {name: kernel.run(HOST, PREFIX, TOKEN, name, code) for name, code in cells.items()}
        settings = urllib3.request("GET", f"http://{HOST}{PREFIX}lab?token={TOKEN}").data.decode()
        log = _stop(server)
    return {"ready": ready, "pages": pages, "printed": printed, "settings": settings, "log": log}


def refusal(root: Path, config: Mapping[str, Any], token: str | None) -> dict[str, Any]:
    """Start JupyterLab with a token file that is empty or absent, and wait for its end."""
    if token is not None:
        _write_token(root, token)
    with _serving(root, config, config["Cmd"], {}) as server:
        log, _ = server.communicate(timeout=DEADLINE)
    return {"status": server.returncode, "log": log}


def hub(root: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Start the single-user server as a JupyterHub does, and fetch as its user, as another and as nobody."""
    prefix = ENVIRONMENT["JUPYTERHUB_SERVICE_PREFIX"]
    with a_hub(), _serving(root, config, ["jupyterhub-singleuser"], ENVIRONMENT) as server:
        _wait(server, f"{prefix}api")
        statuses = {who: _status(f"{prefix}api/kernels", token) for who, token in CLIENT_TOKEN.items()}
        return {"statuses": statuses, "log": _stop(server)}


SCENARIOS: dict[str, Callable[..., Any]] = {"lab": lab, "refusal": refusal, "hub": hub}


def _mount(root: Path) -> None:
    def mount(*arguments: str) -> None:
        subprocess.run(["mount", *arguments], check=True)

    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    mount("--bind", str(root), str(root))
    mount("-o", "remount,bind,ro,nosuid,nodev", str(root))
    for folder in ("tmp", "home/researcher", "dev/shm", "run"):
        mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(root / folder))
    for device in ("null", "urandom", "random", "zero"):
        mount("--bind", f"/dev/{device}", str(root / "dev" / device))
    mount("-t", "proc", "proc", str(root / "proc"))


def _write_token(root: Path, token: str) -> None:
    secret = root / "run/secrets/jupyterlab/token"
    secret.parent.mkdir(parents=True)
    secret.write_text(f"{token}\n")


@contextmanager
def _serving(
    root: Path, config: Mapping[str, Any], command: list[str], environment: Mapping[str, str]
) -> Iterator[Server]:
    """Run a command of the image as user 1000, with the image's own environment."""
    own = dict(each.split("=", 1) for each in config["Env"])
    inside = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
    inside += ["env", f"--chdir={config['WorkingDir']}", *config["Entrypoint"], *command]
    server = subprocess.Popen(
        ["chroot", str(root), *inside],
        env={**own, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield server
    finally:
        server.kill()


def _wait(server: Server, path: str) -> float:
    """Wait for a probe's path to answer, and return the seconds it took."""
    began = time.monotonic()
    while server.poll() is None and time.monotonic() < began + DEADLINE:
        try:
            if _status(path) == 200:
                return time.monotonic() - began
        except urllib3.exceptions.HTTPError:
            time.sleep(0.05)  # between two looks at the condition
    server.kill()
    raise SystemExit(f"{path} did not answer: {server.communicate()[0]}")


def _status(path: str, token: str | None = None) -> int:
    headers = {"Authorization": f"token {token}"} if token else {}
    return urllib3.request("GET", f"http://{HOST}{path}", headers=headers, retries=False, redirect=False).status


def _stop(server: Server) -> str:
    """End a server as Kubernetes does, and return its log."""
    server.terminate()
    return server.communicate(timeout=30)[0]


if __name__ == "__main__":
    scenario, folder, configuration, options = sys.argv[1:]
    _mount(Path(folder))
    print(json.dumps(SCENARIOS[scenario](Path(folder), json.loads(configuration), **json.loads(options))))  # noqa: T201, the answer
