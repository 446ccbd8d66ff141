"""What the dynamic resources of a Keycloak realm have in common.

No credential is part of a resource. The administrator's secret reaches a provider when its host starts, from the
stack's configuration (encrypted in the stack's file) or from the environment, and stays in that process: inputs and
outputs hold the server's address and its authority's certificate only. Pulumi keeps of a provider's code no more than
the class's import path, since these classes are importable wherever the program is; nothing in an instance is kept.
What Keycloak itself draws (a client's secret) or what a provider draws for a person (a first password) is a secret
output, encrypted in the state.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import (
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from components.realm_api import SECRET_KEY, SECRET_VARIABLE, AdministrationApi, AdministrationError

MARK = "cloison.managed"
"""Attribute of everything the program declares in a realm: what lacks it is somebody else's and is never adopted."""

Properties = dict[str, Any]


@dataclass(frozen=True)
class Administration:
    """How the program reaches a Keycloak. Nothing here is secret."""

    address: str
    """Where its admin API answers, without a path."""
    authority: pulumi.Input[str]
    """PEM of the authority that signed its certificate."""

    def inputs(self) -> Properties:
        """The resource input `server`."""
        return {"address": self.address, "authority": self.authority}


class ObjectProvider(ResourceProvider):
    """Creates, changes and deletes one kind of object through the admin API.

    Differences are found between what the program says and what the state recorded, so a preview contacts nothing.
    """

    serialize_as_secret_always = False

    fixed: ClassVar[Sequence[str]] = ()
    """Inputs whose change means another object."""
    drawn: ClassVar[Sequence[str]] = ()
    """Outputs that exist once and are kept when the object changes."""
    secret: ClassVar[Sequence[str]] = ()
    """Those of them that are secret."""

    _secret: str | None = None
    _sessions: dict[tuple[str, str], AdministrationApi]

    def configure(self, req: ConfigureRequest) -> None:
        """Take the administrator's secret; `diff` does without it."""
        self._secret = req.config.get(SECRET_KEY) or os.environ.get(SECRET_VARIABLE)
        self._sessions = {}

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> DiffResult:
        """Compare what the program asks with what was recorded."""
        asked = [key for key in _news if key not in self.drawn and not key.startswith("__")]
        changed = [key for key in asked if _olds.get(key) != _news[key]]
        replaces = [key for key in changed if key in self.fixed]
        return DiffResult(changes=bool(changed), replaces=replaces, delete_before_replace=True)

    def create(self, props: Properties) -> CreateResult:
        """Make the object, or finish one that an interrupted run of this program has begun."""
        id_, drawn = self.make(self._api(props), props)
        return CreateResult(id_, {**_own(props), **drawn})

    def read(self, id_: str, props: Properties) -> ReadResult:
        """Ask what the object is like now."""
        found = self.find(self._api(props), id_, props)
        outputs = {**_own(props), **found} if found is not None else {}
        return ReadResult(id_ if found is not None else "", outputs)

    def update(self, _id: str, _olds: Properties, _news: Properties) -> UpdateResult:
        """Change the object in place."""
        self.change(self._api(_news), _id, _news)
        return UpdateResult({**_own(_news), **{key: _olds[key] for key in self.drawn}})

    def delete(self, _id: str, _props: Properties) -> None:
        """Delete the object."""
        self.remove(self._api(_props), _id, _props)

    def make(self, api: AdministrationApi, props: Properties) -> tuple[str, Properties]:
        """Create; return the id and what is `drawn`."""
        raise NotImplementedError

    def find(self, api: AdministrationApi, id_: str, props: Properties) -> Properties | None:
        """Read the inputs of `props` as they are now; None when the object is gone."""
        raise NotImplementedError

    def change(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        """Bring the object to `props`."""
        raise NotImplementedError

    def remove(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        """Delete the object; what is gone already is no error."""
        raise NotImplementedError

    def _api(self, props: Properties) -> AdministrationApi:
        if not self._secret:
            message = (
                f"the administrator's secret is missing: set it with `pulumi config set --secret {SECRET_KEY}` or in "
                f"the variable {SECRET_VARIABLE}; it is in the Secret `administrator` of platform-identity"
            )
            raise AdministrationError(message)
        reached = (props["server"]["address"], props["server"]["authority"])
        if reached not in self._sessions:
            self._sessions[reached] = AdministrationApi(*reached, self._secret)
        return self._sessions[reached]


class RealmResource(Resource, module="identity", name="RealmResource"):
    """A resource in a Keycloak."""

    def __init__(
        self, provider: ObjectProvider, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None
    ) -> None:
        """Declare the resource.

        Args:
            provider: what manages it.
            name: logical name, unique in the stack.
            inputs: what is asked of it.
            opts: usual resource options.
        """
        # A dynamic resource gets those attributes that it names among its inputs.
        named = {**inputs, **dict.fromkeys(provider.drawn)}
        secret = pulumi.ResourceOptions(additional_secret_outputs=list(provider.secret))
        super().__init__(provider, name, named, pulumi.ResourceOptions.merge(opts, secret))


def adopted(found: Mapping[str, Any], what: str) -> str:
    """The id of an object that stands where one is to be made.

    Raises:
        AdministrationError: this program did not make it.
    """
    mark = (found.get("attributes") or {}).get(MARK)
    if mark not in ("true", ["true"]):
        message = f"{what} exists already and is not this program's: rename or delete it in Keycloak, or import it"
        raise AdministrationError(message)
    return found["id"]


def projected(asked: Any, found: Any) -> Any:
    """What is found, as far as it was asked: the rest are defaults of Keycloak's."""
    if isinstance(asked, Mapping) and isinstance(found, Mapping):
        return {key: projected(value, found.get(key)) for key, value in asked.items()}
    if isinstance(asked, list) and isinstance(found, list) and len(asked) == len(found):
        if sorted(map(str, asked)) == sorted(map(str, found)):
            return asked  # Keycloak keeps most lists as sets
        return [projected(*pair) for pair in zip(asked, found, strict=True)]
    return found


def _own(props: Properties) -> Properties:
    return {key: value for key, value in props.items() if not key.startswith("__")}
