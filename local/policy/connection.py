"""How to reach the API server, as a kubeconfig says: its address, its authority, and a client certificate to show."""

import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.errors import RefusedError

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Connection:
    """An API server and what a client needs to speak to it.

    Attributes:
        server: Its URL.
        tls: None where the URL is plain http.
        name: The name its certificate must bear, None for that of the URL.
    """

    server: str
    tls: ssl.SSLContext | None
    name: str | None


def read_connection(kubeconfig: Path) -> Connection:
    """Read the current context of a kubeconfig whose user has a client certificate.

    Raises:
        RefusedError: The file, or one it points to, is missing or lacks what is needed.
    """
    try:
        cluster, user = _current_entries(kubeconfig)
        server = str(cluster["server"]).rstrip("/")
        tls = _tls(kubeconfig.parent, cluster, user) if server.startswith("https:") else None
    except (OSError, yaml.YAMLError, ssl.SSLError, ValueError, KeyError, TypeError, StopIteration) as error:
        message = f"{kubeconfig} names no API server with an authority and a client certificate: {error!r}"
        raise RefusedError(message) from error
    return Connection(server, tls, cluster.get("tls-server-name"))


def _current_entries(kubeconfig: Path) -> tuple[Entry, Entry]:
    config = yaml.safe_load(kubeconfig.read_text())
    context = _named(config["contexts"], config["current-context"])["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    return cluster, _named(config["users"], context["user"])["user"]


def _named(entries: list[Entry], name: str) -> Entry:
    return next(entry for entry in entries if entry["name"] == name)


def _tls(folder: Path, cluster: Entry, user: Entry) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=_content(folder, cluster, "certificate-authority").decode())
    # The ssl module loads a key from a file only; this one is private to the process and gone at once.
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(_content(folder, user, "client-certificate") + b"\n" + _content(folder, user, "client-key"))
        pair.flush()
        context.load_cert_chain(pair.name)
    return context


def _content(folder: Path, entry: Entry, key: str) -> bytes:
    """What an entry holds inline as `<key>-data`, or in the file that `<key>` names, relative to the kubeconfig."""
    if inline := entry.get(f"{key}-data"):
        return base64.b64decode(inline)
    return (folder / entry[key]).read_bytes()
