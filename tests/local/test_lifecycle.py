"""What a platform survives, and what it leaves behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import cgroups, network, processes, volumes, waiting
from local.components import START_ORDER
from local.errors import PlatformError, RefusedError
from local.launch import supervisor
from local.platform import Platform
from tests.local import samples

pytestmark = pytest.mark.platform

SPACE = "kept"


@pytest.fixture(scope="module")
def own() -> Iterator[Platform]:
    """A platform with data in it: a Secret in etcd, a file in a volume, a pod behind a Service."""
    platform = Platform("test-heal").up()
    samples.apply(
        platform,
        samples.namespace(SPACE),
        samples.claim("data", SPACE, "local-rwo", "ReadWriteOnce"),
        *samples.web("web", SPACE, samples.agnhost(platform), ("data",)),
    )
    samples.wait_ready(platform, "web", SPACE)
    platform.kubectl("create", "secret", "generic", "word", f"--namespace={SPACE}", "--from-literal=word=kept")
    (volume(platform) / "file").write_text("kept")
    yield platform
    platform.down(purge=True)


def volume(platform: Platform) -> Path:
    return next(platform.layout.volumes.iterdir())


def kill(platform: Platform, *names: str) -> None:
    for name in names:
        record = supervisor(platform.layout).record(name)
        assert record, f"{name} does not run"
        os.kill(record.pid, signal.SIGKILL)
        waiting.until(lambda record=record: not processes.alive(record), f"the end of {name}", 5)


def assert_whole(platform: Platform) -> None:
    """Everything runs, the data is there and the pod answers through its Service."""
    assert platform.running() == list(START_ORDER)
    secret = platform.kubectl("get", "secret", "word", f"--namespace={SPACE}", "--output=jsonpath={.data.word}")
    assert secret == "a2VwdA=="
    assert volume(platform).is_mount()
    assert (volume(platform) / "file").read_text() == "kept"
    waiting.until(lambda: _answers(platform), "an answer of the pod", 60)


def _answers(platform: Platform) -> bool:
    command = ["curl", "--silent", "--max-time", "2", platform.url("web", SPACE, "/hostname")]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout == "web"


@pytest.mark.parametrize("name", START_ORDER)
def test_up_brings_a_killed_component_back_and_its_pods_never_notice(own: Platform, name: str) -> None:
    before = restarts(own)
    kill(own, name)
    own.up()
    assert_whole(own)
    assert restarts(own) == before


def restarts(platform: Platform) -> dict[str, int]:
    pods = platform.kubectl.get("pods", "--all-namespaces")["items"]
    return {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods}


def test_up_brings_everything_back_after_all_was_killed(own: Platform) -> None:
    cgroups.kill(own.layout)
    assert own.running() == []
    own.up()
    assert_whole(own)


def test_up_replaces_a_network_namespace_that_was_taken_away(own: Platform) -> None:
    network.delete(own.layout)
    own.up()
    assert_whole(own)


def test_up_mounts_a_volume_again_and_its_pod_never_notices(own: Platform) -> None:
    (before,) = volumes.attached(own.layout.volume_images)
    network.run(["umount", str(volume(own))])
    own.up()
    assert_whole(own)
    assert volumes.attached(own.layout.volume_images) == [before]


def test_up_leaves_the_plain_folder_of_an_older_platform_as_it_is(own: Platform) -> None:
    older = own.layout.volumes / "pvc-older"
    older.mkdir()
    (older / "file").write_text("older")
    own.up()
    assert ((older / "file").read_text(), older.is_mount()) == ("older", False)
    (older / "file").unlink()
    older.rmdir()


def test_down_names_a_loop_device_that_a_stranger_keeps(own: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    (device,) = volumes.attached(own.layout.volume_images)
    monkeypatch.setattr(volumes, "PATIENCE", 0.5)
    stranger = subprocess.Popen(["unshare", "--mount", "sh", "-c", "echo; exec sleep 300"], stdout=subprocess.PIPE)
    try:
        assert stranger.stdout
        stranger.stdout.readline()
        with pytest.raises(PlatformError, match=f"the end of {device}, .* did not happen"):
            own.down()
    finally:
        stranger.kill()
        stranger.wait()
    own.down()
    assert_gone(own)
    own.up()
    assert_whole(own)


def test_up_changes_nothing_where_nothing_is_amiss(own: Platform) -> None:
    before = {name: supervisor(own.layout).record(name) for name in START_ORDER}
    own.up()
    assert {name: supervisor(own.layout).record(name) for name in START_ORDER} == before


@pytest.mark.parametrize("seconds", [0.5, 2.0, 5.0])
def test_an_interrupted_up_continues(own: Platform, seconds: float) -> None:
    own.down()
    interrupt(seconds, "up", own)
    own.up()
    assert_whole(own)


def test_two_commands_do_not_change_a_platform_at_once(own: Platform) -> None:
    with own._locked(), pytest.raises(RefusedError, match="another command is changing platform test-heal"):
        Platform(own.layout.name).up()


def test_down_leaves_nothing_and_up_finds_the_data_again(own: Platform) -> None:
    began = time.monotonic()
    own.down()
    assert time.monotonic() - began < 15
    assert_gone(own)
    own.up()
    assert_whole(own)


@pytest.mark.parametrize("seconds", [0.3, 1.0])
def test_an_interrupted_down_continues(own: Platform, seconds: float) -> None:
    interrupt(seconds, "down", own)
    own.down()
    assert_gone(own)
    own.up()
    assert_whole(own)


def interrupt(seconds: float, command: str, platform: Platform) -> None:
    """Run a command and kill it after some time, unless it is done."""
    words = [sys.executable, "-m", "local", command, "--name", platform.layout.name]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    process.wait()


def assert_gone(platform: Platform) -> None:
    """No process, mount, loop device, interface, firewall rule, namespace or control group is left, and no run file."""
    layout = platform.layout
    assert cgroups.processes(layout) == []
    assert not [path for path in cgroups.hierarchies() if (path / layout.cgroup).exists()]
    assert not [point for point in network.mount_points() if layout.name in point]
    assert not volumes.attached(layout.volume_images)
    assert not [place for place in (layout.run, layout.lock, layout.namespace_path) if place.exists()]
    assert not _named(layout.namespace)


def _named(word: str) -> list[str]:
    """Interfaces, firewall tables and processes of the machine that carry a platform's name."""
    listing = subprocess.run(["ip", "-oneline", "link"], capture_output=True, text=True, check=True).stdout
    listing += subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    listing += subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if word in line]


def test_what_is_not_the_platforms_own_survives_down(own: Platform) -> None:
    stranger = subprocess.Popen(["sleep", "300"])
    try:
        record = own.layout.run / "processes" / "etcd.json"
        text = record.read_text()
        mine = supervisor(own.layout).record("etcd")
        assert mine
        # As after a crash: the kernel has given the number of a component to someone else.
        record.write_text(text.replace(f'"pid": {mine.pid}', f'"pid": {stranger.pid}'))
        own.down()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
    own.up()
    assert_whole(own)


def test_a_component_that_cannot_start_is_named_with_its_last_words(own: Platform) -> None:
    kill(own, "etcd")
    data = own.layout.state / "etcd"
    data.rename(data.with_name("etcd.aside"))
    data.write_text("not a folder")
    try:
        with pytest.raises(PlatformError, match=r"etcd has ended; .*etcd.log says at its end"):
            own.up()
    finally:
        data.unlink()
        data.with_name("etcd.aside").rename(data)
    own.up()
    assert_whole(own)
