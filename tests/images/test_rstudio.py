"""RStudio Server cannot be had where these tests run: its start is held against what is known of it.

`RSERVER_OPTIONS` records the options of RStudio Server 2024.x that matter here, as jupyter-rsession-proxy 2.5.1 and
Kubeflow's RStudio image pass them.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from images.catalogue import IMAGES

FILES = IMAGES / "rstudio" / "files"
START = FILES / "usr/local/bin/rserver-of-member"
RSERVER_OPTIONS = {
    "auth-none",
    "database-config-file",
    "rsession-which-r",
    "secure-cookie-key-file",
    "server-daemonize",
    "server-data-dir",
    "server-pid-file",
    "server-user",
    "server-working-dir",
    "www-frame-origin",
    "www-root-path",
    "www-socket",
    "www-verify-user-agent",
}
RECORDER = """\
#!/bin/sh
printf '%s\\n' "$@" > "$RECORD/arguments"
env > "$RECORD/environment"
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the start command hands to RStudio Server."""
    folder = tmp_path_factory.mktemp("rstudio")
    program = folder / "bin" / "rserver"
    program.parent.mkdir()
    program.write_text(RECORDER)
    program.chmod(0o755)
    environment = {"PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(folder), "RECORD": str(folder)}
    subprocess.run([START, "/tmp/a.sock", "/user/ada/rstudio/"], env=environment, check=True)
    yield folder
    shutil.rmtree(Path(_options(folder)["server-data-dir"]).parent)


def _options(recorded: Path) -> dict[str, str]:
    lines = (recorded / "arguments").read_text().splitlines()
    return dict(line.removeprefix("--").split("=", 1) for line in lines)


def test_every_option_is_one_that_the_server_knows(recorded: Path) -> None:
    assert set(_options(recorded)) == RSERVER_OPTIONS


def test_it_listens_on_the_socket_alone_and_below_the_member_s_path(recorded: Path) -> None:
    options = _options(recorded)
    assert (options["www-socket"], options["www-root-path"]) == ("/tmp/a.sock", "/user/ada/rstudio/")


def test_it_serves_the_one_user_and_asks_for_no_password(recorded: Path) -> None:
    user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    assert _options(recorded)["server-user"] == user
    assert _options(recorded)["auth-none"] == "1"
    assert f"USER={user}" in (recorded / "environment").read_text().splitlines()


def test_its_state_is_closed_to_others_and_outside_the_root(recorded: Path) -> None:
    options = _options(recorded)
    state = Path(options["server-data-dir"]).parent
    assert state.parent == Path("/tmp")
    assert [path.stat().st_mode & 0o077 for path in (state, *state.iterdir())] == [0] * (1 + len(list(state.iterdir())))
    assert Path(options["database-config-file"]).read_text() == f"provider=sqlite\ndirectory={state}/data\n"
    assert len(Path(options["secure-cookie-key-file"]).read_text()) == 64


def test_the_jupyter_server_starts_it_with_a_socket_and_its_own_path() -> None:
    settings = json.loads((FILES / "etc/jupyter/jupyter_server_config.d/rstudio.json").read_text())
    server = settings["ServerProxy"]["servers"]["rstudio"]
    assert server["command"] == [START.name, "{unix_socket}", "{base_url}rstudio/"]
    assert server["unix_socket"] is True
