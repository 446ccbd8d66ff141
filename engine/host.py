"""Pulumi's own provider and policy hosts, as processes that this engine speaks gRPC with."""

from collections.abc import Callable, Mapping
from pathlib import Path

import grpc
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS

from engine.errors import ProviderError
from engine.program import pass_on, start_python


class Host:
    """A module of Pulumi's SDK that serves gRPC on a port it prints first.

    Args:
        module: For example ``pulumi.dynamic``.
        arguments: Its command line.
        folder: Where it runs.
        environment: Its environment.
        take: Called with each line that it prints later.

    Raises:
        ProviderError: If it does not start.
    """

    def __init__(
        self,
        module: str,
        arguments: list[str],
        folder: Path,
        environment: Mapping[str, str],
        take: Callable[[str], None],
    ) -> None:
        self._process = start_python(["module", module, *arguments], folder, environment)
        errors: list[str] = []

        def take_error(line: str) -> None:
            errors.append(line)
            take(line)

        reader = pass_on(self._process.stderr, take_error)
        stdout = self._process.stdout
        port = stdout.readline().strip() if stdout else ""
        if not port.isdigit():
            self._process.kill()
            reader.join()
            raise ProviderError(f"python -m {module} did not start: " + " ".join(errors[-3:]))
        pass_on(stdout, take)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=_GRPC_CHANNEL_OPTIONS)

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        self.channel.close()
        self._process.kill()
        self._process.wait()
