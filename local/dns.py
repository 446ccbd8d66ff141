"""Asks the cluster's DNS a question from inside the network namespace."""

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from local import network
from local.paths import Layout

CLONE_NEWNET = 0x40000000
"""From linux/sched.h; os.setns exists only from Python 3.12 on."""

QUESTION = f"kubernetes.default.svc.{network.CLUSTER_DOMAIN}"


def answers(layout: Layout, timeout: float = 1.0) -> bool:
    """Whether the cluster's DNS, reached through its Service, knows the API server's Service.

    A yes proves the pod, the pod network and kube-proxy's rules at once.
    """
    with _inside(layout), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(timeout)
        try:
            asking.sendto(_query(QUESTION), (network.DNS_ADDRESS, 53))
            answer = asking.recv(512)
        except OSError:
            return False
    return answer.endswith(socket.inet_aton(network.API_SERVICE_ADDRESS))


def _query(name: str) -> bytes:
    header = b"\x2a\x2a\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"  # one question, recursion desired (RFC 1035, 4.1.1)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return header + labels + b"\x00\x00\x01\x00\x01"


@contextmanager
def _inside(layout: Layout) -> Iterator[None]:
    """Have this thread, and no other, stand in the platform's network namespace."""
    with open("/proc/thread-self/ns/net") as own, open(layout.namespace_path) as other:  # noqa: PTH123
        _set_namespace(other.fileno())
        try:
            yield
        finally:
            _set_namespace(own.fileno())


def _set_namespace(descriptor: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
