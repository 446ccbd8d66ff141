import datetime as dt
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs

import pytest

from components import realm_api
from components.issuing import issue_authority, issue_certificate
from components.realm_api import AdministrationApi, AdministrationError

NOW = dt.datetime.now(dt.UTC)
AUTHORITY = issue_authority("Cloison tests", NOW)
SECRET = "planted-secret"


class _Keycloak(ThreadingHTTPServer):
    """Answers as Keycloak does, from a table."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[tuple[str, str], tuple[int, Any]] = {}
        self.seen: list[tuple[str, str, Any]] = []
        self.lifetime = 60
        self.tokens = 0
        self.unready = 0


class _Handler(BaseHTTPRequestHandler):
    @property
    def _keycloak(self) -> _Keycloak:
        return cast(_Keycloak, self.server)

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path.endswith("/token"):
            return self._token(parse_qs(body))
        assert self.headers["Authorization"] == f"Bearer token-{self._keycloak.tokens}"
        self._keycloak.seen.append((self.command, self.path, json.loads(body) if body else None))
        status, content = self._keycloak.answers.get((self.command, self.path), (404, {"error": "not found"}))
        return self._send(status, content)

    def _token(self, form: dict[str, list[str]]) -> None:
        if self._keycloak.unready:
            self._keycloak.unready -= 1
            return self._send(503, None)
        if form["client_secret"] != [SECRET]:
            return self._send(401, {"error": "unauthorized_client", "error_description": "Invalid client credentials"})
        self._keycloak.tokens += 1
        return self._send(
            200, {"access_token": f"token-{self._keycloak.tokens}", "expires_in": self._keycloak.lifetime}
        )

    def _send(self, status: int, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        if status == 201:
            self.send_header("Location", f"https://elsewhere{self.path}/new-id")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - names that http.server calls

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


@pytest.fixture
def keycloak(tmp_path: Path) -> Iterator[_Keycloak]:
    pair = issue_certificate(["localhost"], False, AUTHORITY, NOW)
    file = tmp_path / "server.pem"
    file.write_text(pair.certificate + pair.private_key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    with _Keycloak() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def _api(keycloak: _Keycloak, secret: str = SECRET, authority: str = AUTHORITY.certificate) -> AdministrationApi:
    return AdministrationApi(f"https://localhost:{keycloak.server_port}/", authority, secret)


def test_one_token_serves_many_requests(keycloak: _Keycloak) -> None:
    keycloak.answers["GET", "/admin/realms/x"] = (200, {"realm": "x"})
    api = _api(keycloak)
    assert [api.get("/x"), api.get("/x")] == [{"realm": "x"}] * 2
    assert keycloak.tokens == 1


def test_a_token_near_its_end_is_not_used(keycloak: _Keycloak) -> None:
    keycloak.lifetime = 10
    keycloak.answers["GET", "/admin/realms/x"] = (200, {})
    api = _api(keycloak)
    api.get("/x")
    api.get("/x")
    assert keycloak.tokens == 2


def test_what_is_created_tells_its_id(keycloak: _Keycloak) -> None:
    keycloak.answers["POST", "/admin/realms/x/groups"] = (201, None)
    assert _api(keycloak).post("/x/groups", {"name": "projects"}) == "new-id"
    assert keycloak.seen == [("POST", "/admin/realms/x/groups", {"name": "projects"})]


def test_numbers_of_pulumis_protocol_arrive_whole(keycloak: _Keycloak) -> None:
    keycloak.answers["PUT", "/admin/realms/x"] = (204, None)
    _api(keycloak).put("/x", {"idle": 1800.0, "list": [{"priority": 10.0}], "ratio": 0.5, "on": True})
    assert keycloak.seen[-1][2] == {"idle": 1800, "list": [{"priority": 10}], "ratio": 0.5, "on": True}


def test_what_is_not_there_is_none_and_deleting_it_is_no_error(keycloak: _Keycloak) -> None:
    assert _api(keycloak).get("/x/groups/7", exact="true") is None
    _api(keycloak).delete("/x/groups/7")


def test_a_refusal_says_what_keycloak_says(keycloak: _Keycloak) -> None:
    keycloak.answers["POST", "/admin/realms"] = (409, {"errorMessage": "Conflict detected"})
    with pytest.raises(AdministrationError, match="POST /admin/realms: 409 Conflict detected") as refused:
        _api(keycloak).post("", {"realm": "x"})
    assert refused.value.status == 409


def test_a_wrong_secret_is_told_without_telling_it(keycloak: _Keycloak) -> None:
    with pytest.raises(AdministrationError, match="401 Invalid client credentials") as refused:
        _api(keycloak, secret="another-secret").get("/x")
    assert "another-secret" not in str(refused.value)


def test_a_server_of_another_authority_gets_no_secret(keycloak: _Keycloak, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realm_api, "UNTIL_REACHABLE", realm_api.ONCE)
    stranger = issue_authority("Another", NOW).certificate
    with pytest.raises(AdministrationError, match="cannot be reached"):
        _api(keycloak, authority=stranger).get("/x")
    assert keycloak.tokens == 0


def test_a_server_that_is_not_routed_to_yet_is_waited_for(keycloak: _Keycloak, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realm_api, "UNTIL_REACHABLE", realm_api.UNTIL_REACHABLE.new(backoff_factor=0.01))
    keycloak.unready = 2
    keycloak.answers["GET", "/admin/realms/x"] = (200, {"realm": "x"})
    assert _api(keycloak).get("/x") == {"realm": "x"}
    assert keycloak.unready == 0
