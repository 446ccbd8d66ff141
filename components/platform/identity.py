"""Keycloak, for stacks that name no issuer of their own: who somebody is, with a second factor.

It runs as one replica on a database of its own in a file (H2), on a protected volume: the whole of it is a few
megabytes, written at sign-ins, and it survives the pod and the node's restart. What it lacks is a second replica and a
backup of its own; a server of PostgreSQL, declared by the program as for the projects, takes its place with `--db` in
the image and `KC_DB_*` here, and the realm's declarations fill it.

Browsers reach the sign-in pages of one realm by the gateway, and nothing else: the `master` realm, the admin console
and the admin API answer only to those who reach the Service itself (IAM-10), which network policy keeps to project
hubs, whose back channel it is, and to whoever may forward a port of the cluster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi
from pulumi_kubernetes.apps.v1 import StatefulSet, StatefulSetSpecArgsDict
from pulumi_kubernetes.core.v1 import (
    PersistentVolumeClaim,
    PersistentVolumeClaimSpecArgsDict,
    Secret,
    Service,
    ServiceAccount,
    ServiceSpecArgsDict,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict
from pulumi_kubernetes.networking.v1 import NetworkPolicy, NetworkPolicySpecArgsDict

from components.certificates import Certificate, CertificateAuthority
from components.manifests import Manifest
from components.naming import PROJECT_LABEL
from components.platform.keycloak import (
    ADMINISTRATOR_FILE,
    ADMINISTRATOR_SECRET,
    CERTIFICATE,
    DATABASE,
    KEYCLOAK,
    LABELS,
    administrator_settings,
    stateful_set,
)
from components.platform.namespaces import platform_labels, platform_metadata
from components.platform.routes import ROUTED_PORT, Backend, Route, RouteManifests, route_manifests
from components.platform.secrets import tls_secret
from components.realm_resource import Administration
from stacks.profile import Profile

PART = "identity"
NAMESPACE = "platform-identity"
HOST = "identity"
"""First label of its host at the gateway."""
REALM = "cloison"
"""The realm of the projects' people; its administrators are in another, `master` (IAM-11)."""

HUB_LABELS = {"app.kubernetes.io/name": "jupyterhub", "app.kubernetes.io/component": "hub"}
DATABASE_GIB = 1

_PUBLIC = ("protocol/openid-connect", "login-actions", "account", ".well-known")
PUBLIC_PATHS = (*(f"/realms/{REALM}/{path}" for path in _PUBLIC), "/resources")
"""What browsers need: signing in and out, one's own account, and the pages' style sheets."""


@dataclass(frozen=True)
class Issuer:
    """Where the installed Keycloak is found, by whom."""

    public: str
    """The issuer, for browsers; also what tokens name."""
    back_channel: str
    """The same for pods, inside the cluster."""
    administration: str
    """Where the admin API is, for the machine that runs the program; without a path."""

    @property
    def authorize_url(self) -> str:
        """Where browsers are sent to sign in."""
        return f"{self.public}/protocol/openid-connect/auth"

    @property
    def sign_out_url(self) -> str:
        """Where browsers end their session."""
        return f"{self.public}/protocol/openid-connect/logout"

    @property
    def token_url(self) -> str:
        """Where a hub exchanges a code for tokens."""
        return f"{self.back_channel}/protocol/openid-connect/token"

    @property
    def userinfo_url(self) -> str:
        """Where a hub asks who signed in."""
        return f"{self.back_channel}/protocol/openid-connect/userinfo"


@dataclass(frozen=True)
class IdentityManifests:
    """The objects of an installation, as they are declared; secret values are not among them."""

    issuer: Issuer
    names: Sequence[str]
    """Host names in its certificate."""
    service_account: ObjectMetaArgsDict
    certificate: ObjectMetaArgsDict
    administrator: ObjectMetaArgsDict
    database: Manifest[PersistentVolumeClaimSpecArgsDict]
    allow_hubs: Manifest[NetworkPolicySpecArgsDict]
    service: Manifest[ServiceSpecArgsDict]
    server: Manifest[StatefulSetSpecArgsDict]
    route: RouteManifests
    protect: bool
    """Whether the database's deletion must be asked for separately: it is people's."""


def identity_manifests(profile: Profile, image: str) -> IdentityManifests:
    """Build an installation.

    Args:
        profile: the provider's capabilities.
        image: reference of the image ``keycloak``.
    """
    backend, found = _backend(profile), issuer(profile)
    return IdentityManifests(
        issuer=found,
        names=sorted({backend.host, f"{KEYCLOAK}.{NAMESPACE}.svc", urlsplit(found.administration).hostname or ""}),
        service_account=_metadata(KEYCLOAK),
        certificate=_metadata(CERTIFICATE),
        administrator=_metadata(ADMINISTRATOR_SECRET),
        database=Manifest(_metadata(DATABASE), _database(profile)),
        allow_hubs=Manifest(_metadata("allow-hubs"), _from_hubs()),
        service=Manifest(_metadata(KEYCLOAK), _service()),
        server=Manifest(_metadata(KEYCLOAK), _server(profile, found, image)),
        route=route_manifests(HOST, backend, profile, PUBLIC_PATHS),
        protect=not profile.identity.demonstration_accounts,
    )


