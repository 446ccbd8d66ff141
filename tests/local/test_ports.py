import socket
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import ports
from local.errors import RefusedError
from local.paths import Layout
from local.ports import Ports

NAMES = st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?\Z")


def test_the_default_platform_has_the_ports_that_are_written_down() -> None:
    assert ports.proposed("local") == Ports(api=6443, http=8000, tls=8443)


@given(NAMES)
def test_every_name_leads_to_three_ports_below_the_ephemeral_ones(name: str) -> None:
    found = astuple(ports.proposed(name))
    assert len(set(found)) == 3
    assert all(1024 < port < 32768 for port in found)
    assert astuple(ports.proposed(name)) == found


def test_ports_stay_with_their_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Layout, "state", property(lambda self: tmp_path / self.name))
    layout, chosen = Layout("a"), Ports(1, 2, 3)
    assert ports.of(layout) == ports.proposed("a")
    ports.record(layout, chosen)
    assert ports.of(layout) == chosen


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RefusedError, match=rf"port {port} on 127\.0\.0\.1: Address already in use; stop"):
            ports.require_free(Ports(port, port, port))


def test_a_listening_socket_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as finder:
        port = finder.getsockname()[1]
    with ports.listen(port), socket.create_connection(("127.0.0.1", port), timeout=1):
        pass
