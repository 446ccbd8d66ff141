"""Inside a project everything is TLS: who speaks plainly, shows nothing or has another's certificate is refused."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from components.hub_tls import HUB_AUTHORITY, HUB_CERTIFICATE
from components.issuing import issue_authority, issue_certificate
from local import waiting
from local.platform import Platform
from tests.e2e.chromium import chromium
from tests.e2e.hub import ISSUER, ISSUER_NAMESPACE, Hub
from tests.e2e.lab import Lab
from tests.e2e.project import load_images
from tests.e2e.wire import captured
from tests.samples import cohort
from workspaces.model import Workspace

pytestmark = [pytest.mark.platform, pytest.mark.timeout(600)]

GROUP = "/projects/sleep-study"
MEMBERS = ("ada", "ben", "cleo")
PEOPLE = {
    name: {"sub": name, "email": f"{name}@lab.example", "email_verified": True, "groups": [GROUP]} for name in MEMBERS
}
HUB, PROXY, SERVER = "deploy/hub", "deploy/proxy", "server-ada"
OF_SERVER = ("/run/secrets/tls/ca.crt", "/run/secrets/tls/tls.crt", "/run/secrets/tls/tls.key")
OF_PROXY = tuple(file.replace("/tls/", "/api-tls/") for file in OF_SERVER)
OF_HUB = (HUB_AUTHORITY, HUB_CERTIFICATE.certificate, HUB_CERTIFICATE.key)
FILES = {HUB: OF_HUB, PROXY: OF_PROXY, SERVER: OF_SERVER}
FLOWS = [
    (SERVER, "hub", 8081),
    (PROXY, "hub", 8081),
    (HUB, "proxy-api", 8001),
    (HUB, SERVER, 8888),
    (PROXY, SERVER, 8888),
]
ANSWER = "b'HTTP/1.1'"


@pytest.fixture(scope="module")
def hub(platform: Platform) -> Iterator[Hub]:
    """A hub with a member whose server is in order, one who has another's certificate, one who has a stranger's."""
    today = dt.datetime.now(dt.UTC).date()
    members = [{"name": name, "email": f"{name}@lab.example", "role": "researcher"} for name in MEMBERS]
    permit = {"reference": "DR-2026-7", "expires": today + dt.timedelta(days=30)}
    project = Workspace.model_validate({**cohort(), "members": members, "permit": permit}, context={"today": today})
    hub = Hub(platform, project, load_images(platform, ("jupyterhub", "jupyterlab")), PEOPLE)
    strangers = issue_authority("strangers", hub.now)
    hub.pairs["server-tls-ben"] = hub.issue(_host(hub, "server-cleo"), client=True)
    hub.pairs["server-tls-cleo"] = issue_certificate([_host(hub, "server-cleo")], True, strangers, hub.now)
    try:
        hub.start()
        hub.start_server(hub.signed_in("ada"), "ada")
        yield hub
    finally:
        hub.delete()


def _host(hub: Hub, service: str) -> str:
    return f"{service}.{hub.namespace}.svc.cluster.local"


ASK = """
import socket, ssl, sys
host, port, how, authority, certificate, key = sys.argv[1:]
connection = socket.create_connection((host, int(port)), timeout=10)
try:
    if how != "plain":
        context = ssl.create_default_context(cafile=authority)
        if how == "certificate":
            context.load_cert_chain(certificate, key)
        connection = context.wrap_socket(connection, server_hostname=host)
    connection.sendall(b"GET /hub/health HTTP/1.1\\r\\nHost: of-the-tests\\r\\nConnection: close\\r\\n\\r\\n")
    print(connection.recv(8))
except (ssl.SSLError, ConnectionError) as error:
    print("refused")
