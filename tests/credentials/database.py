"""A real PostgreSQL of Debian's on loopback, whose users Vault makes and drops."""

import signal
import subprocess
from pathlib import Path

from tests.credentials.waiting import free_port, until

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
"""Where Debian 12 puts PostgreSQL; `apt-get install postgresql-15` brings it."""
OWNER = "nobody"


class Database:
    """One server with its data in a folder of its owner; it refuses to run as root."""

    def __init__(self, folder: Path, password: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.address = f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{self.port}/postgres?sslmode=disable"
        (folder / "password").write_text(password)
        options = ["--auth=scram-sha-256", "--username=vault", f"--pwfile={folder / 'password'}"]
        self._run("initdb", "--no-sync", *options, "--pgdata", str(folder / "data"))
        listen = ["-c", "fsync=off", "-c", f"port={self.port}", "-c", "listen_addresses=127.0.0.1"]
        command = [str(PROGRAMS / "postgres"), "-D", str(folder / "data"), *listen, "-k", str(folder)]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, user=OWNER, stdout=log, stderr=log, cwd=folder)
        until(self._is_ready)

    def close(self) -> None:
        """End it with the sessions that are open, such as Vault's own; at SIGTERM it would wait for them."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(20)

    def _is_ready(self) -> bool:
        command = [PROGRAMS / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *words: str) -> None:
        subprocess.run([PROGRAMS / program, *words], user=OWNER, cwd=self.folder, check=True, capture_output=True)


def sign_in(service_file: Path) -> subprocess.CompletedProcess[str]:
    """One new session with what a service file says now; it prints the user."""
    environment = {"PGSERVICEFILE": str(service_file), "PGCONNECT_TIMEOUT": "5"}
    command = [PROGRAMS / "psql", "-At", "service=cohort", "-c", "select current_user"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
