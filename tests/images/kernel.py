"""Running a cell in a Jupyter server's kernel, as a browser does."""

import json
import uuid
from typing import Any

import urllib3
from websocket import WebSocket, create_connection

DEADLINE = 120.0
"""Seconds that a kernel may be silent."""


def run(host: str, prefix: str, token: str, kernel: str, code: str) -> str:
    """Run a cell in a new kernel, and return what it printed; what it answered if it failed."""
    signed = {"Authorization": f"token {token}"}
    started = urllib3.request("POST", f"http://{host}{prefix}api/kernels", json={"name": kernel}, headers=signed)
    channels = create_connection(
        f"ws://{host}{prefix}api/kernels/{started.json()['id']}/channels", header=signed, timeout=DEADLINE
    )
    channels.send(json.dumps(_request(code)))
    return _printed(channels)


def _request(code: str) -> dict[str, Any]:
    """https://jupyter-client.readthedocs.io/en/stable/messaging.html#execute"""
    header = {"msg_id": uuid.uuid4().hex, "session": uuid.uuid4().hex, "username": "", "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
    return {
        "header": header | {"msg_type": "execute_request"},
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
    }


def _printed(channels: WebSocket) -> str:
    """Collect what a cell prints until the kernel is idle again: the reply itself may overtake it."""
    said = ""
    while True:
        message = json.loads(channels.recv())
        content = message["content"]
        match message["msg_type"]:
            case "stream" if content["name"] == "stdout":
                said += content["text"]
            case "error":
                return f"{content['ename']}: {content['evalue']}"
            case "status" if content["execution_state"] == "idle" and _answers_cell(message):
                return said


def _answers_cell(message: dict[str, Any]) -> bool:
    return message["parent_header"].get("msg_type") == "execute_request"
