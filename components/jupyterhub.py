"""JupyterHub: where a project's members sign in and start their servers.

One hub for each project, in the project's own namespace, so that a fault in one hub concerns one project. Hub and
proxy run apart: servers stay reachable while the hub restarts. The hub alone of all the project's pods holds a token
for the Kubernetes API, good for the pods of its own namespace; its database is on a volume of its own.
"""

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apps.v1 import Deployment, DeploymentSpecArgsDict
from pulumi_kubernetes.core.v1 import (
    ConfigMap,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpecArgsDict,
    Secret,
    Service,
    ServiceAccount,
    ServiceSpecArgsDict,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict
from pulumi_kubernetes.networking.v1 import NetworkPolicy, NetworkPolicySpecArgsDict
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgsDict, Role, RoleBinding

from components import hub_network, hub_pods, hub_tls, servers
from components.certificates import Certificate, CertificateAuthority
from components.hub_settings import host_label, settings_json
from components.hub_sign_in import SignIn
from components.manifests import Manifest
from components.naming import namespace_name
from components.platform.routes import ROUTED_PORT, Backend, Route, RouteManifests, route_manifests
from components.platform.secrets import tls_secret, with_certificates
from stacks.profile import Profile
from workspaces.model import Workspace

POD_RULES: list[PolicyRuleArgsDict] = [
    {"api_groups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "create", "delete"]},
    {"api_groups": [""], "resources": ["events"], "verbs": ["get", "list", "watch"]},
]
"""What KubeSpawner does where volumes, certificates and Services of servers are declared beforehand."""


NOT_AWAITED = {"pulumi.com/skipAwait": "true"}
"""A Service is awaited until pods stand behind it. Each wait takes one of the engine's places for work, and the pods
need places too: the workloads alone are awaited."""


@dataclass(frozen=True)
class HubManifests:
    """The objects of a project's hub, as they are declared; secret values are not among them."""

    settings: str
    homes: list[Manifest[PersistentVolumeClaimSpecArgsDict]]
    database: Manifest[PersistentVolumeClaimSpecArgsDict]
    policies: list[Manifest[NetworkPolicySpecArgsDict]]
    services: list[Manifest[ServiceSpecArgsDict]]
    hub: Manifest[DeploymentSpecArgsDict]
    proxy: Manifest[DeploymentSpecArgsDict]
    route: RouteManifests
    identities: list[hub_tls.Identity]
    """The certificates of hub, proxy and servers."""


def hub_manifests(workspace: Workspace, profile: Profile, sign_in: SignIn, images: Mapping[str, str]) -> HubManifests:
    """Build a project's hub.

    Args:
        workspace: the project.
        profile: the provider's capabilities.
        sign_in: the project's issuer.
        images: references of the images, by name.
    """
    kinds = servers.server_kinds(workspace, profile, images)
    settings = settings_json(workspace, profile, sign_in, kinds)
    image, digest = images["jupyterhub"], hashlib.sha256(settings.encode()).hexdigest()
    labels = hub_network.component_labels(workspace, "proxy")
    proxy = Backend("proxy", namespace_name(workspace), profile.cluster.dns_domain, labels)
    return HubManifests(
        settings=settings,
        homes=[servers.home_manifest(workspace, member, profile) for member in workspace.members],
        database=Manifest(_metadata(workspace, "hub", "hub"), hub_pods.database_spec(profile)),
        policies=[
            hub_network.hub_policy(workspace, profile.cluster.api_server, sign_in.destination),
            hub_network.proxy_policy(workspace),
            hub_network.servers_policy(workspace),
        ],
        services=[
            _service(workspace, "hub", "hub", hub_network.HUB_PORT, hub_network.HUB_PORT),
            _service(workspace, "proxy", "proxy", 443, ROUTED_PORT),
            _service(workspace, "proxy-api", "proxy", hub_network.PROXY_API_PORT, hub_network.PROXY_API_PORT),
            *(_not_awaited(each) for each in hub_tls.server_services(workspace)),
        ],
        hub=Manifest(_metadata(workspace, "hub", "hub"), hub_pods.hub_deployment(workspace, profile, image, digest)),
        proxy=Manifest(_metadata(workspace, "proxy", "proxy"), hub_pods.proxy_deployment(workspace, profile, image)),
        route=route_manifests(host_label(workspace), proxy, profile),
        identities=hub_tls.identities(workspace, profile),
    )


def _metadata(workspace: Workspace, component: str, name: str) -> ObjectMetaArgsDict:
    return {
        "name": name,
        "namespace": namespace_name(workspace),
        "labels": hub_network.component_labels(workspace, component),
    }


def _service(workspace: Workspace, name: str, component: str, port: int, target: int) -> Manifest[ServiceSpecArgsDict]:
    spec: ServiceSpecArgsDict = {
        "type": "ClusterIP",
        "selector": hub_network.component_labels(workspace, component),
        "ports": [{"name": "main", "port": port, "target_port": target, "protocol": "TCP"}],
    }
    return _not_awaited(Manifest(_metadata(workspace, component, name), spec))


def _not_awaited(service: Manifest[ServiceSpecArgsDict]) -> Manifest[ServiceSpecArgsDict]:
    return Manifest({**service.metadata, "annotations": NOT_AWAITED}, service.spec)


class JupyterHub(pulumi.ComponentResource):
    """One project's hub, its proxy, and the volumes of its members."""

    def __init__(
        self,
        name: str,
        workspace: Workspace,
        manifests: HubManifests,
        authority: CertificateAuthority,
        client_secret: pulumi.Input[str],
        gateway: pulumi.Resource,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the hub.

        Args:
            name: logical name of the component, unique in the stack.
            workspace: the project.
            manifests: what `hub_manifests` built.
            authority: signs the certificates of hub, proxy and servers.
            client_secret: of the project's client at the issuer.
            gateway: takes the route up; only the route waits for it.
            opts: usual resource options; they make the hub wait for its project's partition.
        """
        super().__init__("cloison:index:JupyterHub", name, {"project": workspace.name}, opts)
        self._name, self._workspace, self._child = name, workspace, pulumi.ResourceOptions(parent=self)
        self._network(manifests, authority, gateway)
        certificates = {each.secret: self._certificate(each, authority) for each in manifests.identities}
        before = [
            *self._volumes(manifests),
            *self._secrets(client_secret),
            *(self._tls_secret(secret, certificate) for secret, certificate in certificates.items()),
            self._settings(manifests),
            *self._identity(),
        ]
        ends = {secret: certificate.not_after for secret, certificate in certificates.items()}
        of_proxy = {secret: ends[secret] for secret in (hub_tls.PROXY_SECRET, hub_tls.PROXY_API_SECRET)}
        proxy = self._workload(manifests.proxy, of_proxy, before)
        # A hub without its proxy does not become ready; many that wait would leave no room for the proxies.
        self._workload(manifests.hub, {hub_tls.HUB_SECRET: ends[hub_tls.HUB_SECRET]}, [*before, proxy])
        self.register_outputs({})

    def _workload(
        self,
        manifest: Manifest[DeploymentSpecArgsDict],
        ends: Mapping[str, pulumi.Input[str]],
        before: list[pulumi.Resource],
    ) -> Deployment:
        after = pulumi.ResourceOptions(parent=self, depends_on=before)
        spec = with_certificates(manifest.spec, ends)
        return Deployment(f"{self._name}-{manifest.name}", metadata=manifest.metadata, spec=spec, opts=after)

    def _certificate(self, identity: hub_tls.Identity, authority: CertificateAuthority) -> Certificate:
        name, names = f"{self._name}-{identity.secret}", [identity.host]
        return Certificate(name, authority, names, client=identity.client, opts=self._child)

    def _tls_secret(self, secret: str, certificate: Certificate) -> Secret:
        return tls_secret(f"{self._name}-{secret}-secret", self._called(secret), certificate, self._child)

    def _volumes(self, manifests: HubManifests) -> list[pulumi.Resource]:
        """Data of people: kept until the workspace file says that the project has ended."""
        kept = pulumi.ResourceOptions(parent=self, protect=self._workspace.state != "ended")
        return [
            PersistentVolumeClaim(
                f"{self._name}-{claim.name}-volume", metadata=claim.metadata, spec=claim.spec, opts=kept
            )
            for claim in [manifests.database, *manifests.homes]
        ]

    def _network(self, manifests: HubManifests, authority: CertificateAuthority, gateway: pulumi.Resource) -> None:
        for policy in manifests.policies:
            name = f"{self._name}-{policy.name}"
            NetworkPolicy(name, metadata=policy.metadata, spec=policy.spec, opts=self._child)
        for service in manifests.services:
            name = f"{self._name}-{service.name}"
            Service(name, metadata=service.metadata, spec=service.spec, opts=self._child)
        after = pulumi.ResourceOptions(parent=self, depends_on=[gateway])
        Route(f"{self._name}-hub", manifests.route, authority, after)

    def _settings(self, manifests: HubManifests) -> ConfigMap:
        name, data = "hub-settings", {"settings.json": manifests.settings}
        return ConfigMap(f"{self._name}-{name}", metadata=self._called(name), data=data, opts=self._child)

    def _secrets(self, client_secret: pulumi.Input[str]) -> list[pulumi.Resource]:
        given, client = {"secret": pulumi.Output.secret(client_secret)}, self._called("hub-client")
        return [
            self._drawn("proxy-token"),
            self._drawn("hub-cookie"),
            Secret(f"{self._name}-hub-client", metadata=client, string_data=given, opts=self._child),
        ]

    def _drawn(self, name: str) -> Secret:
        """A secret that is drawn when it is created and then left alone.

        It is given as ``data``: the Kubernetes provider folds ``stringData`` into it before it compares, so that
        ignoring changes of ``stringData`` would ignore nothing.
        """
        value = b64encode(secrets.token_hex(32).encode()).decode()
        keep = pulumi.ResourceOptions(parent=self, ignore_changes=["data"])
        data = {"secret": pulumi.Output.secret(value)}
        return Secret(f"{self._name}-{name}", metadata=self._called(name), data=data, opts=keep)

    def _identity(self) -> list[pulumi.Resource]:
        """The account of the hub and what it may do, in this namespace alone."""
        name, metadata = f"{self._name}-hub", self._called("hub")
        binding = RoleBinding(
            f"{name}-role",
            metadata=metadata,
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": "hub"},
            subjects=[{"kind": "ServiceAccount", "name": "hub", "namespace": namespace_name(self._workspace)}],
            opts=self._child,
        )
        account = ServiceAccount(
            f"{name}-account", metadata=metadata, automount_service_account_token=False, opts=self._child
        )
        return [account, Role(f"{name}-rules", metadata=metadata, rules=POD_RULES, opts=self._child), binding]

    def _called(self, name: str) -> ObjectMetaArgsDict:
        return _metadata(self._workspace, "hub", name)
