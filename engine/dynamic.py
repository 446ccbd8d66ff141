"""Dynamic providers, through Pulumi's own host ``python -m pulumi.dynamic``."""

# ruff: noqa: A002, ARG002 - the signatures are those of Pulumi's provider protocol

from collections.abc import Callable, Mapping
from functools import cached_property
from threading import Lock
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from engine.errors import Interrupted, ProviderError, Unrecoverable
from engine.host import Host
from engine.project import Configuration, Project
from engine.provider import Changes, CheckFailure, CheckResult, DiffResult, ReadResult, Reporter
from engine.values import Object, Unknown, contains
from engine.wire import from_struct, to_struct

_CHANGES = {0: Changes.UNKNOWN, 1: Changes.NONE, 2: Changes.SOME}


class DynamicProvider:
    """Manages resources whose provider is code of the program itself, pickled into their inputs.

    Args:
        project: Where the host runs.
        configuration: The stack's whole configuration, which the provider's ``configure`` receives.
        environment: What the host inherits.
        report: Takes what it prints.
    """

    def __init__(
        self, project: Project, configuration: Configuration, environment: Mapping[str, str], report: Reporter
    ) -> None:
        self._project = project
        self._configuration = configuration
        self._environment = environment
        self._report = report
        self._host: Host | None = None
        self._starting = Lock()

    @cached_property
    def _stub(self) -> provider_pb2_grpc.ResourceProviderStub:
        with self._starting:
            if self._host is None:
                folder = self._project.main if self._project.main.is_dir() else self._project.main.parent
                environment = {**self._environment, "PULUMI_PROJECT": self._project.name, "PULUMI_CONFIG": "{}"}
                take: Callable[[str], None] = lambda line: self._report("info", "", line)  # noqa: E731
                self._host = Host("pulumi.dynamic", ["127.0.0.1:0"], folder, environment, take)
                stub = provider_pb2_grpc.ResourceProviderStub(self._host.channel)
                arguments = to_struct(dict(self._configuration.values))
                stub.Configure(provider_pb2.ConfigureRequest(args=arguments, acceptSecrets=False))
        return provider_pb2_grpc.ResourceProviderStub(self._host.channel)

    def _call(self, method: str, request: Any, *, changes: bool = False) -> Any:
        try:
            return getattr(self._stub, method)(request)
        except grpc.RpcError as error:
            call: Any = error
            if call.code() == grpc.StatusCode.UNKNOWN:
                raise ProviderError(call.details().strip()) from error
            message = f"the dynamic provider ended during {method}: {call.details()}"
            raise (Interrupted if changes else ProviderError)(message) from error

    def check_config(self, config: Object) -> CheckResult:
        """Accept any configuration."""
        return CheckResult(config)

    def diff_config(self, old: Object, new: Object) -> DiffResult:
        """Find no difference: each resource carries its own provider."""
        return DiffResult(Changes.NONE)

    def configure(self, config: Object) -> None:
        """Wait for the first resource."""

    def check(self, urn: str, old_inputs: Object | None, new_inputs: Object, *, random_seed: bytes) -> CheckResult:
        """Ask the provider's ``check``."""
        olds, news = to_struct(old_inputs or {}), to_struct(new_inputs)
        answer = self._call("Check", provider_pb2.CheckRequest(urn=urn, olds=olds, news=news))
        failures = tuple(CheckFailure(item.property, item.reason) for item in answer.failures)
        return CheckResult(from_struct(answer.inputs), failures)

    def diff(
        self,
        urn: str,
        id: str,
        old_inputs: Object,
        old_outputs: Object,
        new_inputs: Object,
        ignore_changes: tuple[str, ...] = (),
    ) -> DiffResult:
        """Ask the provider's ``diff``, which by default leaves the answer open."""
        request = provider_pb2.DiffRequest(
            urn=urn,
            id=id,
            olds=to_struct(old_outputs),
            old_inputs=to_struct(old_inputs),
            news=to_struct(new_inputs),
            ignoreChanges=ignore_changes,
        )
        answer = self._call("Diff", request)
        return DiffResult(_CHANGES[answer.changes], tuple(answer.replaces), answer.deleteBeforeReplace)

    def create(self, urn: str, inputs: Object, *, timeout: float | None, preview: bool) -> tuple[str, Object]:
        """Ask the provider's ``create``; a preview never does."""
        if preview:
            return "", {}
        request = provider_pb2.CreateRequest(urn=urn, properties=to_struct(inputs), timeout=timeout or 0)
        answer = self._call("Create", request, changes=True)
        return answer.id, from_struct(answer.properties)

    def recover(self, urn: str, inputs: Object) -> ReadResult | None:
        """Refuse: only the cut-short ``create`` knew the id."""
        raise Unrecoverable("a dynamic resource has no name before it is created")

    def read(self, urn: str, id: str, inputs: Object, outputs: Object) -> ReadResult | None:
        """Ask the provider's ``read``; no id means that the resource is gone."""
        request = provider_pb2.ReadRequest(urn=urn, id=id, properties=to_struct(outputs), inputs=to_struct(inputs))
        answer = self._call("Read", request)
        if not answer.id:
            return None
        read = from_struct(answer.inputs) if answer.HasField("inputs") else inputs
        return ReadResult(answer.id, read, from_struct(answer.properties))

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
        """Ask the provider's ``update``; a preview never does."""
        if preview:
            return {**{key: value for key, value in old_outputs.items() if not contains(value, Unknown)}, **new_inputs}
        request = provider_pb2.UpdateRequest(
            urn=urn, id=id, olds=to_struct(old_outputs), news=to_struct(new_inputs), timeout=timeout or 0
        )
        return from_struct(self._call("Update", request, changes=True).properties)

    def delete(self, urn: str, id: str, inputs: Object, outputs: Object, *, timeout: float | None) -> None:
        """Ask the provider's ``delete``."""
        request = provider_pb2.DeleteRequest(
            urn=urn, id=id, properties=to_struct(outputs), old_inputs=to_struct(inputs), timeout=timeout or 0
        )
        self._call("Delete", request, changes=True)

    def cancel(self) -> None:
        """Ask the host to end."""
        if self._host and self._host.is_alive:
            self._stub.Cancel(empty_pb2.Empty())

    def close(self) -> None:
        """End the host."""
        if self._host:
            self._host.close()
