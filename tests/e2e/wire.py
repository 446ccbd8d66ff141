"""What passes over a platform's wires, looked at from its network namespace, where every packet between pods passes."""

import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from local import network
from local.platform import Platform

ETH_P_ALL = 3
"""Every protocol (linux/if_ether.h)."""
SNAPSHOT = 65535
RECEIVE_BUFFER = 33
"""SO_RCVBUFFORCE (asm-generic/socket.h): Python does not name it."""
ROOM = 64 << 20
"""Bytes that the kernel keeps for a listener that is late."""


@dataclass
class Capture:
    """TCP packets as they were seen, some of them on several interfaces."""

    packets: list[tuple[int, bytes]] = field(default_factory=list)
    """Source port and content of each."""

    def holds(self, text: str) -> bool:
        """Whether a text crossed in the clear, whole in a packet."""
        return any(text.encode() in content for _, content in self.packets)

    def sent_from(self, port: int) -> int:
        """How many bytes left a port."""
        return sum(len(content) for source, content in self.packets if source == port)


@contextmanager
def captured(platform: Platform, file: Path) -> Iterator[Capture]:
    """Listen for as long as the context lasts; the packets are there afterwards.

    Args:
        platform: whose wires.
        file: where packets are kept meanwhile.
    """
    capture = Capture()
    command = [*network.enter(platform.layout), sys.executable, __file__, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as listener:
        assert listener.stdin
        assert listener.stdout
        assert listener.stdout.readline() == b"listening\n"
        try:
            yield capture
        finally:
            listener.stdin.close()
            listener.wait(timeout=30)
    capture.packets.extend(_packets(file.read_bytes()))


def _packets(recorded: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(recorded):
        port, length = struct.unpack_from("!HI", recorded, at)
        yield port, recorded[at + 6 : at + 6 + length]
        at += 6 + length


def listen(file: Path) -> None:
    """Record the TCP packets of every interface until standard input ends."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)) as wires, file.open("wb") as kept:
        wires.setsockopt(socket.SOL_SOCKET, RECEIVE_BUFFER, ROOM)
        wires.settimeout(0.2)
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        while not select.select([sys.stdin], [], [], 0)[0]:
            try:
                packet = wires.recv(SNAPSHOT)
            except TimeoutError:
                continue
            if content := _tcp(packet):
                port, payload = content
                kept.write(struct.pack("!HI", port, len(payload)) + payload)


def _tcp(packet: bytes) -> tuple[int, bytes] | None:
    """Source port and content of an IPv4 packet with TCP in it (RFC 791, RFC 9293)."""
    if len(packet) < 40 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
        return None
    header = (packet[0] & 15) * 4
    content = packet[header + (packet[header + 12] >> 4) * 4 :]
    return struct.unpack_from("!H", packet, header)[0], content


if __name__ == "__main__":
    listen(Path(sys.argv[1]))