"""
"""Prints the first bytes that a server answers."""


def _asked(hub: Hub, pod: str, service: str, port: int, how: str, files: tuple[str, ...] | None = None) -> str:
    arguments = (_host(hub, service), str(port), how, *(files or FILES[pod]))
    return _execute(hub, pod, "python3", "-c", ASK, *arguments).strip()


def _execute(hub: Hub, pod: str, *command: str, stdin: str | None = None) -> str:
    return hub.platform.kubectl("exec", "-i", "-n", hub.namespace, pod, "--", *command, stdin=stdin)


@pytest.mark.parametrize(("pod", "service", "port"), FLOWS)
def test_who_speaks_plainly_or_shows_no_certificate_gets_no_answer(hub: Hub, pod: str, service: str, port: int) -> None:
    assert _asked(hub, pod, service, port, "certificate") == ANSWER
    assert _asked(hub, pod, service, port, "plain") in {"refused", "b''"}
    assert _asked(hub, pod, service, port, "none") in {"refused", "b''"}


def test_a_certificate_of_another_authority_opens_nothing(hub: Hub) -> None:
    stranger = hub.pairs["server-tls-cleo"]
    for name, content in (("tls.crt", stranger.certificate), ("tls.key", stranger.private_key)):
        _execute(hub, SERVER, "sh", "-c", f"cat > /tmp/{name}", stdin=content)
    files = (OF_SERVER[0], "/tmp/tls.crt", "/tmp/tls.key")
    assert _asked(hub, SERVER, "hub", 8081, "certificate", files) in {"refused", "b''"}


ROUTE = """
import json, ssl, sys, urllib.request
api, path, target, authority, certificate, key = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
context.load_cert_chain(certificate, key)
token = open("/run/secrets/jupyterhub/proxy-token").read().strip()
body, headers = json.dumps({"target": target}).encode(), {"Authorization": f"token {token}"}
request = urllib.request.Request(f"https://{api}:8001/api/routes/{path}", body, headers, method="POST")
urllib.request.urlopen(request, context=context)
"""
"""Has the proxy lead a path somewhere, as the hub does."""


def _led_to(hub: Hub, host: str) -> int:
    """What becomes of a request that the proxy passes on to a server; 503 is its own answer."""
    path = f"try-{host}"
    _execute(hub, HUB, "python3", "-c", ROUTE, _host(hub, "proxy-api"), path, f"https://{host}:8888", *OF_HUB)
    return hub.signed_in("ada").get(hub.url(f"/{path}")).status


def test_hub_and_proxy_refuse_a_server_that_shows_another_s_certificate(hub: Hub) -> None:
    browser = hub.signed_in("ben")
    assert browser.send("POST", hub.url("/hub/api/users/ben/server")).status in {201, 202}
    waiting.until(lambda: "certificate is not valid for 'server-ben." in _log(hub, HUB), "the hub's refusal", 120)
    assert _led_to(hub, _host(hub, "server-ben")) == 503
    assert "does not match certificate's altnames" in _log(hub, PROXY)
    assert not hub.ready(browser, "ben")


STRANGER = """
import http.server, ssl
server = http.server.HTTPServer(("", 8888), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/run/secrets/tls/tls.crt", "/run/secrets/tls/tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"""
HUB_S_CLIENT = """
import asyncio, sys
from project_hub.application import ProjectHub
from tornado.httpclient import AsyncHTTPClient
async def ask():
    ProjectHub().init_internal_ssl()
    try:
        await AsyncHTTPClient().fetch(sys.argv[1], follow_redirects=False, raise_error=False)
        print("answered")
    except OSError as error:
        print(error)
asyncio.run(ask())
"""
"""Asks with the client that the hub asks with."""


@pytest.fixture
def stranger(hub: Hub) -> str:
    """Host of a server in Cleo's place: its certificate has the right name, by an authority of its own."""
    selector = hub.platform.kubectl.get("service", "server-cleo", "-n", hub.namespace)["spec"]["selector"]
    pod: dict[str, Any] = hub.platform.kubectl.get("pod", SERVER, "-n", hub.namespace)
    container = {
        "name": "stranger",
        "image": hub.images["jupyterhub"],
        "args": ["python", "-c", STRANGER],
        "securityContext": pod["spec"]["containers"][0]["securityContext"],
        "volumeMounts": [{"name": "tls", "mountPath": "/run/secrets/tls"}],
        "readinessProbe": {"tcpSocket": {"port": 8888}, "periodSeconds": 1},
    }
    spec = {
        "automountServiceAccountToken": False,
        "securityContext": pod["spec"]["securityContext"],
        "containers": [container],
        "volumes": [{"name": "tls", "secret": {"secretName": "server-tls-cleo", "defaultMode": 0o440}}],
    }
    metadata = {"name": "stranger", "namespace": hub.namespace, "labels": selector}
    hub.platform.kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
    hub.platform.kubectl("wait", "-n", hub.namespace, "--for=condition=Ready", "pod/stranger", "--timeout=50s")
    return _host(hub, "server-cleo")


def test_hub_and_proxy_refuse_a_server_from_another_authority(hub: Hub, stranger: str) -> None:
    def asked_by_hub(host: str) -> str:
        return _execute(hub, HUB, "python3", "-c", HUB_S_CLIENT, f"https://{host}:8888/")

    assert asked_by_hub(_host(hub, SERVER)).strip() == "answered"
    assert "CERTIFICATE_VERIFY_FAILED" in asked_by_hub(stranger)
    assert _led_to(hub, stranger) == 503
    assert "unable to verify the first certificate" in _log(hub, PROXY)


def _log(hub: Hub, pod: str) -> str:
    return hub.platform.kubectl("logs", "-n", hub.namespace, pod, "--tail=-1")


def test_the_proxy_verifies_the_name_that_it_connects_to(hub: Hub) -> None:
    """The same server is behind both names, and its certificate is for one: it sends people to sign in."""
    assert _led_to(hub, _host(hub, SERVER)) == 302
    assert _led_to(hub, SERVER) == 503


def test_no_packet_of_a_notebook_session_can_be_read(hub: Hub, tmp_path: Path) -> None:
    marker, authority, home = token_hex(16), tmp_path / "authority.crt", tmp_path / "home"
    authority.write_text(hub.authority.certificate)
    home.mkdir()
    with chromium(authority, home, tmp_path) as browser:
        window = browser.window("ada")
        window.open(f"https://{ISSUER}.localhost:{hub.platform.ports.tls}/session/ada")
        with captured(hub.platform, tmp_path / "session") as session:
            window.open(hub.url("/user/ada/lab"))
            lab = Lab(window.page)
            lab.new_notebook("python")
            shown = lab.run(f"print(bytes.fromhex('{marker.encode().hex()}').decode())")
    assert shown.strip() == marker
    assert session.sent_from(8888) > 10_000
    assert session.sent_from(8081) > 1_000
    assert not session.holds(marker)


def test_a_plain_request_between_two_pods_can_be_read(hub: Hub, tmp_path: Path) -> None:
    """Or the test above would prove nothing."""
    marker, kubectl = token_hex(16), hub.platform.kubectl
    container = {
        "name": "plain",
        "image": hub.images["jupyterhub"],
        "args": ["python", "-m", "http.server", "--directory=/srv", "8080"],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    metadata = {"name": "plain", "namespace": ISSUER_NAMESPACE}
    kubectl.apply(
        json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}})
    )
    kubectl("wait", "-n", ISSUER_NAMESPACE, "--for=condition=Ready", "pod/plain", "--timeout=50s")
    address = kubectl.get("pod", "plain", "-n", ISSUER_NAMESPACE)["status"]["podIP"]
    code = f"import urllib.request; urllib.request.urlopen('http://{address}:8080/?{marker}')"
    with captured(hub.platform, tmp_path / "plain") as control:
        kubectl("exec", "-n", ISSUER_NAMESPACE, "deploy/issuer", "--", "python", "-c", code)
    assert control.holds(marker)
