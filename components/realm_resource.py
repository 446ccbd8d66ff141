"""What the dynamic resources of a Keycloak realm have in common.

No credential is part of a resource. The administrator's secret reaches a provider when its host starts, from the
stack's configuration (encrypted in the stack's file) or from the environment, and stays in that process: inputs and
outputs hold the server's address and its authority's certificate only. What Keycloak itself draws (a client's secret)
or what a provider draws for a person (a first password) is a secret output, encrypted in the state.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import ConfigureRequest
from typing_extensions import override

from components import remote_objects
from components.realm_api import SECRET_KEY, SECRET_VARIABLE, AdministrationApi, AdministrationError
from components.remote_objects import Properties, RemoteObject

MARK = "cloison.managed"
"""Attribute of everything the program declares in a realm: what lacks it is somebody else's and is never adopted."""


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


class ObjectProvider(remote_objects.ObjectProvider[AdministrationApi]):
    """Creates, changes and deletes one kind of object through the admin API."""

    _secret: str | None = None
    _sessions: dict[tuple[str, str], AdministrationApi]

    @override
    def configure(self, req: ConfigureRequest) -> None:
        self._secret = req.config.get(SECRET_KEY) or os.environ.get(SECRET_VARIABLE)
        self._sessions = {}

    @override
    def session(self, props: Properties) -> AdministrationApi:
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


class RealmResource(RemoteObject, module="identity", name="RealmResource"):
    """A resource in a Keycloak."""


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
