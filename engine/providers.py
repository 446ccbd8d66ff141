"""The providers of one run: which package manages what, with which configuration."""

# ruff: noqa: A002, ARG002 - the signatures are those of Pulumi's provider protocol

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import TypeAlias

from engine.errors import StateError, Unsupported
from engine.offline import OfflineProvider
from engine.provider import Changes, CheckResult, DiffResult, Provider, ReadResult, Reporter, ResourceManager
from engine.resource import Resource
from engine.state import State
from engine.urn import PROVIDER_PREFIX, provider_package, split_reference
from engine.values import Object, reveal
from engine.wire import UNKNOWN_TEXT

Factory: TypeAlias = Callable[[Reporter], Provider]
_ENGINE_KEYS = ("version", "pluginDownloadURL", "__internal")
"""Inputs of a provider resource that are the engine's, not the provider's."""


def package_of(type_: str) -> str:
    """Return the package that manages a resource type, for example ``kubernetes``."""
    return type_.split(":", 1)[0]


class Providers:
    """Makes providers on demand, configures each once, and closes them.

    Args:
        factories: By package name.
        state: Has the configuration of each provider, as a resource.
        report: Takes what the providers tell.
        offline: Stand in for packages without a factory; otherwise they are refused by name.
    """

    def __init__(self, factories: Mapping[str, Factory], state: State, report: Reporter, *, offline: bool) -> None:
        self._factories = factories
        self._state = state
        self._report = report
        self._offline = offline
        self._configured: dict[tuple[str, str], Provider] = {}
        self._lock = Lock()

    def for_resource(self, resource: Resource) -> ResourceManager:
        """Return what manages a recorded or wanted resource."""
        if package := provider_package(resource.type):
            return ProviderResources(self, package)
        return self.get(resource.provider)

    def get(self, reference: str) -> Provider:
        """Return the configured provider that a reference ``<urn>::<id>`` names.

        Raises:
            StateError: If the state has no such provider.
        """
        urn, id_ = split_reference(reference)
        with self._lock:
            if (urn, id_) not in self._configured:
                provider = self.make(provider_package(self._recorded(urn, id_).type) or "")
                provider.configure(configuration(self._recorded(urn, id_).inputs))
                self._configured[urn, id_] = provider
            return self._configured[urn, id_]

    def make(self, package: str) -> Provider:
        """Make a provider that is not configured yet.

        Raises:
            Unsupported: If the engine has none for this package.
        """
        if factory := self._factories.get(package):
            return factory(self._report)
        if self._offline:
            return OfflineProvider()
        raise Unsupported(f"The provider package {package!r}")

    def forget(self, urn: str, id_: str) -> None:
        """Close a provider whose configuration has changed; it is configured anew when needed."""
        with self._lock:
            provider = self._configured.pop((urn, id_), None)
        if provider:
            provider.close()

    def cancel(self) -> None:
        """Ask all providers to end what they wait for."""
        for provider in list(self._configured.values()):
            provider.cancel()

    def close(self) -> None:
        """Close all providers."""
        for urn, id_ in list(self._configured):
            self.forget(urn, id_)

    def _recorded(self, urn: str, id_: str) -> Resource:
        live = self._state.get(urn)
        if live and (live.id == id_ or id_ in ("", UNKNOWN_TEXT)):
            return live
        for resource in self._state.resources():
            if resource.urn == urn and resource.id == id_:
                return resource
        raise StateError(f"the state has no provider {urn}::{id_}")


def configuration(inputs: Object) -> Object:
    """Return what a provider itself sees of its resource's inputs."""
    return {key: reveal(value) for key, value in inputs.items() if key not in _ENGINE_KEYS}


@dataclass(frozen=True)
class ProviderResources:
    """Manages ``pulumi:providers:…`` resources: a provider's configuration is itself a resource, as in Pulumi."""

    providers: Providers
    package: str

    def check(self, urn: str, old_inputs: Object | None, new_inputs: Object, *, random_seed: bytes) -> CheckResult:
        """Let the provider validate its configuration."""
        result = self.providers.make(self.package).check_config(configuration(new_inputs))
        kept = {key: value for key, value in new_inputs.items() if key in _ENGINE_KEYS}
        return replace(result, inputs={**result.inputs, **kept})

    def diff(
        self,
        urn: str,
        id: str,
        old_inputs: Object,
        old_outputs: Object,
        new_inputs: Object,
        ignore_changes: tuple[str, ...] = (),
    ) -> DiffResult:
        """Let the provider compare configurations; a new version alone changes nothing in the service."""
        provider = self.providers.make(self.package)
        result = provider.diff_config(configuration(old_inputs), configuration(new_inputs))
        if result.changes is Changes.NONE and old_inputs != new_inputs:
            return replace(result, changes=Changes.SOME)
        return result

    def create(self, urn: str, inputs: Object, *, timeout: float | None, preview: bool) -> tuple[str, Object]:
        """Give the provider an identity."""
        return "" if preview else str(uuid.uuid4()), inputs

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
        """Have the provider configured anew."""
        self.providers.forget(urn, id)
        return new_inputs

    def recover(self, urn: str, inputs: Object) -> ReadResult | None:
        """Nothing outside the state is left of an interrupted creation."""
        return None

    def read(self, urn: str, id: str, inputs: Object, outputs: Object) -> ReadResult | None:
        """A configuration is what the state says."""
        return ReadResult(id, inputs, outputs)

    def delete(self, urn: str, id: str, inputs: Object, outputs: Object, *, timeout: float | None) -> None:
        """Release the provider."""
        self.providers.forget(urn, id)


def default_provider_name(version: str) -> str:
    """Name the provider of resources that give none, as Pulumi does: ``default_4_34_2``."""
    return "default" + "".join(f"_{part}" for part in version.replace("-", ".").split(".") if part)


def provider_type(package: str) -> str:
    """Return the type of a package's provider resource."""
    return PROVIDER_PREFIX + package
