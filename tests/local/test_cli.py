"""Bad input on the command line: one line, exit code 2, nothing changed."""

import subprocess
import sys

import pytest


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["up", "--name", "Not_A_Name"], "platform name 'Not_A_Name': use at most 12"),
        (["down", "--name", "nobody"], "there is no platform 'nobody'"),
        (["status", "--name", "nobody"], "there is no platform 'nobody'"),
        (["kubectl", "--name", "nobody", "get", "pods"], "there is no platform 'nobody'"),
        (["logs", "etcd", "--name", "nobody"], "there is no platform 'nobody'"),
        (["load", "/no/such/image.tar"], "/no/such/image.tar: no such file; give the archive of an image"),
        (["build", "gcc"], "unknown tool 'gcc': choose one of"),
        (["link", "nobody", "nowhere"], "there is no platform 'nobody'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"local: {said}")
    assert done.stderr.count("\n") == 1


def test_help_names_every_command() -> None:
    text = run("--help").stdout
    for command in ("up", "down", "status", "kubectl", "logs", "build", "load", "link", "unlink"):
        assert f" {command} " in text
