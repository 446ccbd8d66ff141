"""Who may sign in to what.

A realm with its rules, and for each project a group and a client for its hub; where nobody is real, accounts for the
members as well.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pulumi

from components.realm import Flow, FlowBinding, Realm
from components.realm_accounts import Group, Membership, User
from components.realm_client import Client, ClientSettings
from components.realm_resource import MARK, Administration
from components.realm_settings import (
    PASSWORD_AND_CODE,
    REFUSED,
    UNUSED_CLIENTS,
    realm_settings,
    required_actions,
    user_profile,
)
from workspaces.model import Workspace

PROJECTS = "projects"
"""Group that holds one group for each project."""


def group_path(workspace: Workspace) -> str:
    """A project's group as the groups claim names it."""
    return f"/{PROJECTS}/{workspace.name}"


class SignInRealm(pulumi.ComponentResource):
    """A realm that asks everyone for a second factor. It is ready when it does."""

    server: Administration
    realm: str
    """Its name."""
    projects: Group

    def __init__(
        self,
        name: str,
        server: Administration,
        title: str,
        protect: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the realm.

        Args:
            name: logical name of the component, unique in the stack, and name of the realm.
            server: the Keycloak.
            title: what people read above the sign-in form.
            protect: whether its deletion, and that of its people, must be asked for separately.
            opts: usual resource options; they make it wait for the Keycloak.
        """
        super().__init__("cloison:index:SignInRealm", name, {"realm": name}, opts)
        self.server, self.realm = server, name
        child = pulumi.ResourceOptions(parent=self)
        realm = Realm(
            name,
            server,
            name,
            realm_settings(title),
            user_profile(MARK),
            required_actions(),
            UNUSED_CLIENTS,
            pulumi.ResourceOptions(parent=self, protect=protect),
        )
        browser = Flow(f"{name}-browser", server, realm.realm, "password-and-code", PASSWORD_AND_CODE, child)
        direct = Flow(f"{name}-direct-grant", server, realm.realm, "refused", REFUSED, child)
        flows = {"browserFlow": browser.alias, "directGrantFlow": direct.alias}
        bound = FlowBinding(f"{name}-flows", server, realm.realm, flows, child)
        after = pulumi.ResourceOptions(parent=self, depends_on=[bound])
        self.projects = Group(f"{name}-{PROJECTS}", server, realm.realm, PROJECTS, None, after)
        self.register_outputs({"realm": name})


@dataclass(frozen=True)
class ToolAddresses:
    """Where a project's tool answers browsers."""

    callback: str
    """Where the issuer sends them back to with a code."""
    signed_out: str
    """Where it may send them after signing out."""


class ProjectAccess(pulumi.ComponentResource):
    """One project's group and its client for the hub."""

    client_id: str
    client_secret: pulumi.Output[str]
    """What the hub proves itself with; secret."""

    def __init__(
        self,
        realm: SignInRealm,
        project: Workspace,
        addresses: ToolAddresses,
        accounts: Mapping[str, User],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a project's access.

        Args:
            realm: where its people are.
            project: the project; its name is the component's.
            addresses: of its hub.
            accounts: those that are declared too, by address; members without one are entered by an administrator.
            opts: usual resource options; they make it wait for the realm.
        """
        super().__init__("cloison:index:ProjectAccess", project.name, {"group": group_path(project)}, opts)
        self._realm, self._child = realm, pulumi.ResourceOptions(parent=self)
        group = Group(f"{project.name}-group", realm.server, realm.realm, project.name, realm.projects, self._child)
        for member in project.working:
            if member.email in accounts:
                self._membership(f"{project.name}-{member.name}", accounts[member.email], group)
        self.client_id = f"jupyter-{project.name}"
        self.client_secret = self._client(project, addresses).secret
        self.register_outputs({"client_id": self.client_id})

    def _membership(self, name: str, account: User, group: Group) -> None:
        Membership(f"{name}-membership", self._realm.server, self._realm.realm, account, group, self._child)

    def _client(self, project: Workspace, addresses: ToolAddresses) -> Client:
        settings = ClientSettings(self.client_id, project.title, [addresses.callback], [addresses.signed_out])
        return Client(f"{project.name}-client", self._realm.server, self._realm.realm, settings, self._child)


def demonstration_accounts(realm: SignInRealm, projects: Iterable[Workspace]) -> dict[str, User]:
    """Declare an account for every member of every project, one for each address.

    Args:
        realm: where they are.
        projects: the workspaces.

    Returns:
        The accounts, by address.
    """
    addresses = sorted({member.email for project in projects for member in project.working})
    opts = pulumi.ResourceOptions(parent=realm, depends_on=[realm.projects])
    return {address: User(address, realm.server, realm.realm, address, opts=opts) for address in addresses}
