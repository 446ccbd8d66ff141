"""What a platform survives, and what it leaves behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import cgroups, network, processes, waiting
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
    assert (volume(platform) / "file").read_text() == "kept"
    waiting.until(lambda: _answers(platform), "an answer of the pod", 60)


def _answers(platform: Platform) -> bool:
    command = ["curl", "--silent", "--max-time", "2", platform.url("web", SPACE, "/hostname")]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout == "web"


@pytest.mark.parametrize("name", START_ORDER)
def test_up_brings_a_killed_component_back(own: Platform, name: str) -> None:
    kill(own, name)
    own.up()
    assert_whole(own)


def test_up_brings_everything_back_after_all_was_killed(own: Platform) -> None:
    cgroups.kill(own.layout)
    assert own.running() == []
    own.up()
    assert_whole(own)


def test_up_replaces_a_network_namespace_that_was_taken_away(own: Platform) -> None:
    network.delete(own.layout)
    own.up()
    assert_whole(own)


def test_up_changes_nothing_where_nothing_is_amiss(own: Platform) -> None:
    before = [supervisor(own.layout).record(name) for name in START_ORDER]
    own.up()
    assert [supervisor(own.layout).record(name) for name in START_ORDER] == before


@pytest.mark.parametrize("seconds", [0.5, 2.0, 5.0])
def test_an_interrupted_up_continues(own: Platform, seconds: float) -> None:
    own.down()
    command = [sys.executable, "-m", "local", "up", "--name", own.layout.name]
    interrupted = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with pytest.raises(subprocess.TimeoutExpired):
        interrupted.wait(seconds)
    interrupted.kill()
    interrupted.wait()
    own.up()
    assert_whole(own)


def test_two_commands_do_not_change_a_platform_at_once(own: Platform) -> None:
    with own._locked(), pytest.raises(RefusedError, match="another command is changing platform test-heal"):
        Platform(own.layout.name).up()


def test_down_leaves_nothing_and_up_finds_the_data_again(own: Platform) -> None:
    began = time.monotonic()
    own.down()
    assert time.monotonic() - began < 15
    assert cgroups.processes(own.layout) == []
    assert not [path for path in cgroups.hierarchies() if (path / own.layout.cgroup).exists()]
    assert not [point for point in network.mount_points() if own.layout.name in point]
    assert not own.layout.namespace_path.exists()
    assert not own.layout.run.exists()
    assert not _named(own.layout.namespace)
    own.up()
    assert_whole(own)


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
