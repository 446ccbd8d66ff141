"""Pods as bare network namespaces, wired as the CNI plugin `ptp` wires them, and packets sent between them.

Each pod has one veth to the node's namespace, a /32 route on the node's side, and a default route through the node.
Everything happens on sockets of this process: a socket stays in the namespace in which its thread made it.
"""

import ctypes
import itertools
import os
import selectors
import socket
import struct
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.local.policy.reference import Packet

GATEWAY = "169.254.1.1"
SETTLE = 0.4
"""Seconds after the last packet of a batch was seen to arrive until the missing ones count as dropped."""

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_source_ports = itertools.cycle(range(20000, 60000))


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Let this thread make sockets and start processes in a named network namespace."""
    with Path("/proc/thread-self/ns/net").open() as home, Path(f"/run/netns/{namespace}").open() as there:
        _set_namespace(there.fileno())
        try:
            yield
        finally:
            _set_namespace(home.fileno())


def _set_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def network_namespace(name: str) -> Iterator[str]:
    """A named network namespace.

    Not `ip netns add`: that mounts its folder over itself, under which a platform that runs could not remove its own.
    """
    path = Path("/run/netns") / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    try:
        subprocess.run(["unshare", f"--net={path}", "--", "true"], check=True)
        yield name
    finally:
        subprocess.run(["umount", str(path)], check=True)
        path.unlink()


@contextmanager
def plugged(node: str, name: str, addresses: Iterable[str]) -> Iterator[str]:
    """A network namespace with these addresses, wired to the node's as a pod; yields its name."""
    device = f"veth-{name}"
    with network_namespace(f"{node}-{name}") as namespace:
        ip("-n", node, "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        ip("-n", node, "addr", "add", f"{GATEWAY}/32", "dev", device)
        ip("-n", node, "link", "set", device, "up")
        for each in ("lo", "eth0"):
            ip("-n", namespace, "link", "set", each, "up")
        for address in addresses:
            ip("-n", namespace, "addr", "add", f"{address}/32", "dev", "eth0")
            ip("-n", node, "route", "add", address, "dev", device)
        ip("-n", namespace, "route", "add", GATEWAY, "dev", "eth0")
        ip("-n", namespace, "route", "add", "default", "via", GATEWAY)
        yield namespace


@dataclass
class Wires:
    """A node, its pods, and a host outside, with a listener on every address, protocol and port of interest."""

    node: str
    node_address: str
    pods: Sequence[str]
    outside: Sequence[str]
    ports: Sequence[int]
    _listeners: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _open: ExitStack = field(default_factory=ExitStack)

    def namespace_of(self, address: str) -> str:
        if address == self.node_address:
            return self.node
        return f"{self.node}-{self.pods.index(address) if address in self.pods else 'out'}"

    def __enter__(self) -> "Wires":
        self._open.enter_context(network_namespace(self.node))
        with inside(self.node):
            ip("link", "set", "lo", "up")
            ip("link", "add", "node0", "type", "bridge")
            ip("addr", "add", f"{self.node_address}/24", "dev", "node0")
            ip("link", "set", "node0", "up")
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        for index, address in enumerate(self.pods):
            self._open.enter_context(plugged(self.node, str(index), [address]))
        self._open.enter_context(plugged(self.node, "out", self.outside))
        for address in (*self.pods, *self.outside, self.node_address):
            self._listen(address)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _listen(self, address: str) -> None:
        with inside(self.namespace_of(address)):
            for port, kind in itertools.product(self.ports, (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
                listener = self._open.enter_context(socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK))
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((address, port))
                if kind == socket.SOCK_STREAM:
                    listener.listen(256)
                self._listeners.register(listener, selectors.EVENT_READ, "TCP" if kind == socket.SOCK_STREAM else "UDP")
            raw = self._open.enter_context(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP))
            raw.setblocking(False)
            raw.bind((address, 0))
            self._listeners.register(raw, selectors.EVENT_READ, "SCTP")

    def arrivals(self, packets: Sequence[Packet]) -> set[Packet]:
        """Send the first packet of a connection for each, and return those that reached their destination and back."""
        with ExitStack() as stack:
            senders = {packet: stack.enter_context(self._sender(packet)) for packet in dict.fromkeys(packets)}
            sctp = {sender.port: packet for packet, sender in senders.items() if packet.protocol == "SCTP"}
            arrived: set[Packet] = set()
            deadline = time.monotonic() + SETTLE
            while time.monotonic() < deadline and len(arrived) < len(senders):
                arrived_now = {sctp[port] for port in self._serve() if port in sctp}
                arrived_now |= {packet for packet, sender in senders.items() if sender.has_answer()}
                if arrived_now - arrived:
                    arrived |= arrived_now
                    deadline = time.monotonic() + SETTLE
            return arrived

    @contextmanager
    def _sender(self, packet: Packet) -> Iterator["_Sender"]:
        with inside(self.namespace_of(packet.source)):
            sender = _Sender(packet)
        try:
            yield sender
        finally:
            sender.socket.close()

    def _serve(self) -> Iterator[int]:
        """Answer what has come in; yields the source ports of SCTP packets, which nobody here answers."""
        for key, _ in self._listeners.select(timeout=0.01):
            server: socket.socket = key.fileobj  # pyright: ignore[reportAssignmentType] - only sockets are registered
            if key.data == "TCP":
                server.accept()[0].close()
            elif key.data == "UDP":
                content, peer = server.recvfrom(100)
                server.sendto(content, peer)
            else:
                yield struct.unpack_from("!H", server.recv(2000), 20)[0]


class _Sender:
    """One connection attempt under way."""

    def __init__(self, packet: Packet) -> None:
        kinds = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM, "SCTP": socket.SOCK_RAW}
        protocol = socket.IPPROTO_SCTP if packet.protocol == "SCTP" else 0
        self.port = next(_source_ports)
        self.socket = socket.socket(socket.AF_INET, kinds[packet.protocol] | socket.SOCK_NONBLOCK, protocol)
        self.socket.bind((packet.source, 0))
        self.socket.connect_ex((packet.destination, packet.port))
        self._protocol = packet.protocol
        if packet.protocol == "UDP":
            self.socket.send(b"?")
        elif packet.protocol == "SCTP":
            self.socket.send(sctp_init(self.port, packet.port))

    def has_answer(self) -> bool:
        """Whether the other side was heard. SCTP is seen at the receiver: the kernel may have no SCTP sockets."""
        if self._protocol == "TCP":
            try:
                self.socket.getpeername()
            except OSError:
                return False
            return True
        try:
            return self._protocol == "UDP" and self.socket.recv(10) == b"?"
        except OSError:
            return False


def sctp_init(source: int, destination: int) -> bytes:
    """An SCTP packet with one INIT chunk (RFC 9260 §3.3.2), its checksum right so that conntrack takes it."""
    chunk = struct.pack("!BBHIIHHI", 1, 0, 20, os.getpid(), 65536, 1, 1, 1)
    header = struct.pack("!HHI", source, destination, 0)
    return header + struct.pack("<I", crc32c(header + b"\0\0\0\0" + chunk)) + chunk


def crc32c(content: bytes) -> int:
    """The checksum of SCTP (RFC 9260, appendix A)."""
    value = 0xFFFFFFFF
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF
