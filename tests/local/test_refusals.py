"""A machine or an input that cannot do is refused before anything is changed."""

import socket
from pathlib import Path

import pytest

from local import cgroups, checks, network, ports
from local.errors import RefusedError
from local.platform import Platform

pytestmark = pytest.mark.platform


@pytest.fixture
def refused() -> Platform:
    return Platform("test-never")


def assert_nothing_changed(platform: Platform) -> None:
    layout = platform.layout
    assert not network.exists(layout)
    assert not [place for place in (layout.state, layout.run, layout.lock, layout.namespace_path) if place.exists()]
    assert not [path for path in cgroups.hierarchies() if (path / layout.cgroup).exists()]


def test_a_port_in_use(refused: Platform) -> None:
    port = ports.proposed(refused.layout.name).http
    with socket.create_server(("127.0.0.1", port)), pytest.raises(RefusedError, match=f"port {port} on 127"):
        refused.up()
    assert_nothing_changed(refused)


def test_too_little_memory(refused: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MEMORY", 2**50)
    with pytest.raises(RefusedError, match="memory: "):
        refused.up()
    assert_nothing_changed(refused)


def test_too_little_disk(refused: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "DISK", 2**60)
    with pytest.raises(RefusedError, match="disk: "):
        refused.up()
    assert_nothing_changed(refused)


def test_not_root(refused: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.os, "geteuid", lambda: 1000)
    with pytest.raises(RefusedError, match="run this as root"):
        refused.up()
    assert_nothing_changed(refused)


def test_a_kernel_without_a_feature(refused: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CONTROLLERS", ("time-travel",))
    with pytest.raises(RefusedError, match="lacks the control group controller time-travel"):
        refused.up()
    assert_nothing_changed(refused)


def test_the_kernel_of_this_machine_will_do() -> None:
    assert Path("/proc/self/ns/net").exists()
    checks.require_kernel()
