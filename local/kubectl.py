"""Talks to a platform's API server with the pinned kubectl."""

import json
import subprocess
from pathlib import Path
from typing import Any

from local.errors import PlatformError


class Kubectl:
    """kubectl, bound to one kubeconfig.

    Args:
        program: the kubectl to run.
        kubeconfig: whose identity and which API server.
    """

    def __init__(self, program: Path, kubeconfig: Path) -> None:
        self.command = [str(program), f"--kubeconfig={kubeconfig}"]

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = 60.0) -> str:
        """Run kubectl and return what it printed.

        Raises:
            PlatformError: it failed, with what it said; or it took longer than `timeout` seconds.
        """
        done = self._run(arguments, stdin, timeout)
        if done.returncode:
            message = f"kubectl {' '.join(arguments)}: {done.stderr.strip()}"
            raise PlatformError(message)
        return done.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """The object or list that `kubectl get` finds."""
        return json.loads(self("get", *arguments, "--output=json"))

    def apply(self, manifests: str) -> None:
        """Apply manifests on the server's side, as the one owner of their fields."""
        self("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=manifests)

    def ready(self) -> bool:
        """Whether the API server says that it is ready."""
        return self._run(("get", "--raw=/readyz", "--request-timeout=2s"), None, 5.0).returncode == 0

    def _run(self, arguments: tuple[str, ...], stdin: str | None, timeout: float) -> subprocess.CompletedProcess[str]:
        command = [*self.command, *arguments]
        try:
            return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired as error:
            message = f"kubectl {' '.join(arguments)}: no answer within {timeout:.0f} seconds"
            raise PlatformError(message) from error
