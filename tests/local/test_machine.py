"""How the platform reads the machine it stands on, and what it refuses there."""

import json
import os
from pathlib import Path

import pytest

from local import cgroups, checks, kernel, links, network, packages, resolver, waiting
from local.errors import PlatformError, RefusedError
from local.links import End

VERSION_1 = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
UNIFIED = "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
VERSION_2 = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"


@pytest.mark.parametrize(
    ("mounts", "found"),
    [
        (VERSION_1, ["/sys/fs/cgroup/cpu"]),
        (VERSION_2, ["/sys/fs/cgroup"]),
        (VERSION_1 + UNIFIED, ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/unified"]),
    ],
    ids=["version 1", "version 2", "both"],
)  # fmt: skip
def test_every_hierarchy_is_found(mounts: str, found: list[str]) -> None:
    assert [str(path) for path in cgroups.hierarchies(mounts)] == found


def test_no_one_but_root_may_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(RefusedError, match="run this as root"):
        checks.require_root()


def test_too_little_memory_is_told_in_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checks, "MEMORY", 2**50)
    with pytest.raises(RefusedError, match=r"memory: \d+\.\d GiB available, 1048576\.0 GiB needed"):
        checks.require_resources(tmp_path)


def test_too_little_disk_is_told_with_its_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checks, "MEMORY", 0)
    monkeypatch.setattr(checks, "DISK", 2**60)
    with pytest.raises(RefusedError, match=rf"disk: \d+\.\d GiB free at {tmp_path}/not/yet, .* needed"):
        checks.require_resources(tmp_path / "not" / "yet")


def test_a_missing_kernel_feature_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "KERNEL_FEATURES", {"bridges (CONFIG_BRIDGE)": "echo 'Not supported' >&2; exit 2"})
    monkeypatch.setattr(checks, "PROBE", ["sh", "-ec"])
    with pytest.raises(RefusedError, match=r"the kernel lacks bridges \(CONFIG_BRIDGE\): Not supported"):
        checks.require_kernel()


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """Two settings as under /proc/sys: one that the kubelet changes, one that must be raised."""
    for name, value in {"kernel/panic": "0", "fs/inotify/max_user_instances": "128"}.items():
        (tmp_path / "sys" / name).parent.mkdir(parents=True)
        (tmp_path / "sys" / name).write_text(f"{value}\n")
    return tmp_path / "sys"


def test_kernel_settings_are_put_back_as_they_were(system: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    kernel.prepare(system, kept)
    (system / "kernel/panic").write_text("10")
    kernel.prepare(system, kept)
    assert json.loads(kept.read_text()) == {"kernel/panic": "0", "fs/inotify/max_user_instances": "128"}
    kernel.put_back(system, kept)
    assert (system / "kernel/panic").read_text() == "0"
    assert (system / "fs/inotify/max_user_instances").read_text() == "128"
    assert not kept.exists()


@pytest.mark.parametrize(("found", "becomes"), [("128", "8192"), ("8192", "8192"), ("100000", "100000")])
def test_a_kernel_setting_is_raised_but_never_lowered(system: Path, tmp_path: Path, found: str, becomes: str) -> None:
    setting = system / "fs/inotify/max_user_instances"
    setting.write_text(found)
    kernel.prepare(system, tmp_path / "kept.json")
    assert setting.read_text() == becomes


def test_putting_back_what_was_never_noted_changes_nothing(tmp_path: Path) -> None:
    kernel.put_back(tmp_path, tmp_path / "kept.json")
    assert list(tmp_path.iterdir()) == []


def test_the_packages_that_are_missing_are_found() -> None:
    assert packages.missing(["dpkg", "no-such-package"]) == ["no-such-package"]


def test_mount_points_with_spaces_are_read() -> None:
    assert "/proc" in network.mount_points()


@pytest.mark.parametrize(
    ("own", "other"), [("10.11.0.1", "10.11.0.2"), ("10.11.0.2", "10.11.0.1"), ("10.11.226.33", "10.11.226.34")]
)
def test_the_two_ends_of_a_link_know_each_other(own: str, other: str) -> None:
    end = links._end("b", own)
    assert (end.peer_address, end.name) == (other, "b.platform.internal")


def test_the_dns_learns_the_other_end_of_each_link() -> None:
    ends = [End("b", "10.11.0.1", "10.11.0.2"), End("c", "10.11.0.6", "10.11.0.5")]
    assert resolver.hosts(ends) == "10.11.0.2 b.platform.internal\n10.11.0.5 c.platform.internal\n"


def test_waiting_ends_with_the_condition_and_says_what_did_not_happen() -> None:
    answers = iter([False, False, True])
    waiting.until(lambda: next(answers), "a third question", 5, pause=0)
    with pytest.raises(PlatformError, match="a miracle did not happen within 0 seconds"):
        waiting.until(lambda: False, "a miracle", 0)
