"""Starts the components of a platform in its network namespace, each only if it does not run as it should."""

import contextlib
from dataclasses import asdict

from local import cgroups, network, ports
from local.components import Component, environment
from local.errors import PlatformError
from local.paths import Layout
from local.ports import Ports
from local.processes import Supervisor, fingerprint


def supervisor(layout: Layout) -> Supervisor:
    """Who starts and stops the processes of a platform."""
    return Supervisor(layout.run / "processes", layout.logs, lambda pid: cgroups.adopt(layout, pid))


class Launcher:
    """Starts components.

    Args:
        layout: the platform.
        ways_in: the ports whose listening sockets the forwarder inherits.
    """

    def __init__(self, layout: Layout, ways_in: Ports) -> None:
        self._layout = layout
        self._ports = ways_in
        self._supervisor = supervisor(layout)

    def start(self, part: Component) -> bool:
        """Start a component, unless it runs with this very configuration; tells whether it had to."""
        mark = self._mark(part)
        if self._supervisor.current(part.name, mark):
            return False
        self._supervisor.stop(part.name, part.patience)
        with contextlib.ExitStack() as stack:
            sockets = self._sockets(stack) if part.sockets else {}
            command = [word.format_map(sockets) if part.sockets else word for word in part.command]
            inside = [*network.enter(self._layout), *command]
            self._supervisor.start(part.name, inside, mark, environment(part), list(sockets.values()))
        return True

    def require_alive(self, *names: str) -> bool:
        """True; for use in a condition that is waited for.

        Raises:
            PlatformError: one of the components has ended; with the last lines of its log.
        """
        for name in names:
            if not self._supervisor.record(name):
                log = self._supervisor.log_file(name)
                message = f"{name} has ended; {log} says at its end:\n{self._supervisor.tail(name)}"
                raise PlatformError(message)
        return True

    def _mark(self, part: Component) -> str:
        # A namespace that was made anew has another inode: who still runs in the old one must move.
        namespace = self._layout.namespace_path.stat().st_ino
        return fingerprint([part.fingerprint, str(namespace)])

    def _sockets(self, stack: contextlib.ExitStack) -> dict[str, int]:
        opened = {name: stack.enter_context(ports.listen(port)) for name, port in asdict(self._ports).items()}
        return {name: socket.fileno() for name, socket in opened.items()}
