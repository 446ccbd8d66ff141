"""A real Vault on loopback, with TLS, which can be sealed, killed and started again."""

import json
import subprocess
from pathlib import Path
from typing import Any

import urllib3

from local.build import tool
from local.certificates import Authority, Identity
from tests.credentials.waiting import free_port, until

LOOPBACK = ("localhost", "127.0.0.1")


class VaultRefusalError(Exception):
    """Vault said no; the text is what it said."""


class Vault:
    """One server with its data in a folder, and the root token that opens it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder, "authority")
        self.files = self.authority.issue(folder, "vault", Identity("vault", addresses=LOOPBACK))
        self.authority_file = folder / "readable.crt"
        self.authority_file.write_bytes(self.authority.files.certificate.read_bytes())
        self.port = free_port()
        self.address = f"https://127.0.0.1:{self.port}"
        self._pool = urllib3.PoolManager(ca_certs=str(self.authority.files.certificate), retries=False)
        self._token = ""
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "vault.json").write_text(json.dumps(self._settings()))
        self.start()
        opened = self.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self._token, self._key = opened["root_token"], opened["keys"][0]
        self.unseal()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request with the root token."""
        headers = {"X-Vault-Token": self._token}
        url = f"{self.address}/v1/{path}"
        answer = self._pool.request(method, url, json=body, headers=headers, timeout=10)
        if answer.status >= 400:
            raise VaultRefusalError(f"{path}: {answer.data.decode()}")
        return json.loads(answer.data) if answer.data else {}

    def leases(self, prefix: str) -> list[str]:
        """The leases below a path."""
        try:
            return self.call("LIST", f"sys/leases/lookup/{prefix}")["data"]["keys"]
        except VaultRefusalError:
            return []

    def tokens(self) -> list[str]:
        """Accessors of all tokens, the root's too."""
        return self.call("LIST", "auth/token/accessors")["data"]["keys"]

    def start(self) -> None:
        command = [str(tool("vault")), "server", f"-config={self.folder / 'vault.json'}"]
        with (self.folder / "vault.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self._answers, 60)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def seal(self) -> None:
        self.call("PUT", "sys/seal")

    def unseal(self) -> None:
        self.call("PUT", "sys/unseal", {"key": self._key})
        until(self._is_active, 30)

    def _answers(self) -> bool:
        try:
            self.call("GET", "sys/seal-status")
        except (urllib3.exceptions.HTTPError, VaultRefusalError):
            return False
        return True

    def _is_active(self) -> bool:
        try:
            return bool(self.call("GET", "auth/token/lookup-self"))
        except VaultRefusalError:
            return False

    def _settings(self) -> dict[str, Any]:
        certificate, key = str(self.files.certificate), str(self.files.key)
        listener = {"address": f"127.0.0.1:{self.port}", "tls_cert_file": certificate, "tls_key_file": key}
        return {
            "disable_mlock": True,
            "api_addr": self.address,
            "storage": {"file": {"path": str(self.folder / "storage")}},
            "listener": {"tcp": listener},
        }
