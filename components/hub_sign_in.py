"""Where a project's hub sends people to sign in, and where it asks who came back."""

from dataclasses import dataclass

from components.access import group_path
from components.hub_network import Destination
from components.platform.identity import NAMESPACE, issuer
from components.platform.keycloak import LABELS
from components.platform.routes import ROUTED_PORT
from stacks.profile import PodSelector, Profile
from workspaces.model import Workspace


@dataclass(frozen=True)
class SignIn:
    """An OpenID Connect issuer, seen from one project."""

    title: str
    """What the sign-in button says."""
    client_id: str
    authorize_url: str
    """For browsers."""
    token_url: str
    """For the hub, as is `userinfo_url`."""
    userinfo_url: str
    group: str
    """The issuer's group of the project's members."""
    destination: Destination
    """Where the hub's own requests to the issuer go."""
    own_authority: bool
    """Whether the stack's own authority signed its certificate; otherwise one that Debian trusts."""
    groups_claim: str = "groups"
    sign_out_url: str | None = None
    """Where browsers end their session at the issuer; None where it has no such page."""


def sign_in(workspace: Workspace, profile: Profile) -> SignIn:
    """The sign-in of a project: the stack's own Keycloak, or the issuer that the profile names."""
    client_id, group = f"jupyter-{workspace.name}", group_path(workspace)
    if named := profile.identity.issuer:
        return SignIn(
            title=named.title,
            client_id=client_id,
            authorize_url=named.authorize_url,
            token_url=named.token_url,
            userinfo_url=named.userinfo_url,
            group=group,
            destination=Destination(named.port, cidrs=named.cidrs),
            own_authority=False,
            groups_claim=named.groups_claim,
            sign_out_url=named.sign_out_url,
        )
    installed = issuer(profile)
    pods = PodSelector(namespace=NAMESPACE, pod_labels=dict(LABELS))
    return SignIn(
        title="Cloison",
        client_id=client_id,
        authorize_url=installed.authorize_url,
        token_url=installed.token_url,
        userinfo_url=installed.userinfo_url,
        group=group,
        destination=Destination(ROUTED_PORT, pods=pods),
        own_authority=True,
        sign_out_url=installed.sign_out_url,
    )
