"""The one part of the Kubernetes API that Vault's Kubernetes login asks: TokenReview."""

import base64
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local.certificates import KeyPair

NAMESPACE = "cohort"
ACCOUNT = "notebook"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
UID = "5d2f8a36-4b1c-4f0e-9a51-0c2d7e3b9f10"
BEGIN, END = 1577836800, 4102444800
"""When the token's life begins and ends (2020 and 2100), in seconds since 1970."""


def service_account_token() -> str:
    """A token with the claims of a service account; whether it is valid is for the reviewer to say."""
    account = {"namespace": NAMESPACE, "serviceaccount": {"name": ACCOUNT, "uid": UID}}
    life = {"iat": BEGIN, "nbf": BEGIN, "exp": END}
    claims = {"iss": "kubernetes", "sub": USER, "kubernetes.io": account} | life
    parts = [{"alg": "RS256", "typ": "JWT"}, claims]
    signature = base64.urlsafe_b64encode(b"s" * 256).decode().rstrip("=")
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, signature])


class Handler(BaseHTTPRequestHandler):
    """Answers that a token is the service account's, if it is the one that was handed out."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = asked["spec"]["token"] == service_account_token()
        user = {"username": USER, "uid": UID, "groups": ["system:serviceaccounts"]}
        review = {"status": {"authenticated": True, "user": user} if known else {"authenticated": False}}
        body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"} | review).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Requests are no news."""


class Reviewer:
    """An HTTPS server on loopback, until it is closed."""

    def __init__(self, files: KeyPair) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.address = f"https://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
