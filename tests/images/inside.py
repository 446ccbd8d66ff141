"""Runs an unpacked image as a restricted pod would and talks to its Jupyter server, then prints what it saw as JSON.

Started in a mount, process and network namespace of its own (see `test_jupyterlab.py`): nothing but loopback exists,
the root is read-only, the user is 1000 and only the home folder and /tmp can be written to.
"""

import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import urllib3
from websocket import WebSocket, create_connection

PREFIX = "/cohort/marie/"
TOKEN = "a-token-of-the-test"
SIGNED_IN = {"Authorization": f"token {TOKEN}"}
HOST = "127.0.0.1:8888"
DEADLINE = 120.0
"""Seconds that the server and each cell may take."""


def main(root: Path, config: dict[str, Any], cells: dict[str, str]) -> dict[str, Any]:
    """Start the server, fetch, run one cell per kernel."""
    _mount(root)
    with _start(root, config) as server:
        try:
            ready = _ready(server)
            pages = {path: _status(path) for path in ("api", "lab", f"lab?token={TOKEN}", "api/kernels", "login")}
            results = {kernel: _run(kernel, code) for kernel, code in cells.items()}
        finally:
            server.terminate()
        said, _ = server.communicate(timeout=30)
    return {"ready": ready, "pages": pages, "cells": results, "log": said}


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
    secret = root / "run/secrets/jupyterlab/token"
    secret.parent.mkdir(parents=True)
    secret.write_text(TOKEN + "\n")


def _start(root: Path, config: dict[str, Any]) -> "subprocess.Popen[str]":
    environment = dict(each.split("=", 1) for each in config["Env"]) | {"JUPYTERHUB_SERVICE_PREFIX": PREFIX}
    command = ["chroot", "--userspec=1000:1000", "--groups=1000", str(root)]
    command += ["/usr/bin/env", f"--chdir={config['WorkingDir']}", *config["Entrypoint"], *config["Cmd"]]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _ready(server: "subprocess.Popen[str]") -> float:
    """Wait for the probe's path to answer, and return the seconds it took."""
    began = time.monotonic()
    while time.monotonic() < began + DEADLINE:
        try:
            if _status("api") == 200:
                return time.monotonic() - began
        except urllib3.exceptions.HTTPError:
            if server.poll() is not None:
                break
            time.sleep(0.05)  # between two looks at the condition, not instead of one
    server.kill()
    raise SystemExit(f"the server did not answer: {server.communicate()[0]}")


def _status(path: str) -> int:
    return urllib3.request("GET", f"http://{HOST}{PREFIX}{path}", retries=False, redirect=False).status


def _run(kernel: str, code: str) -> str:
    """Run one cell in a new kernel, and return what it printed."""
    answer = urllib3.request("POST", f"http://{HOST}{PREFIX}api/kernels", json={"name": kernel}, headers=SIGNED_IN)
    identity = answer.json()["id"]
    channels = create_connection(
        f"ws://{HOST}{PREFIX}api/kernels/{identity}/channels",
        header=SIGNED_IN,
        timeout=DEADLINE,
    )
    channels.send(json.dumps(_execute_request(code)))
    return _printed(channels)


def _execute_request(code: str) -> dict[str, Any]:
    header = {
        "msg_id": uuid.uuid4().hex,
        "session": uuid.uuid4().hex,
        "username": "",
        "msg_type": "execute_request",
        "version": "5.3",
    }
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
    return {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}


def _printed(channels: WebSocket) -> str:
    said = ""
    while True:
        message = json.loads(channels.recv())
        content = message["content"]
        if message["msg_type"] == "stream" and content["name"] == "stdout":
            said += content["text"]
        if message["msg_type"] == "execute_reply":
            return said if content["status"] == "ok" else json.dumps(content)


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3]))))  # noqa: T201, the answer
