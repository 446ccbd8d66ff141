"""A Debian root file system by mmdebstrap, the same for the same packages."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from images import machine
from images.commands import contained, run
from images.recipe import Debian

_LEFT_OUT = ("/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/doc/*")
_KEPT = "/usr/share/doc/*/copyright"
_OF_THIS_MACHINE = (
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d/0000sources.list",
    "/etc/apt/apt.conf.d/99mmdebstrap",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/machine-id",
)


def make_root(declared: Debian, target: Path, epoch: int, log: Path, on_line: Callable[[str], None]) -> None:
    """Write a Debian root file system to the tar file `target`.

    Raises:
        MachineError: if this machine has no source of the suite.
        CommandError: if mmdebstrap fails.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        sources = Path(folder, "sources.list")
        sources.write_text(machine.sources(declared.suite))
        settings = Path(folder, "apt.conf")
        settings.write_text(machine.apt_settings() or "#clear;\n")
        options = ["--mode=root", "--variant=apt", "--format=tar", *_packages(declared), f"--aptopt={settings}"]
        options += [*_documentation(), *_forget_machine()]
        command = contained("mmdebstrap", *options, declared.suite, str(target), str(sources))
        run(command, log, on_line, {"SOURCE_DATE_EPOCH": str(epoch), "TMPDIR": folder})


def _packages(declared: Debian) -> list[str]:
    return [f"--include={','.join(declared.packages)}"] if declared.packages else []


def _documentation() -> list[str]:
    """Leave documentation out, now and in images that stand on this one; licences stay."""
    left_out = [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    return [*left_out, f"--dpkgopt=path-include={_KEPT}"]


def _forget_machine() -> list[str]:
    paths = " ".join(f'"$1"{path}' for path in _OF_THIS_MACHINE)
    return [f"--customize-hook=rm -f {paths}"]
