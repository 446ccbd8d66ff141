"""The realm that a Keycloak serves, and how people sign in to it: dynamic resources with preview, diff and delete.

The rules themselves are in `components.realm_settings`; credentials are the subject of `components.realm_resource`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.dynamic import DiffResult
from typing_extensions import override

from components.realm_api import AdministrationApi, AdministrationError
from components.realm_resource import (
    MARK,
    Administration,
    ObjectProvider,
    RealmResource,
    adopted,
)
from components.remote_objects import Properties, projected

CONFLICT = 409
"""HTTP status that Keycloak answers when an object of that name exists."""


class RealmProvider(ObjectProvider):
    """Realms by name: their settings, what is known of people, what is asked of them once."""

    fixed = ("realm",)

    @override
    def make(self, api: AdministrationApi, props: Properties) -> tuple[str, Properties]:
        name = props["realm"]
        try:
            api.post("", {"realm": name, **_marked(props["settings"])})
        except AdministrationError as error:
            if error.status != CONFLICT:
                raise
            adopted(api.get(f"/{name}"), f"the realm {name}")
        self.change(api, name, props)
        return name, {}

    @override
    def find(self, api: AdministrationApi, id_: str, props: Properties) -> Properties | None:
        if (realm := api.get(f"/{id_}")) is None:
            return None
        actions = {each["alias"]: each for each in api.get(f"/{id_}/authentication/required-actions")}
        return {
            "settings": projected(props["settings"], realm),
            "user_profile": projected(props["user_profile"], api.get(f"/{id_}/users/profile")),
            "required_actions": projected(props["required_actions"], actions),
            "unused_clients": [name for name in props["unused_clients"] if not _enabled(api, id_, name)],
        }

    @override
    def change(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        api.put(f"/{id_}", _marked(props["settings"]))
        api.put(f"/{id_}/users/profile", props["user_profile"])
        for alias, asked in props["required_actions"].items():
            path = f"/{id_}/authentication/required-actions/{alias}"
            api.put(path, {**api.get(path), **asked})
        for name in props["unused_clients"]:
            for client in _enabled(api, id_, name):
                api.put(f"/{id_}/clients/{client['id']}", {**client, "enabled": False})

    @override
    def remove(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        api.delete(f"/{id_}")


def _marked(settings: Mapping[str, Any]) -> Properties:
    return {**settings, "attributes": {**settings.get("attributes", {}), MARK: "true"}}


def _enabled(api: AdministrationApi, realm: str, client_id: str) -> list[Properties]:
    return [client for client in api.get(f"/{realm}/clients", clientId=client_id) if client["enabled"]]


class Realm(RealmResource, module="identity", name="Realm"):
    """A realm: the people of one organisation and the rules they sign in by. Deleting it deletes its people."""

    realm: pulumi.Output[str]
    """Its name."""

    def __init__(
        self,
        name: str,
        server: Administration,
        realm: str,
        settings: Mapping[str, Any],
        user_profile: Mapping[str, Any],
        required_actions: Mapping[str, Any],
        unused_clients: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a realm.

        Args:
            name: logical name, unique in the stack.
            server: the Keycloak.
            realm: its name, part of the issuer's address.
            settings: fields of Keycloak's RealmRepresentation.
            user_profile: Keycloak's UPConfig.
            required_actions: fields of RequiredActionProviderRepresentation, by alias.
            unused_clients: those of the realm's built-in clients that are disabled.
            opts: usual resource options.
        """
        inputs = {
            "server": server.inputs(),
            "realm": realm,
            "settings": settings,
            "user_profile": user_profile,
            "required_actions": required_actions,
            "unused_clients": list(unused_clients),
        }
        super().__init__(RealmProvider(), name, inputs, opts)


