"""Kubeconfig files: the address of the API server and the certificate a client shows it."""

import base64
import json
from pathlib import Path

from local.certificates import KeyPair, write_private


def write(path: Path, server: str, authority: Path, client: KeyPair, name: str) -> bool:
    """Write a kubeconfig that needs no other file; tells whether it is new.

    JSON, which every reader of YAML takes.
    """
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": _text(authority)}}],
        "users": [{
            "name": name,
            "user": {"client-certificate-data": _text(client.certificate), "client-key-data": _text(client.key)},
        }],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }  # fmt: skip
    return write_private(path, json.dumps(content, indent=2).encode())


def _text(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
