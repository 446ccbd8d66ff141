"""A platform as a whole, for the command line and for tests."""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import build, checks, packages, ports, teardown
from local.components import START_ORDER, TOOLS
from local.containers import Containerd
from local.errors import RefusedError
from local.kubectl import Kubectl
from local.launch import supervisor
from local.paths import DEFAULT_NAME, Layout
from local.progress import Progress
from local.start import Start, prepare


class Platform:
    """One local Kubernetes.

    Args:
        name: at most 12 lower-case letters, digits and hyphens.
        progress: where to tell what is being done.

    Raises:
        RefusedError: the name cannot be one.
    """

    def __init__(self, name: str = DEFAULT_NAME, progress: Progress | None = None) -> None:
        self.layout = Layout(name)
        self.progress = progress or Progress()
        self.ports = ports.of(self.layout)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, for use from the machine."""
        return self.layout.kubeconfig

    @property
    def kubectl(self) -> Kubectl:
        """Kubectl as administrator: `platform.kubectl("get", "pods")`."""
        return Kubectl(build.tool("kubectl", self.progress), self.kubeconfig)

    @property
    def containerd(self) -> Containerd:
        """The node's image store."""
        return Containerd(build.tool("ctr", self.progress), self.layout.containerd_socket)

    def url(self, service: str, namespace: str, path: str = "/") -> str:
        """Address of port 80 of a Service, as seen from this machine."""
        return f"http://{service}.{namespace}.localhost:{self.ports.http}{path}"

    def running(self) -> list[str]:
        """Names of the components that run."""
        processes = supervisor(self.layout)
        return [name for name in START_ORDER if processes.record(name)]

    def up(self, control_plane_only: bool = False) -> "Platform":
        """Bring the platform up, or back to health; returns when the node is Ready and the DNS answers.

        Args:
            control_plane_only: stop after the API server, controllers and scheduler; no node.

        Raises:
            RefusedError: the machine cannot carry it; nothing was changed.
            PlatformError: a component did not come up; the message ends with its last words.
        """
        self._check()
        with self._locked(), self.progress.total(f"platform {self.layout.name} is up"):
            packages.ensure(self.progress)
            checks.require_kernel()
            for name in TOOLS:
                build.tool(name, self.progress)
            with self.progress.step("network namespace, certificates, configuration"):
                parts = prepare(self.layout, self.ports)
            start = Start(self.layout, self.ports, parts, self.progress)
            start.control_plane()
            if not control_plane_only:
                start.node()
        return self

    def down(self, purge: bool = False) -> None:
        """Stop everything and remove every trace from the kernel; data stays unless `purge`.

        Raises:
            PlatformError: something of the platform cannot be removed; it is named.
        """
        checks.require_root()
        with self._locked(), self.progress.total(f"platform {self.layout.name} is down"):
            with self.progress.step("stop pods"):
                teardown.stop_pods(self.layout)
            with self.progress.step("stop components"):
                teardown.stop_components(self.layout)
            with self.progress.step("remove mounts, loop devices, network namespace, control groups"):
                teardown.remove(self.layout)
            if purge and self.layout.state.exists():
                with self.progress.step(f"delete {self.layout.state}"):
                    shutil.rmtree(self.layout.state)

    def _check(self) -> None:
        checks.require_root()
        running = self.running()
        if not running:
            checks.require_resources(self.layout.state)
        if "forward" not in running:
            ports.require_free(self.ports)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        path = self.layout.lock
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"another command is changing platform {self.layout.name}: wait for it to end"
                raise RefusedError(message) from None
            try:
                yield
            finally:
                self._forget_lock()

    def _forget_lock(self) -> None:
        if not self.layout.run.exists():
            self.layout.lock.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # another platform is up
                self.layout.lock.parent.rmdir()


def up(name: str = DEFAULT_NAME) -> Platform:
    """Bring a platform up and return it."""
    return Platform(name).up()
