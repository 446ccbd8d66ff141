"""An API server that answers from a script, and misbehaves when the script says so."""

import json
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from engine.kubernetes.kubeconfig import Cluster


@dataclass
class Reply:
    """One scripted answer.

    Args:
        status: The HTTP status; 0 breaks the connection instead.
        body: What is sent, as JSON; a list is sent line by line, as a watch is.
        headers: Beside the usual ones.
        hold: Wait for this event before answering.
    """

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None


DROP = Reply(status=0)


def refusal(status: int, reason: str = "", message: str = "refused", **details: Any) -> Reply:
    """Return an answer that refuses, as a ``Status`` object."""
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": status}
    return Reply(status, body | ({"details": details} if details else {}))


@dataclass
class Request:
    """One request that the server has seen."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


class ScriptedServer(ThreadingHTTPServer):
    """Answers each method and path from its own queue; the last answer is repeated, and without any it is 404."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.replies: dict[tuple[str, str], deque[Reply]] = defaultdict(deque)
        self.requests: list[Request] = []
        self.lock = threading.Lock()

    def script(self, method: str, path: str, *replies: Reply) -> None:
        self.replies[method, path].extend(replies)

    def next_reply(self, request: Request) -> Reply:
        with self.lock:
            self.requests.append(request)
            queue = self.replies[request.method, request.path]
            if not queue:
                return refusal(404, "NotFound", f"nothing is scripted for {request.method} {request.path}")
            return queue.popleft() if len(queue) > 1 else queue[0]

    def seen(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.method == method]

    @property
    def cluster(self) -> Cluster:
        return Cluster("scripted", {"server": f"http://127.0.0.1:{self.server_address[1]}"}, {"token": "secret"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's word
        pass

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        url = urlsplit(self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(data) if data else None
        request = Request(self.command, url.path, dict(parse_qsl(url.query)), body, dict(self.headers))
        self._answer(cast(ScriptedServer, self.server).next_reply(request))

    def _answer(self, reply: Reply) -> None:
        if reply.hold:
            reply.hold.wait(10)
        if reply.status == 0:
            self.close_connection = True
            return
        if isinstance(reply.body, str):
            data = reply.body.encode()
        elif isinstance(reply.body, list):
            data = b"".join(json.dumps(line).encode() + b"\n" for line in reply.body)
        else:
            data = json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in (reply.headers | {"Content-Length": str(len(data))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serving(port: int = 0, replies: Mapping[tuple[str, str], Reply] | None = None) -> Iterator[ScriptedServer]:
    """Run a scripted server for a while, on a free port unless told which; it knows `replies` from its first moment."""
    server = ScriptedServer(port)
    for (method, path), reply in (replies or {}).items():
        server.script(method, path, reply)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
