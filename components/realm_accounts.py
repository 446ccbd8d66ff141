"""People and groups of a realm.

Groups say which projects somebody belongs to. Accounts are made here for demonstrations only: on a platform with data
of real people, people come from a directory or are entered by an administrator.
"""

import secrets
import string

import pulumi
from typing_extensions import override

from components.realm_api import AdministrationApi, AdministrationError
from components.realm_resource import MARK, Administration, ObjectProvider, RealmResource, adopted
from components.remote_objects import Properties

CONFLICT = 409

FIRST_SIGN_IN = ["UPDATE_PASSWORD", "CONFIGURE_TOTP"]
"""What a new account asks of its owner: a password of one's own, and a second factor."""

PASSWORD_LENGTH = 20
PASSWORD_CHARACTERS = (string.ascii_uppercase, string.ascii_lowercase, string.digits)
"""Every first password has one of each: see `components.realm_settings.PASSWORD_POLICY`."""


def first_password() -> str:
    """Draw a password that is good until its owner has set another."""
    while True:
        password = "".join(secrets.choice("".join(PASSWORD_CHARACTERS)) for _ in range(PASSWORD_LENGTH))
        if all(set(password) & set(characters) for characters in PASSWORD_CHARACTERS):
            return password


class GroupProvider(ObjectProvider):
    """Groups by name, below another group or at the top."""

    fixed = ("realm", "name", "parent")

    @override
    def make(self, api: AdministrationApi, props: Properties) -> tuple[str, Properties]:
        name, below = props["name"], _below(props)
        try:
            return api.post(below, {"name": name, "attributes": {MARK: ["true"]}}), {}
        except AdministrationError as error:
            if error.status != CONFLICT:
                raise
        found = api.get(below, search=name, exact="true", briefRepresentation="false")
        return adopted(next(group for group in found if group["name"] == name), f"the group {name}"), {}

    @override
    def find(self, api: AdministrationApi, id_: str, props: Properties) -> Properties | None:
        group = api.get(f"/{props['realm']}/groups/{id_}")
        return None if group is None else {"name": group["name"]}

    @override
    def change(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        """Nothing of the group itself: only the way to the server has changed."""

    @override
    def remove(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        api.delete(f"/{props['realm']}/groups/{id_}")


def _below(props: Properties) -> str:
    groups = f"/{props['realm']}/groups"
    return f"{groups}/{props['parent']}/children" if props.get("parent") else groups


class Group(RealmResource, module="identity", name="Group"):
    """A group of people."""

    def __init__(
        self,
        name: str,
        server: Administration,
        realm: pulumi.Input[str],
        group: str,
        parent: "Group | None" = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a group.

        Args:
            name: logical name, unique in the stack.
            server: the Keycloak.
            realm: name of the realm.
            group: its name.
            parent: the group it is below; None for one at the top.
            opts: usual resource options.
        """
        inputs = {"server": server.inputs(), "realm": realm, "name": group, "parent": parent.id if parent else ""}
        super().__init__(GroupProvider(), name, inputs, opts)


class UserProvider(ObjectProvider):
    """Accounts by e-mail address, which is the user name too: addresses are what workspace files know people by."""

    fixed = ("realm", "email")
    drawn = ("first_password",)
    secret = ("first_password",)

    @override
    def make(self, api: AdministrationApi, props: Properties) -> tuple[str, Properties]:
        path, password = f"/{props['realm']}/users", first_password()
        account = _account(props) | {"requiredActions": FIRST_SIGN_IN, "credentials": [_temporary(password)]}
        try:
            return api.post(path, account), {"first_password": password}
        except AdministrationError as error:
            if error.status != CONFLICT:
                raise
        found = api.get(path, username=props["email"], exact="true", briefRepresentation="false")
        id_ = adopted(next(iter(found), {}), f"the account {props['email']}")
        api.put(f"{path}/{id_}/reset-password", _temporary(password))
        return id_, {"first_password": password}

    @override
    def find(self, api: AdministrationApi, id_: str, props: Properties) -> Properties | None:
        account = api.get(f"/{props['realm']}/users/{id_}")
        return None if account is None else {"email": account["email"], "enabled": account["enabled"]}

    @override
    def change(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        api.put(f"/{props['realm']}/users/{id_}", _account(props))

    @override
    def remove(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        api.delete(f"/{props['realm']}/users/{id_}")


def _account(props: Properties) -> Properties:
    return {
        "username": props["email"],
        "email": props["email"],
        "emailVerified": True,
        "enabled": props["enabled"],
        "attributes": {MARK: ["true"]},
    }


def _temporary(password: str) -> Properties:
    return {"type": "password", "value": password, "temporary": True}


class User(RealmResource, module="identity", name="User"):
    """A demonstration account. Its address counts as verified, because nobody real is behind it."""

    first_password: pulumi.Output[str]
    """Good until the first sign-in, which asks for another and for a second factor; secret."""

    def __init__(
        self,
        name: str,
        server: Administration,
        realm: pulumi.Input[str],
        email: str,
        enabled: bool = True,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare an account.

        Args:
            name: logical name, unique in the stack.
            server: the Keycloak.
            realm: name of the realm.
            email: address, in lower case.
            enabled: whether its owner may sign in.
            opts: usual resource options.
        """
        inputs = {"server": server.inputs(), "realm": realm, "email": email, "enabled": enabled}
        super().__init__(UserProvider(), name, inputs, opts)
        self.first_password = pulumi.Output.secret(self.first_password)


class MembershipProvider(ObjectProvider):
    """That an account belongs to a group."""

    fixed = ("realm", "user", "group")

    @override
    def make(self, api: AdministrationApi, props: Properties) -> tuple[str, Properties]:
        api.put(_membership(props))
        return f"{props['user']}/{props['group']}", {}

    @override
    def find(self, api: AdministrationApi, id_: str, props: Properties) -> Properties | None:
        groups = api.get(f"/{props['realm']}/users/{props['user']}/groups") or []
        return {} if any(group["id"] == props["group"] for group in groups) else None

    @override
    def change(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        """Nothing of the membership itself: only the way to the server has changed."""

    @override
    def remove(self, api: AdministrationApi, id_: str, props: Properties) -> None:
        api.delete(_membership(props))


def _membership(props: Properties) -> str:
    return f"/{props['realm']}/users/{props['user']}/groups/{props['group']}"


class Membership(RealmResource, module="identity", name="Membership"):
    """One account in one group."""

    def __init__(
        self,
        name: str,
        server: Administration,
        realm: pulumi.Input[str],
        user: User,
        group: Group,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a membership.

        Args:
            name: logical name, unique in the stack.
            server: the Keycloak.
            realm: name of the realm.
            user: the account.
            group: what it belongs to.
            opts: usual resource options.
        """
        inputs = {"server": server.inputs(), "realm": realm, "user": user.id, "group": group.id}
        super().__init__(MembershipProvider(), name, inputs, opts)
