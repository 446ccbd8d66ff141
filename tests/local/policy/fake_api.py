"""An API server with one collection, scripted: what it answers to each list and each watch, in order."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

Json = dict[str, Any]
Answer = tuple[int, list[Json]]
"""Status code, and the lines of the body. A watch stays open after them until the server stops if the last is HOLD."""

HOLD: Json = {}


class FakeApi:
    """Serves scripted answers on the loopback address and records the queries."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.queries: list[dict[str, str]] = []
        self.released = threading.Event()

    def next_answer(self, query: dict[str, str]) -> Answer:
        self.queries.append(query)
        return self.answers.pop(0) if self.answers else (200, [HOLD])


@contextmanager
def serving(api: FakeApi) -> Iterator[str]:
    """Serve until the block ends; yields the server's URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        api.released.set()
        server.shutdown()
        server.server_close()


def _handler(api: FakeApi) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, lines = api.next_answer(
                {key: value[0] for key, value in parse_qs(urlparse(self.path).query).items()}
            )
            self.send_response(status)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for line in lines:
                if line is HOLD:
                    api.released.wait()
                else:
                    self._chunk(json.dumps(line).encode() + b"\n")
            self._chunk(b"")

        def _chunk(self, content: bytes) -> None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    return Handler


def item(name: str, version: int, **labels: str) -> Json:
    return {"metadata": {"name": name, "resourceVersion": str(version), "labels": labels}}


def page(version: int, *items: Json, more: str = "") -> Answer:
    return 200, [{"items": list(items), "metadata": {"resourceVersion": str(version), "continue": more}}]


def event(kind: str, thing: Json) -> Json:
    return {"type": kind, "object": thing}


GONE: Json = {"kind": "Status", "code": 410, "message": "too old resource version"}
