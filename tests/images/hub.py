"""The part of a JupyterHub's API that a single-user server asks: which user a token belongs to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8081
SCOPE = "access:servers!server=marie/"
CLIENT_TOKEN = {"marie": "token-of-marie", "paul": "token-of-paul", "nobody": None}
ENVIRONMENT = {
    "JUPYTERHUB_API_TOKEN": "token-of-the-server",
    "JUPYTERHUB_API_URL": f"http://127.0.0.1:{PORT}/hub/api",
    "JUPYTERHUB_BASE_URL": "/",
    "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-marie",
    "JUPYTERHUB_HOST": "",
    "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps([SCOPE]),
    "JUPYTERHUB_OAUTH_CALLBACK_URL": "/user/marie/oauth_callback",
    "JUPYTERHUB_SERVER_NAME": "",
    "JUPYTERHUB_SERVICE_PREFIX": "/user/marie/",
    "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/marie/",
    "JUPYTERHUB_USER": "marie",
}
_USERS = {
    "token token-of-marie": {"kind": "user", "name": "marie", "scopes": [SCOPE]},
    "token token-of-paul": {"kind": "user", "name": "paul", "scopes": ["access:servers!server=paul/"]},
    "token token-of-the-server": {"kind": "user", "name": "marie", "scopes": [SCOPE]},
}


class _Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = {"version": "5.5.4"} if self.path == "/hub/api" else _USERS.get(self.headers["Authorization"] or "")
        self._answer(200 if known else 403, known or {"status": 403, "message": "Forbidden"})

    def do_POST(self) -> None:
        """Take the server's reports on its activity."""
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self._answer(200, {})

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the test's output is JSON."""

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def a_hub() -> Iterator[None]:
    """Answer as a hub does."""
    with ThreadingHTTPServer(("127.0.0.1", PORT), _Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()
