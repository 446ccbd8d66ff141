"""Proving to the API server who we are: certificates, tokens, and programs that print credentials.

Programs follow ``client.authentication.k8s.io``:
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

import base64
import json
import os
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.errors import InputError, Unreachable
from engine.kubernetes.kubeconfig import Cluster

_TOKEN_FILE_SECONDS = 60.0
"""How long a token read from a file is used before the file is read again, as in client-go."""

_PLUGIN_SECONDS = 60.0
"""How long a credential program may take; one that waits for a browser needs the Pulumi CLI's terminal."""


class Credentials:
    """The headers that authenticate each request. Thread-safe.

    Args:
        cluster: The cluster; its ``user`` tells how to authenticate.

    Raises:
        InputError: If the user authenticates in a way that is not supported.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._user = cluster.user
        self._lock = threading.Lock()
        self._status: dict[str, Any] = {}
        self._valid_until = 0.0
        if "auth-provider" in self._user:
            name = self._user["auth-provider"].get("name", "")
            raise InputError(
                f"context {cluster.context!r}: the auth-provider {name!r} has left Kubernetes; use an exec plugin"
            )

    def headers(self) -> dict[str, str]:
        """Return the headers for a request; empty when a certificate authenticates."""
        if self._user.get("username"):
            pair = f"{self._user['username']}:{self._user.get('password', '')}"
            return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        token = self._current_token()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def renew(self) -> bool:
        """Forget a refused token; False if there is no way to get another one."""
        with self._lock:
            self._valid_until = 0.0
        return "exec" in self._user or "tokenFile" in self._user

    def _current_token(self) -> str:
        return str(self._user.get("token") or self._current_status().get("token", ""))

    def certificate(self) -> tuple[bytes, bytes]:
        """Return the client's certificate and key in PEM; both empty if there is none."""
        given = _content(self._user, "client-certificate"), _content(self._user, "client-key")
        if given[0] or "exec" not in self._user:
            return given
        status = self._current_status()
        return str(status.get("clientCertificateData", "")).encode(), str(status.get("clientKeyData", "")).encode()

    def _current_status(self) -> dict[str, Any]:
        with self._lock:
            if time.time() >= self._valid_until:
                self._status, self._valid_until = self._fresh_status()
            return self._status

    def _fresh_status(self) -> tuple[dict[str, Any], float]:
        if self._user.get("tokenFile"):
            token = Path(self._user["tokenFile"]).read_text().strip()
            return {"token": token}, time.time() + _TOKEN_FILE_SECONDS
        if "exec" in self._user:
            status = run_plugin(self._user["exec"], self._cluster)
            return status, _expiry(status)
        return {}, float("inf")


def _expiry(status: Mapping[str, Any]) -> float:
    stamp = status.get("expirationTimestamp")
    return datetime.fromisoformat(str(stamp)).timestamp() if stamp else float("inf")


def run_plugin(plugin: Mapping[str, Any], cluster: Cluster) -> dict[str, Any]:
    """Run a credential program and return the ``status`` that it prints.

    Raises:
        Unreachable: If it fails, is missing, or prints something else.
    """
    given = {str(pair["name"]): str(pair["value"]) for pair in plugin.get("env") or []}
    info = _exec_info(plugin, cluster)
    command = [str(plugin["command"]), *map(str, plugin.get("args") or [])]
    try:
        done = subprocess.run(
            command,
            env=os.environ | given | {"KUBERNETES_EXEC_INFO": info},
            capture_output=True,
            timeout=_PLUGIN_SECONDS,
            check=True,
        )
        return dict(json.loads(done.stdout)["status"])
    except FileNotFoundError as error:
        hint = plugin.get("installHint") or "install it, or choose another context"
        raise Unreachable(f"context {cluster.context!r}: the program {command[0]!r} is missing; {hint}") from error
    except subprocess.CalledProcessError as error:
        why = error.stderr.decode(errors="replace").strip().splitlines()
        raise Unreachable(f"context {cluster.context!r}: {command[0]} failed: {why[-1] if why else error}") from error
    except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        raise Unreachable(f"context {cluster.context!r}: {command[0]} gave no credential: {error}") from error


def _exec_info(plugin: Mapping[str, Any], cluster: Cluster) -> str:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = {"server": cluster.server} | {
            key: cluster.cluster[key]
            for key in ("certificate-authority-data", "tls-server-name")
            if key in cluster.cluster
        }
    version = str(plugin.get("apiVersion", "client.authentication.k8s.io/v1"))
    return json.dumps({"apiVersion": version, "kind": "ExecCredential", "spec": spec})


def tls_context(cluster: Cluster, credentials: Credentials) -> ssl.SSLContext:
    """Make the TLS context for a cluster: whom to trust, and the client certificate if there is one.

    Raises:
        InputError: If a certificate or key cannot be read.
    """
    try:
        authority = _content(cluster.cluster, "certificate-authority").decode()
        context = ssl.create_default_context(cadata=authority or None)
        if cluster.cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate, key = credentials.certificate()
        if certificate:
            _load_pair(context, certificate, key)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise InputError(f"context {cluster.context!r}: a certificate or key cannot be read: {error}") from error
    return context


def _content(details: Mapping[str, Any], key: str) -> bytes:
    if details.get(f"{key}-data"):
        return base64.b64decode(str(details[f"{key}-data"]))
    return Path(details[key]).read_bytes() if details.get(key) else b""


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Load a certificate and its key; OpenSSL takes files only, so they live in a private one for a moment."""
    with tempfile.NamedTemporaryFile(prefix="client-", suffix=".pem") as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)
