"""The platform layer: what all projects of a cluster share, installed once.

The stack's certificate authority, the key store, the gateway and the sign-in. Gateway and sign-in are the provider's
own where the profile says so; then they are not installed, and what remains is how projects use them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.access import SignInRealm, demonstration_accounts
from components.certificates import CertificateAuthority
from components.naming import namespace_name
from components.partition import Partition
from components.platform import identity, vault
from components.platform.definitions import Definitions
from components.platform.gateway import Gateway, GatewayManifests, gateway_manifests
from components.platform.identity import Identity, IdentityManifests, identity_manifests
from components.platform.namespaces import PlatformNamespace
from components.platform.vault import KeyStore, KeyStoreManifests, key_store_manifests
from components.realm_accounts import User
from components.realm_api import SECRET_KEY, SECRET_VARIABLE
from stacks.profile import Profile
from workspaces.model import Workspace

NO_ADMINISTRATOR = (
    f"{SECRET_KEY} is missing, with which the Keycloak of this stack is declared: "
    f"`pulumi config set --secret {SECRET_KEY} VALUE`, or give it in the variable {SECRET_VARIABLE}"
)


@dataclass(frozen=True)
class PlatformManifests:
    """The objects of the layer, as they are declared."""

    definitions: Sequence[Mapping[str, Any]]
    """The kinds of Gateway API; none where the cluster has them."""
    keys: KeyStoreManifests
    gateway: GatewayManifests
    identity: IdentityManifests | None
    """None where the profile names an issuer."""


def platform_manifests(
    profile: Profile,
    images: Mapping[str, str],
    definitions: Sequence[Mapping[str, Any]],
    projects: Sequence[Workspace],
) -> PlatformManifests:
    """Build the layer.

    Args:
        profile: the provider's capabilities.
        images: references of the images, by name.
        definitions: of the kinds of Gateway API, as their projects publish them.
        projects: the workspaces, whose namespaces the gateway leads to.
    """
    own_identity = profile.identity.issuer is None
    routed = [namespace_name(project) for project in projects] + ([identity.NAMESPACE] if own_identity else [])
    return PlatformManifests(
        definitions=definitions if profile.exposure.gateway.class_name is None else [],
        keys=key_store_manifests(profile, images["vault"]),
        gateway=gateway_manifests(profile, images, routed),
        identity=identity_manifests(profile, images["keycloak"]) if own_identity else None,
    )


class PlatformLayer(pulumi.ComponentResource):
    """What all projects share. Whatever depends on it starts when key store, gateway and sign-in answer."""

    definitions: Definitions
    """The kinds of Gateway API."""
    keys: KeyStore
    """Where the projects' keys are."""
    gateway: Gateway
    """What a route waits for."""
    authority: CertificateAuthority
    """Signs the certificates of every server behind the gateway."""
    realm: SignInRealm | None
    """Where people sign in; None where the profile names an issuer."""
    accounts: dict[str, User]
    """The demonstration accounts, by address; none where people are real."""

    def __init__(
        self,
        name: str,
        profile: Profile,
        manifests: PlatformManifests,
        partitions: Mapping[str, Partition],
        projects: Sequence[Workspace],
        administrator: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the layer.

        Args:
            name: logical name of the component, unique in the stack.
            profile: the provider's capabilities.
            manifests: what `platform_manifests` built.
            partitions: the projects' namespaces, by project: the gateway is given rights in each.
            projects: the workspaces.
            administrator: secret that an installed Keycloak is declared with; None where there is none.
            opts: usual resource options; the Kubernetes provider comes with them.

        Raises:
            pulumi.RunError: a Keycloak is to be installed, and the stack holds no secret for its administrator.
        """
        super().__init__("cloison:index:PlatformLayer", name, {"profile": profile.name}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.authority = CertificateAuthority("authority", f"Cloison {pulumi.get_stack()}", child)
        self.keys = self._key_store(manifests.keys, profile)
        self.definitions = Definitions("definitions", manifests.definitions, child)
        before: list[pulumi.Resource] = [self.definitions, *partitions.values()]
        if manifests.identity:
            before.append(PlatformNamespace(identity.NAMESPACE, identity.PART, profile, child))
        ready = pulumi.ResourceOptions(parent=self, depends_on=before)
        self.gateway = Gateway("gateway", profile, manifests.gateway, self.authority, ready)
        self.realm = self._sign_in(manifests.identity, administrator, ready) if manifests.identity else None
        self.accounts = {}
        if self.realm and profile.identity.demonstration_accounts:
            self.accounts = demonstration_accounts(self.realm, projects)
        self.register_outputs({})

    def _key_store(self, manifests: KeyStoreManifests, profile: Profile) -> KeyStore:
        child = pulumi.ResourceOptions(parent=self)
        namespace = PlatformNamespace(vault.NAMESPACE, vault.PART, profile, child)
        after = pulumi.ResourceOptions(parent=self, depends_on=[namespace])
        return KeyStore("key-store", manifests, self.authority, after)

    def _sign_in(
        self, manifests: IdentityManifests, administrator: pulumi.Input[str] | None, ready: pulumi.ResourceOptions
    ) -> SignInRealm:
        if administrator is None:
            raise pulumi.RunError(NO_ADMINISTRATOR)
        installed = Identity("identity", manifests, self.authority, administrator, self.gateway, ready)
        after = pulumi.ResourceOptions(parent=self, depends_on=installed.answering)
        return SignInRealm(identity.REALM, installed.administration, "Cloison", manifests.protect, after)
