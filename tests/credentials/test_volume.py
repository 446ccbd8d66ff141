"""A folder whose data only Vault can open: fscrypt on a real ext4, as a user without rights."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.build import tool
from tests.credentials.agent import Agent
from tests.credentials.vault import Vault

pytestmark = pytest.mark.slow

USER = "nobody"
MARK = b"patient 4711 has a rare disease"


@pytest.fixture
def image(folder: Path) -> Iterator[Path]:
    """An ext4 that can encrypt, mounted at "volume" beside its image and owned by the user."""
    image, volume = folder / "image", folder / "volume"
    with image.open("wb") as file:
        file.truncate(32 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-O", "encrypt", image], check=True)
    volume.mkdir()
    subprocess.run(["mount", "-o", "loop", image, volume], check=True)
    try:
        subprocess.run(["chown", USER, volume, folder], check=True)
        yield image
    finally:
        subprocess.run(["umount", volume], check=True)


@pytest.fixture
def volume(agent: Agent, vault: Vault, image: Path) -> Path:
    """The volume, with a transit key of its own."""
    key = agent.folder.name
    vault.call("POST", f"transit/keys/{key}")
    path = agent.folder / "volume"
    agent.settings["volume"] = {"path": str(path), "key": key}
    return path


def start(agent: Agent) -> Agent:
    """Start as the user, for whom the cache of built programs is closed."""
    agent.program = Path(shutil.copy(tool("credentials"), agent.folder))
    return agent.start(user=USER)


def as_user(*command: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(word) for word in command], user=USER, capture_output=True, check=False)


def write(path: Path, content: bytes) -> None:
    done = subprocess.run(["tee", str(path)], user=USER, input=content, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    subprocess.run(["sync", "-f", str(path)], check=True)


def test_data_are_never_plain_on_the_disk(agent: Agent, volume: Path, image: Path) -> None:
    start(agent).until_fresh()
    write(volume / "data" / "cohort.csv", MARK)
    write(volume / "beside", MARK[::-1])
    assert agent.stop() == 0
    raw = image.read_bytes()
    assert (MARK[::-1] in raw, MARK in raw, b"cohort.csv" in raw) == (True, False, False)


def test_data_are_closed_without_the_agent_and_open_again_with_it(agent: Agent, volume: Path) -> None:
    start(agent).until_fresh()
    write(volume / "data" / "cohort.csv", MARK)
    assert agent.stop() == 0
    assert as_user("cat", volume / "data" / "cohort.csv").returncode != 0
    start(agent).until_fresh()
    assert as_user("cat", volume / "data" / "cohort.csv").stdout == MARK
    agent.stop()


def test_a_destroyed_key_is_the_end_of_the_data(agent: Agent, vault: Vault, volume: Path) -> None:
    start(agent).until_fresh()
    write(volume / "data" / "cohort.csv", MARK)
    agent.stop()
    key = agent.settings["volume"]["key"]
    vault.call("POST", f"transit/keys/{key}/config", {"deletion_allowed": True})
    vault.call("DELETE", f"transit/keys/{key}")
    start(agent).until_waiting(f"the key store refuses transit/rewrap/{key}: ")
    (name,) = (volume / "data").iterdir()
    assert name.name != "cohort.csv"
    assert b"Required key not available" in as_user("cat", name).stderr


def test_the_newest_version_of_the_key_wraps_at_each_start(agent: Agent, vault: Vault, volume: Path) -> None:
    start(agent).until_fresh()
    write(volume / "data" / "cohort.csv", MARK)
    agent.stop()
    assert (volume / ".key").read_text().startswith("vault:v1:")
    assert (volume / ".key").stat().st_mode & 0o777 == 0o600
    key = agent.settings["volume"]["key"]
    vault.call("POST", f"transit/keys/{key}/rotate")
    start(agent).until_fresh()
    assert (volume / ".key").read_text().startswith("vault:v2:")
    agent.stop()
    vault.call("POST", f"transit/keys/{key}/config", {"min_decryption_version": 2})
    start(agent).until_fresh()
    assert as_user("cat", volume / "data" / "cohort.csv").stdout == MARK
    agent.stop()


def test_the_key_of_other_data_is_refused(agent: Agent, volume: Path) -> None:
    start(agent).until_fresh()
    agent.stop()
    (volume / ".key").rename(volume / "mislaid")
    write(volume / "nothing", b"")
    start(agent)
    assert agent.process.wait(20) == 1
    assert "restore the right one" in agent.log


def test_a_file_system_that_cannot_encrypt_is_refused(agent: Agent, vault: Vault) -> None:
    vault.call("POST", "transit/keys/plain")
    path = Path("/dev/shm") / agent.folder.name
    path.mkdir()
    try:
        section: dict[str, object] = {"path": str(path), "key": "plain"}
        agent.settings["volume"] = section
        agent.start()
        assert agent.process.wait(20) == 1
        assert "cannot encrypt: use ext4 with the feature encrypt, or set volume.required to false" in agent.log
        section["required"] = False
        agent.start().until_fresh()
        assert "the data are not encrypted" in agent.log
        assert (path / "data").is_dir()
        agent.stop()
    finally:
        subprocess.run(["rm", "-r", path], check=True)
