"""Run code in a Jupyter server through its own API, as the researcher's browser does.

Sources: Jupyter Server's REST API (``/api/kernels``) and the Jupyter messaging protocol 5.3, over a websocket.
"""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import urllib3
import websocket

from operations.errors import NotAnsweringError

CELL_SECONDS = 120.0
"""A first cell loads a kernel from disk; R takes the longest."""


@dataclass(frozen=True)
class JupyterServer:
    """A running server and what opens it."""

    base_url: str
    """With the base path and its closing slash."""
    token: str

    def run_cell(self, kernel: str, code: str) -> str:
        """Start a kernel, run one cell in it, stop it.

        Args:
            kernel: name of a kernel of the server, such as ``python3`` or ``ir``.
            code: the cell.

        Returns:
            Everything the cell printed.

        Raises:
            NotAnsweringError: the kernel does not start, the cell fails, or nothing comes within `CELL_SECONDS`.
        """
        with self._kernel(kernel) as identifier, closing(self._channels(identifier)) as channels:
            request = _execute_request(code)
            channels.send(json.dumps(request))
            return "".join(_printed(channels, str(request["header"]["msg_id"])))

    @contextmanager
    def _kernel(self, name: str) -> Iterator[str]:
        started = self._request("POST", "api/kernels", {"name": name})
        try:
            yield str(started["id"])
        finally:
            self._request("DELETE", f"api/kernels/{started['id']}")

    def _request(self, method: str, path: str, body: object = None) -> dict[str, object]:
        headers = {"Authorization": f"token {self.token}"}
        response = urllib3.request(method, self.base_url + path, json=body, headers=headers, timeout=CELL_SECONDS)
        if response.status >= 300:
            message = f"{method} {self.base_url}{path} answers {response.status}: {response.data[:200].decode()}"
            raise NotAnsweringError(message)
        return cast("dict[str, object]", response.json()) if response.data else {}

    def _channels(self, kernel: str) -> websocket.WebSocket:
        address = urlsplit(self.base_url)
        scheme = {"http": "ws", "https": "wss"}[address.scheme]
        url = f"{scheme}://{address.netloc}{address.path}api/kernels/{kernel}/channels"
        headers = {"Authorization": f"token {self.token}"}
        return websocket.create_connection(url, timeout=CELL_SECONDS, header=headers, suppress_origin=True)


def _execute_request(code: str) -> dict[str, dict[str, object]]:
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "", "version": "5.3"}
    return {
        "header": {**header, "session": uuid.uuid4().hex, "date": ""},
        "parent_header": {},
        "metadata": {},
        "content": {"code": code, "silent": False, "store_history": False, "allow_stdin": False},
    } | cast("dict[str, dict[str, object]]", {"channel": "shell"})


def _printed(channels: websocket.WebSocket, request: str) -> Iterator[str]:
    """What the cell prints, until its kernel is idle again."""
    deadline = time.monotonic() + CELL_SECONDS
    while time.monotonic() < deadline:
        message = json.loads(channels.recv())
        if message["parent_header"].get("msg_id") != request:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "error":
            failure = f"the cell failed: {content['ename']}: {content['evalue']}"
            raise NotAnsweringError(failure)
        if kind == "status" and content["execution_state"] == "idle":
            return
        yield content["text"] if kind == "stream" else content.get("data", {}).get("text/plain", "")
    message = f"the cell did not end within {CELL_SECONDS:.0f} s"
    raise NotAnsweringError(message)
