"""What the dynamic resources of a key store have in common, and those that need nothing of their own.

No credential is part of a resource: the operator's token reaches a provider from the stack's configuration, from the
environment or from a file that it names, and stays in that process.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import ConfigureRequest
from typing_extensions import override

from components import remote_objects
from components.remote_objects import Properties, RemoteObject, projected
from components.vault_api import TOKEN_KEY, KeyStoreError, VaultApi, operator_token


@dataclass(frozen=True)
class KeyStoreServer:
    """How the program reaches a key store. Nothing here is secret."""

    address: str
    """Where its API answers, without a path."""
    authority: pulumi.Input[str]
    """PEM of the authority that signed its certificate."""

    def inputs(self) -> Properties:
        """The resource input `server`."""
        return {"address": self.address, "authority": self.authority}


class ObjectProvider(remote_objects.ObjectProvider[VaultApi]):
    """Creates, changes and deletes what a path of Vault's API holds: its settings are its content."""

    fixed = ("path",)

    _token: Callable[[], str] | None = None
    _sessions: dict[tuple[str, str], VaultApi]

    @override
    def configure(self, req: ConfigureRequest) -> None:
        configured = req.config.get(TOKEN_KEY)
        self._token = lambda: operator_token(configured)
        self._sessions = {}

    @override
    def session(self, props: Properties) -> VaultApi:
        reached = (props["server"]["address"], props["server"]["authority"])
        if reached not in self._sessions:
            self._sessions[reached] = VaultApi(*reached, self._token or operator_token)
        return self._sessions[reached]

    @override
    def make(self, api: VaultApi, props: Properties) -> tuple[str, Properties]:
        api.write(props["path"], props["settings"])
        return props["path"], {}

    @override
    def find(self, api: VaultApi, id_: str, props: Properties) -> Properties | None:
        found = api.read(id_)
        return None if found is None else {"settings": projected(props["settings"], found)}

    @override
    def change(self, api: VaultApi, id_: str, props: Properties) -> None:
        api.write(id_, props["settings"])

    @override
    def remove(self, api: VaultApi, id_: str, props: Properties) -> None:
        api.delete(id_)


class MountProvider(ObjectProvider):
    """Secrets engines and ways of signing in, by the path they are mounted at.

    Unmounting deletes all that is inside, so nothing of a mount is ever replaced: only its tuning changes.
    """

    @override
    def make(self, api: VaultApi, props: Properties) -> tuple[str, Properties]:
        """Mount it; what an interrupted run has mounted is taken as it is, if it is of this type."""
        path, asked = props["path"], props["settings"]
        if (found := mounted(api, path)) is None:
            api.write(path, asked)
        elif found["type"] != asked["type"]:
            message = f"{path}: something of type {found['type']} is mounted there, not {asked['type']}: move it away"
            raise KeyStoreError(message)
        return path, {}

    @override
    def find(self, api: VaultApi, id_: str, props: Properties) -> Properties | None:
        found = mounted(api, id_)
        return None if found is None else {"settings": projected(props["settings"], found)}

    @override
    def change(self, api: VaultApi, id_: str, props: Properties) -> None:
        if (found := mounted(api, id_)) is None or found["type"] != props["settings"]["type"]:
            message = f"{id_}: its type cannot change, for all that it holds would be deleted: mount another beside it"
            raise KeyStoreError(message)
        api.write(f"{id_}/tune", props["settings"].get("config", {}))


class SettingsProvider(ObjectProvider):
    """Settings of what is mounted: they go with it, and Vault deletes none by themselves."""

    @override
    def remove(self, api: VaultApi, id_: str, props: Properties) -> None:
        """Leave them to the mount."""


def mounted(api: VaultApi, path: str) -> Mapping[str, Any] | None:
    """What is mounted at a path; None when nothing is, which Vault calls an error where it is asked for one alone."""
    kind, _, name = path.rpartition("/")
    return (api.read(kind) or {}).get(f"{name}/")


class KeyStoreObject(RemoteObject, module="keys", name="KeyStoreObject"):
    """What one path of a key store holds: a policy, a role, settings."""

    provider: ClassVar[type[ObjectProvider]] = ObjectProvider
    """What manages it, where the path needs more than writing, reading and deleting."""

    path: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        server: KeyStoreServer,
        path: str,
        settings: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it.

        Args:
            name: logical name, unique in the stack.
            server: the key store.
            path: where it is.
            settings: its content, in the units in which Vault gives it back: times in seconds.
            opts: usual resource options.
        """
        inputs = {"server": server.inputs(), "path": path, "settings": dict(settings)}
        super().__init__(self.provider(), name, inputs, opts)


class Mount(KeyStoreObject, module="keys", name="Mount"):
    """A secrets engine, or a way of signing in."""

    provider = MountProvider


class MountSettings(KeyStoreObject, module="keys", name="MountSettings"):
    """Settings of what is mounted."""

    provider = SettingsProvider