def issuer(profile: Profile) -> Issuer:
    """Where Keycloak is found on a provider.

    Raises:
        ValueError: the profile says who else identifies people.
    """
    if profile.identity.administration is None:
        raise ValueError(f"profile {profile.name}: identity.administration is missing, so no Keycloak is installed")
    return Issuer(
        public=profile.gateway_url(HOST, f"/realms/{REALM}"),
        back_channel=f"https://{_backend(profile).host}/realms/{REALM}",
        administration=profile.identity.administration,
    )


def _backend(profile: Profile) -> Backend:
    return Backend(KEYCLOAK, NAMESPACE, profile.cluster.dns_domain, platform_labels(PART))


def _metadata(name: str) -> ObjectMetaArgsDict:
    return platform_metadata(name, NAMESPACE, PART)


def _database(profile: Profile) -> PersistentVolumeClaimSpecArgsDict:
    return {
        "access_modes": ["ReadWriteOnce"],
        "storage_class_name": profile.storage.rwo.storage_class,
        "resources": {"requests": {"storage": f"{DATABASE_GIB}Gi"}},
    }


def _from_hubs() -> NetworkPolicySpecArgsDict:
    return {
        "pod_selector": {"match_labels": LABELS},
        "policy_types": ["Ingress"],
        "ingress": [
            {
                "from_": [
                    {
                        "namespace_selector": {"match_expressions": [{"key": PROJECT_LABEL, "operator": "Exists"}]},
                        "pod_selector": {"match_labels": HUB_LABELS},
                    }
                ],
                "ports": [{"protocol": "TCP", "port": ROUTED_PORT}],
            }
        ],
    }


def _service() -> ServiceSpecArgsDict:
    return {
        "type": "ClusterIP",
        "selector": LABELS,
        "ports": [{"name": "https", "port": 443, "target_port": "https", "protocol": "TCP"}],
    }


def _server(profile: Profile, found: Issuer, image: str) -> StatefulSetSpecArgsDict:
    return stateful_set(image, platform_labels(PART), profile.gateway_url(HOST), found.administration)


class Identity(pulumi.ComponentResource):
    """A Keycloak that answers, with nothing in it yet but its administrator."""

    administration: Administration
    """How the realm's resources reach it."""
    answering: list[pulumi.Resource]
    """What the program reaches it by: its realm stands on these alone. Browsers need its route too."""

    def __init__(
        self,
        name: str,
        manifests: IdentityManifests,
        authority: CertificateAuthority,
        administrator: pulumi.Input[str],
        gateway: pulumi.Resource,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the installation.

        Args:
            name: logical name of the component, unique in the stack.
            manifests: what `identity_manifests` built.
            authority: who signs its certificate.
            administrator: secret of the service account that the realm is declared with. Keycloak takes it when it
                first starts; another one later must be set in Keycloak first, as the client secret of `cloison`.
            gateway: takes the route up; only the route waits for it.
            opts: usual resource options; they make it wait for its namespace and for the kinds of Gateway API.
        """
        super().__init__("cloison:index:Identity", name, {"issuer": manifests.issuer.public}, opts)
        self._name, self._child = name, pulumi.ResourceOptions(parent=self)
        self.administration = Administration(manifests.issuer.administration, authority.certificate)
        front = self._network(manifests, authority, gateway)
        before = [
            self._database(manifests),
            *self._secrets(manifests, authority, administrator),
            self._service_account(manifests),
        ]
        after = pulumi.ResourceOptions(parent=self, depends_on=before)
        server = StatefulSet(name, metadata=manifests.server.metadata, spec=manifests.server.spec, opts=after)
        self.answering = [front, server]
        self.register_outputs({"issuer": manifests.issuer.public})

    def _service_account(self, manifests: IdentityManifests) -> ServiceAccount:
        account = manifests.service_account
        return ServiceAccount(self._name, metadata=account, automount_service_account_token=False, opts=self._child)

    def _database(self, manifests: IdentityManifests) -> PersistentVolumeClaim:
        claim, kept = manifests.database, pulumi.ResourceOptions(parent=self, protect=manifests.protect)
        return PersistentVolumeClaim(f"{self._name}-database", metadata=claim.metadata, spec=claim.spec, opts=kept)

    def _network(
        self, manifests: IdentityManifests, authority: CertificateAuthority, gateway: pulumi.Resource
    ) -> Service:
        hubs, front = manifests.allow_hubs, manifests.service
        NetworkPolicy(f"{self._name}-allow-hubs", metadata=hubs.metadata, spec=hubs.spec, opts=self._child)
        after = pulumi.ResourceOptions(parent=self, depends_on=[gateway])
        Route(f"{self._name}-route", manifests.route, authority, after)
        return Service(self._name, metadata=front.metadata, spec=front.spec, opts=self._child)

    def _secrets(
        self, manifests: IdentityManifests, authority: CertificateAuthority, administrator: pulumi.Input[str]
    ) -> list[pulumi.Resource]:
        names = manifests.names
        certificate = Certificate(f"{self._name}-certificate", authority, names, opts=self._child)
        text = pulumi.Output.secret(administrator).apply(administrator_settings)
        return [
            tls_secret(f"{self._name}-certificate", manifests.certificate, certificate, self._child),
            Secret(
                f"{self._name}-administrator",
                metadata=manifests.administrator,
                type="Opaque",
                string_data={ADMINISTRATOR_FILE: text},
                opts=self._child,
            ),
        ]
