"""How this machine reaches its package registries, lent to a build and never baked into an image.

Sources, proxies and certification authorities belong to the machine that builds. They are collected in one folder,
which the build sees as `/mnt`, a folder that exists and is empty in every Debian; downloads are kept there as well.
"""

import ast
import json
import os
import shutil
import sys
from pathlib import Path

from images.commands import output
from images.errors import MachineError

MOUNT = "/mnt"
"""Where a build sees the folder."""

ARGUMENTS = {
    "APT_CONFIG": f"{MOUNT}/apt.conf",
    "PIP_CONFIG_FILE": f"{MOUNT}/pip.conf",
    "NPM_CONFIG_USERCONFIG": f"{MOUNT}/npmrc",
}
"""Build arguments that make apt, pip and npm read it."""

_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_KEYRINGS = ("/etc/apt/trusted.gpg.d/*.gpg", "/etc/apt/trusted.gpg.d/*.asc", "/usr/share/keyrings/debian-archive-*.gpg")
_APT_SETTINGS = ("Acquire::http", "Acquire::Check-", "Acquire::Retries", "Acquire::ForceIPv")
_PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
_NPM_SETTINGS = ("registry", "proxy", "https-proxy", "noproxy")
_APT = f"""\
Dir::Etc::SourceList "{MOUNT}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::TrustedParts "{MOUNT}/keyrings";
Dir::State::Lists "{MOUNT}/lists";
Dir::Cache::Archives "{MOUNT}/downloads/apt";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Log "{MOUNT}/log";
APT::Sandbox::User "root";
APT::Keep-Downloaded-Packages "true";
DPkg::Use-Pty "false";
"""


def lend(folder: Path, suite: str | None, downloads: Path) -> None:
    """Fill `folder` with this machine's way to its registries.

    Args:
        folder: An empty folder, to be mounted at `MOUNT`.
        suite: Debian's code name, None if the build installs no Debian packages.
        downloads: A folder that outlives the build, to be mounted at `MOUNT`/downloads.
    """
    for each in ("lists/partial", "log", "keyrings", "downloads"):
        (folder / each).mkdir(parents=True)
    (downloads / "apt/partial").mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(sources(suite) if suite else "")
    authorities = Path(os.environ.get("SSL_CERT_FILE") or _AUTHORITIES)
    if authorities.exists():
        shutil.copy(authorities, folder / "ca.crt")
    for pattern in _KEYRINGS:
        for keyring in Path("/").glob(pattern[1:]):
            shutil.copy(keyring, folder / "keyrings")
    trust = f'Acquire::https::CaInfo "{MOUNT}/ca.crt";\n' if authorities.exists() else ""
    (folder / "apt.conf").write_text(_APT + apt_settings() + trust)
    trusted = f"{MOUNT}/ca.crt" if authorities.exists() else None
    (folder / "pip.conf").write_text(_pip_settings(trusted))
    (folder / "npmrc").write_text(_npm_settings(trusted))


def sources(suite: str) -> str:
    """Return the lines of a `sources.list` for a Debian suite, its updates and its security fixes.

    Raises:
        MachineError: if apt on this machine has no source of that suite.
    """
    wanted = {suite, f"{suite}-updates", f"{suite}-security"}
    lines = [f"deb {' '.join(each)}\n" for each in _targets() if each[1] in wanted and each[-1] == "main"]
    if not any(line.split()[2] == suite for line in lines):
        message = f"apt on this machine has no source of Debian {suite}: add one to /etc/apt/sources.list.d"
        raise MachineError(message)
    return "".join(lines)


def _targets() -> list[tuple[str, ...]]:
    """Return address, suite and component of what apt knows, in whichever form its sources are written."""
    query = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    found = output(query)
    if not found.strip():  # apt shows nothing before its first update, which a fresh machine may not have had
        output(["apt-get", "update", "-q"])
        found = output(query)
    return list(dict.fromkeys(tuple(line.split()) for line in found.splitlines()))


def apt_settings() -> str:
    """Return this machine's settings for fetching Debian packages, in apt's own form."""
    lines = output(["apt-config", "dump", "Acquire"]).splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith(_APT_SETTINGS) and "Auto-Detect" not in line)


def _pip_settings(authorities: str | None) -> str:
    """Return pip's settings: the registry as this machine has it, the cache where downloads are kept."""
    lines = output([sys.executable, "-m", "pip", "config", "list"]).splitlines()
    pairs = [line.partition("=")[::2] for line in lines]
    pairs.sort(key=lambda pair: pair[0].startswith(":env:"))  # the environment comes last, so it wins
    settings = {key.rpartition(".")[2]: ast.literal_eval(value) for key, value in pairs}
    chosen = {key: value for key, value in settings.items() if key in _PIP_SETTINGS}
    chosen |= {"cert": authorities} if authorities else {}
    chosen |= {"cache-dir": f"{MOUNT}/downloads/pip", "disable-pip-version-check": "true", "no-input": "true"}
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in chosen.items())


def _npm_settings(authorities: str | None) -> str:
    """Return npm's settings as `_pip_settings` does pip's; npm's own where this machine has no npm to ask."""
    listed: dict[str, object] = json.loads(output(["npm", "config", "list", "--json"])) if shutil.which("npm") else {}
    chosen = {key: value for key, value in listed.items() if key in _NPM_SETTINGS and isinstance(value, str)}
    chosen |= {"cafile": authorities} if authorities else {}
    chosen |= {"cache": f"{MOUNT}/downloads/npm", "update-notifier": "false"}
    return "".join(f"{key} = {value}\n" for key, value in chosen.items())
