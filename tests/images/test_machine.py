from pathlib import Path

import pytest

from images import machine
from images.errors import MachineError

TARGETS = """\
http://mirror.test/debian/ bookworm main
http://mirror.test/debian/ bookworm contrib
http://mirror.test/debian/ bookworm-updates main
http://mirror.test/security/ bookworm-security main
http://mirror.test/security/ bookworm-security main
http://other.test/apt/ nodistro main
http://other.test/pgdg/ bookworm-pgdg main
"""
SETTINGS = """\
Acquire "";
Acquire::cdrom::mount "/media/cdrom/";
Acquire::http::Proxy "http://user:pw@proxy.test:3128";
Acquire::http::Proxy-Auto-Detect "/usr/local/bin/detect";
Acquire::Check-Valid-Until "false";
"""
PIP = """\
:env:.index-url='https://env.test/simple'
:env:.find-links='/opt/wheels'
global.cert='/etc/machine.crt'
global.index-url='https://file.test/simple'
global.timeout='180'
"""
NPM = """\
{"registry": "https://npm.test/", "https-proxy": null, "noproxy": [""], "cafile": "/etc/machine.crt"}
"""


@pytest.fixture
def lent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What a machine with the settings above lends to a build."""
    answers = {"apt-get": TARGETS, "apt-config": SETTINGS, "npm": NPM}
    monkeypatch.setattr(machine.shutil, "which", lambda _: "/usr/bin/npm")
    monkeypatch.setattr(machine, "output", lambda command: answers.get(command[0], PIP))
    authorities = tmp_path / "machine.crt"
    authorities.write_text("a certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    folder = tmp_path / "lent"
    machine.lend(folder, "bookworm", tmp_path / "downloads")
    return folder


def test_only_the_suite_and_its_fixes_are_sources(lent: Path):
    assert (lent / "sources.list").read_text().splitlines() == [
        "deb http://mirror.test/debian/ bookworm main",
        "deb http://mirror.test/debian/ bookworm-updates main",
        "deb http://mirror.test/security/ bookworm-security main",
    ]


def test_a_suite_without_a_source_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "output", lambda _: TARGETS)
    with pytest.raises(MachineError, match="apt on this machine has no source of Debian trixie: add one"):
        machine.sources("trixie")


def test_a_machine_that_never_updated_does_so_first(monkeypatch: pytest.MonkeyPatch):
    answers = ["", "", TARGETS]
    asked: list[str] = []

    def answer(command: list[str]) -> str:
        asked.append(command[1])
        return answers.pop(0)

    monkeypatch.setattr(machine, "output", answer)
    assert "bookworm-security" in machine.sources("bookworm")
    assert asked == ["indextargets", "update", "indextargets"]


def test_apt_gets_the_proxy_but_no_path_of_the_machine(lent: Path, tmp_path: Path):
    text = (lent / "apt.conf").read_text()
    assert 'Acquire::http::Proxy "http://user:pw@proxy.test:3128";' in text
    assert "Acquire::Check-Valid-Until" in text
    assert "detect" not in text
    assert str(tmp_path) not in text


def test_pip_gets_the_registry_of_the_environment_first_and_no_path_of_the_machine(lent: Path):
    assert (lent / "pip.conf").read_text().splitlines() == [
        "[global]",
        "index-url = https://env.test/simple",
        "timeout = 180",
        "cert = /mnt/ca.crt",
        "cache-dir = /mnt/downloads/pip",
        "disable-pip-version-check = true",
        "no-input = true",
    ]
    assert (lent / "ca.crt").read_text() == "a certificate"


def test_npm_gets_the_registry_and_no_path_of_the_machine(lent: Path):
    assert (lent / "npmrc").read_text().splitlines() == [
        "registry = https://npm.test/",
        "cafile = /mnt/ca.crt",
        "cache = /mnt/downloads/npm",
        "update-notifier = false",
    ]


def test_a_machine_without_npm_lends_npm_its_own_registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(machine, "output", lambda _: "")
    monkeypatch.setattr(machine.shutil, "which", lambda _: None)
    machine.lend(tmp_path / "lent", None, tmp_path / "downloads")
    assert "registry" not in (tmp_path / "lent/npmrc").read_text()


def test_an_image_without_debian_gets_no_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(machine, "output", lambda _: "")
    monkeypatch.setattr(machine.shutil, "which", lambda _: None)
    machine.lend(tmp_path / "lent", None, tmp_path / "downloads")
    assert (tmp_path / "lent/sources.list").read_text() == ""