class FlowProvider(ObjectProvider):
    """Authentication flows by alias. A flow is never changed: another one takes its place, complete, and it is deleted.

    So there is no moment in which half a flow signs people in.
    """

    fixed = ("realm", "alias", "steps")

    @override
    def diff(self, _id: str, _olds: Properties, _news: Properties) -> DiffResult:
        found = super().diff(_id, _olds, _news)
        return DiffResult(changes=found.changes, replaces=found.replaces, delete_before_replace=False)

    @override
    def make(self, api: AdministrationApi, props: Properties) -> tuple[str, Properties]:
        realm, alias = props["realm"], props["alias"]
        flow = {"alias": alias, "providerId": "basic-flow", "topLevel": True, "builtIn": False}
        try:
            id_ = api.post(f"/{realm}/authentication/flows", flow)
        except AdministrationError as error:
            if error.status != CONFLICT:
                raise
            # The alias tells the steps, so this is what an interrupted run left, bound to nothing yet.
            api.delete(f"/{realm}/authentication/flows/{_flow_id(api, realm, alias)}")
            id_ = api.post(f"/{realm}/authentication/flows", flow)
        _add_steps(api, realm, alias, alias, props["steps"])
        return id_, {}

    @override
    def find(self, api: AdministrationApi, id_: str, props: Properties) -> Properties | None:
        flow = api.get(f"/{props['realm']}/authentication/flows/{id_}")
        return None if flow is None else {"alias": flow["alias"]}

    @override
    def change(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        """Nothing of the flow itself: only the way to the server has changed."""

    @override
    def remove(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        api.delete(f"/{props['realm']}/authentication/flows/{id_}")


def _flow_id(api: AdministrationApi, realm: str, alias: str) -> str:
    return next(flow["id"] for flow in api.get(f"/{realm}/authentication/flows") if flow["alias"] == alias)


def _add_steps(api: AdministrationApi, realm: str, root: str, alias: str, steps: Sequence[Mapping[str, Any]]) -> None:
    for step in steps:
        into = f"/{realm}/authentication/flows/{alias}/executions"
        if "flow" in step:
            below = f"{root}-{step['flow']}"
            api.post(f"{into}/flow", {"alias": below, "type": "basic-flow", "provider": "registration-page-form"})
            _add_steps(api, realm, root, below, step["steps"])
        else:
            api.post(f"{into}/execution", {"provider": step["authenticator"]})
        _require(api, realm, alias, step["requirement"])


def _require(api: AdministrationApi, realm: str, alias: str, requirement: str) -> None:
    """Say how the step that was added last counts."""
    path = f"/{realm}/authentication/flows/{alias}/executions"
    added = [execution for execution in api.get(path) if execution["level"] == 0][-1]
    api.put(path, {**added, "requirement": requirement})


class Flow(RealmResource, module="identity", name="Flow"):
    """A way to sign in."""

    alias: pulumi.Output[str]
    """Its name in Keycloak, which tells its steps."""

    def __init__(
        self,
        name: str,
        server: Administration,
        realm: pulumi.Input[str],
        title: str,
        steps: Sequence[Mapping[str, Any]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a flow.

        Args:
            name: logical name, unique in the stack.
            server: the Keycloak.
            realm: name of the realm.
            title: first part of its name in Keycloak.
            steps: each with its `requirement`, and either an `authenticator` or a `flow` with `steps` of its own.
            opts: usual resource options.
        """
        digest = hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()[:8]
        alias = f"{title}-{digest}"
        inputs = {"server": server.inputs(), "realm": realm, "alias": alias, "steps": list(steps)}
        super().__init__(FlowProvider(), name, inputs, opts)


BUILT_IN_FLOWS = {"browserFlow": "browser", "directGrantFlow": "direct grant"}
"""What a new realm signs people in by, by field of RealmRepresentation."""


class FlowBindingProvider(ObjectProvider):
    """Which flow a realm uses for which purpose."""

    fixed = ("realm",)

    @override
    def make(self, api: AdministrationApi, props: Properties) -> tuple[str, Properties]:
        self.change(api, "", props)
        return f"{props['realm']}/flows", {}

    @override
    def find(self, api: AdministrationApi, id_: str, props: Properties) -> Properties | None:
        realm = api.get(f"/{props['realm']}")
        return None if realm is None else {"flows": projected(props["flows"], realm)}

    @override
    def change(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        api.put(f"/{props['realm']}", props["flows"])

    @override
    def remove(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        if api.get(f"/{props['realm']}") is not None:
            api.put(f"/{props['realm']}", {field: BUILT_IN_FLOWS[field] for field in props["flows"]})


class FlowBinding(RealmResource, module="identity", name="FlowBinding"):
    """The flows that a realm signs people in by. Whoever may sign in is declared after it."""

    def __init__(
        self,
        name: str,
        server: Administration,
        realm: pulumi.Input[str],
        flows: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a binding.

        Args:
            name: logical name, unique in the stack.
            server: the Keycloak.
            realm: name of the realm.
            flows: aliases, by field of RealmRepresentation (see `BUILT_IN_FLOWS`).
            opts: usual resource options.
        """
        super().__init__(
            FlowBindingProvider(), name, {"server": server.inputs(), "realm": realm, "flows": dict(flows)}, opts
        )
