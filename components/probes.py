"""How the kubelet, which has no certificate, asks servers that demand one whether they live."""

from dataclasses import dataclass

from pulumi_kubernetes.core.v1 import ProbeArgsDict


@dataclass(frozen=True)
class TlsFiles:
    """Where a container has its certificate, the key, and the authority that signed it."""

    certificate: str
    key: str
    authority: str


def accepts(port: str) -> ProbeArgsDict:
    """Whether a port takes connections; cheap enough for every second, and a hung process passes it."""
    return {"tcp_socket": {"port": port}}


def shakes_hands(host: str, port: int, files: TlsFiles) -> ProbeArgsDict:
    """Whether a server completes TLS, which a hung process does not: the loop that answers requests does it.

    A process is started inside the container for it, so it is for every half minute. The kubelet ends it by the
    probe's timeout.

    Args:
        host: name in the server's certificate.
        port: where it listens.
        files: what the probe shows and whom it trusts: the server's own.
    """
    trust = ["-CAfile", files.authority, "-verify_return_error", "-verify_hostname", host]
    shown = ["-cert", files.certificate, "-key", files.key]
    return {"exec_": {"command": ["openssl", "s_client", "-brief", "-connect", f"127.0.0.1:{port}", *trust, *shown]}}
