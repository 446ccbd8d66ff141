"""The ports of the machine's loopback address through which a platform is reached."""

import json
import socket
import zlib
from dataclasses import asdict, astuple, dataclass

from local.certificates import write_private
from local.errors import RefusedError
from local.paths import DEFAULT_NAME, Layout

ADDRESS = "127.0.0.1"

FIRST, BLOCKS = 20000, 3000
"""Platforms other than the default one take three ports each from here on, below the ephemeral ones (32768)."""


@dataclass(frozen=True)
class Ports:
    """One port for each way in."""

    api: int
    """The API server, TLS with client certificates."""
    http: int
    """Any Service on its port 80, chosen by the Host header `<service>.<namespace>.localhost`."""
    tls: int
    """Any Service on its port 443, chosen by the server name of the TLS handshake."""


def of(layout: Layout) -> Ports:
    """The ports of a platform: those it was given once, else those its name leads to."""
    path = layout.state / "ports.json"
    if path.exists():
        return Ports(**json.loads(path.read_text()))
    return proposed(layout.name)


def proposed(name: str) -> Ports:
    """The ports a name leads to, the same on every machine."""
    if name == DEFAULT_NAME:
        return Ports(api=6443, http=8000, tls=8443)
    first = FIRST + 3 * (zlib.crc32(name.encode()) % BLOCKS)
    return Ports(api=first, http=first + 1, tls=first + 2)


def record(layout: Layout, ports: Ports) -> None:
    """Keep the ports of a platform for as long as its data."""
    write_private(layout.state / "ports.json", json.dumps(asdict(ports)).encode())


def require_free(ports: Ports) -> None:
    """Refuse when another program listens on one of the ports.

    Raises:
        RefusedError: naming the first port that is taken.
    """
    for port in astuple(ports):
        listen(port).close()


def listen(port: int) -> socket.socket:
    """A listening socket on the machine's loopback address.

    Raises:
        RefusedError: another program has the port.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
    except OSError as error:
        listener.close()
        message = f"port {port} on {ADDRESS}: {error.strerror}; stop the program that listens there (`ss -ltnp`)"
        raise RefusedError(message) from error
    listener.listen(128)
    return listener
