"""Stands in, in previews, for provider packages that the engine has no provider for."""

# ruff: noqa: A002, ARG002 - the signatures are those of Pulumi's provider protocol

from engine.errors import ProviderError, Unsupported
from engine.provider import Changes, CheckResult, DiffResult, ReadResult
from engine.values import Object

_REFUSAL = str(Unsupported("this provider package"))


class OfflineProvider:
    """Stands in for a package the engine has no provider for: previews from inputs and state, and changes nothing."""

    def check_config(self, config: Object) -> CheckResult:
        """Accept any configuration."""
        return CheckResult(config)

    def diff_config(self, old: Object, new: Object) -> DiffResult:
        """Assume that the service stays the same."""
        return DiffResult(Changes.NONE)

    def configure(self, config: Object) -> None:
        """Need no configuration."""

    def check(self, urn: str, old_inputs: Object | None, new_inputs: Object, *, random_seed: bytes) -> CheckResult:
        """Accept any inputs."""
        return CheckResult(new_inputs)

    def diff(
        self,
        urn: str,
        id: str,
        old_inputs: Object,
        old_outputs: Object,
        new_inputs: Object,
        ignore_changes: tuple[str, ...] = (),
    ) -> DiffResult:
        """Leave the comparison to the engine."""
        return DiffResult(Changes.UNKNOWN)

    def create(self, urn: str, inputs: Object, *, timeout: float | None, preview: bool) -> tuple[str, Object]:
        """Foresee the inputs as outputs."""
        self._refuse(preview)
        return "", inputs

    def update(
        self,
        urn: str,
        id: str,
        old_inputs: Object,
        old_outputs: Object,
        new_inputs: Object,
        *,
        timeout: float | None,
        preview: bool,
        ignore_changes: tuple[str, ...] = (),
    ) -> Object:
        """Foresee the inputs as outputs."""
        self._refuse(preview)
        return {**old_outputs, **new_inputs}

    def recover(self, urn: str, inputs: Object) -> ReadResult | None:
        """Refuse."""
        raise ProviderError(_REFUSAL)

    def read(self, urn: str, id: str, inputs: Object, outputs: Object) -> ReadResult | None:
        """Foresee no drift."""
        return ReadResult(id, inputs, outputs)

    def delete(self, urn: str, id: str, inputs: Object, outputs: Object, *, timeout: float | None) -> None:
        """Refuse."""
        self._refuse(preview=False)

    def cancel(self) -> None:
        """Wait for nothing."""

    def close(self) -> None:
        """Hold nothing."""

    def _refuse(self, preview: bool) -> None:
        if not preview:
            raise ProviderError(_REFUSAL)
