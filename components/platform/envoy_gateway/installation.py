"""The installation as one component.

Controller and proxies talk over mutual TLS under an authority that signs for nothing else: whoever holds one of its
certificates may ask the controller for the keys of every host.
"""

import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import yaml
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import Deployment, DeploymentSpecArgsDict
from pulumi_kubernetes.core.v1 import ConfigMap, Secret, Service, ServiceAccount, ServiceSpecArgsDict
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict
from pulumi_kubernetes.networking.v1 import NetworkPolicy, NetworkPolicySpecArgsDict
from pulumi_kubernetes.rbac.v1 import ClusterRole, ClusterRoleBinding, RoleBinding, RoleRefArgsDict, SubjectArgsDict

from components.certificates import Certificate, CertificateAuthority
from components.manifests import Manifest
from components.platform.envoy_gateway import controller, flows
from components.platform.envoy_gateway.configuration import configuration
from components.platform.envoy_gateway.names import CLASS, CONTROLLER, CONTROLLER_NAME, PART, PROXY, SESSION_KEY
from components.platform.envoy_gateway.rights import Grant, grants
from components.platform.namespaces import platform_labels, platform_metadata
from components.platform.secrets import tls_secret
from stacks.profile import Profile


@dataclass(frozen=True)
class EnvoyGatewayManifests:
    """The objects of an installation, as they are declared; its certificates are not among them."""

    namespace: str
    account: ObjectMetaArgsDict
    configuration: str
    grants: Sequence[Grant]
    deployment: Manifest[DeploymentSpecArgsDict]
    service: Manifest[ServiceSpecArgsDict]
    policies: Mapping[str, Manifest[NetworkPolicySpecArgsDict]]


def envoy_gateway_manifests(
    profile: Profile, images: Mapping[str, str], namespace: str, routed: Sequence[str]
) -> EnvoyGatewayManifests:
    """Build an installation.

    Args:
        profile: the provider's capabilities.
        images: references of the images ``envoy`` and ``envoy-gateway``.
        namespace: where it runs.
        routed: namespaces that hold routes.
    """
    watched = sorted({namespace, *routed})
    text = yaml.safe_dump(configuration(profile, images, watched), sort_keys=False)
    metadata = platform_metadata(CONTROLLER, namespace, PART)
    pod = controller.deployment(images[CONTROLLER], profile.cluster.dns_domain, text)
    return EnvoyGatewayManifests(
        namespace=namespace,
        account=metadata,
        configuration=text,
        grants=grants(namespace, watched),
        deployment=Manifest(metadata, pod),
        service=Manifest(metadata, controller.service()),
        policies=flows.policies(profile, namespace, routed),
    )


class EnvoyGateway(pulumi.ComponentResource):
    """Envoy Gateway and the class that it serves. It is ready when the controller watches."""

    def __init__(self, name: str, manifests: EnvoyGatewayManifests, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the installation.

        Args:
            name: logical name of the component, unique in the stack.
            manifests: what `envoy_gateway_manifests` built.
            opts: usual resource options; they make it wait for its namespace.
        """
        super().__init__("cloison:index:EnvoyGateway", name, {}, opts)
        self._name, self._child = name, pulumi.ResourceOptions(parent=self)
        account = ServiceAccount(
            name, metadata=manifests.account, automount_service_account_token=False, opts=self._child
        )
        needed = [account, *self._secrets(manifests.namespace), *self._rights(manifests)]
        needed += [*self._policies(manifests), self._configuration(manifests)]
        service, pod = manifests.service, manifests.deployment
        # Side by side with the controller: a Service counts as ready only when a pod stands behind it.
        Service(name, metadata=service.metadata, spec=service.spec, opts=self._child)
        after = pulumi.ResourceOptions(parent=self, depends_on=needed)
        running = Deployment(name, metadata=pod.metadata, spec=pod.spec, opts=after)
        self._class(running)
        self.register_outputs({})

    def _secrets(self, namespace: str) -> list[pulumi.Resource]:
        authority = CertificateAuthority(f"{self._name}-authority", "Cloison gateway control plane", self._child)
        server = f"{CONTROLLER}.{namespace}.svc"
        names = {CONTROLLER: [CONTROLLER, f"{CONTROLLER}.{namespace}", server], PROXY: [f"*.{namespace}"]}
        made: list[pulumi.Resource] = []
        for subject, dns_names in names.items():
            logical = f"{self._name}-{subject}"
            # Each is server to the other at times, so each certificate serves both ways.
            signed = Certificate(logical, authority, dns_names, client=True, opts=self._child)
            made.append(tls_secret(logical, platform_metadata(subject, namespace, PART), signed, self._child))
        return [*made, self._session_key(namespace)]

    def _session_key(self, namespace: str) -> Secret:
        """Drawn when the Secret is created and then left alone."""
        drawn = pulumi.Output.secret(b64encode(secrets.token_bytes(32)).decode())
        keep = pulumi.ResourceOptions(parent=self, ignore_changes=["data"])
        metadata = platform_metadata(SESSION_KEY, namespace, PART)
        content = {"hmac-secret": drawn}
        return Secret(f"{self._name}-session-key", metadata=metadata, type="Opaque", data=content, opts=keep)

    def _configuration(self, manifests: EnvoyGatewayManifests) -> ConfigMap:
        data = {controller.CONFIGURATION_FILE: manifests.configuration}
        return ConfigMap(f"{self._name}-configuration", metadata=manifests.account, data=data, opts=self._child)

    def _policies(self, manifests: EnvoyGatewayManifests) -> list[pulumi.Resource]:
        return [
            NetworkPolicy(f"{self._name}-{name}", metadata=policy.metadata, spec=policy.spec, opts=self._child)
            for name, policy in manifests.policies.items()
        ]

    def _rights(self, manifests: EnvoyGatewayManifests) -> list[pulumi.Resource]:
        holder: SubjectArgsDict = {"kind": "ServiceAccount", "name": CONTROLLER, "namespace": manifests.namespace}
        made: list[pulumi.Resource] = []
        for grant in manifests.grants:
            metadata: ObjectMetaArgsDict = {"name": grant.name, "labels": platform_labels(PART)}
            made.append(ClusterRole(grant.name, metadata=metadata, rules=grant.rules, opts=self._child))
            made += self._bindings(grant, holder)
        return made

    def _bindings(self, grant: Grant, holder: SubjectArgsDict) -> list[pulumi.Resource]:
        role: RoleRefArgsDict = {"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": grant.name}
        if grant.namespaces is None:
            metadata: ObjectMetaArgsDict = {"name": grant.name, "labels": platform_labels(PART)}
            return [
                ClusterRoleBinding(grant.name, metadata=metadata, role_ref=role, subjects=[holder], opts=self._child)
            ]
        return [
            RoleBinding(
                f"{grant.name}-{namespace}",
                metadata=platform_metadata(grant.name, namespace, PART),
                role_ref=role,
                subjects=[holder],
                opts=self._child,
            )
            for namespace in grant.namespaces
        ]

    def _class(self, running: Deployment) -> None:
        """The class; it goes before the controller does, which has to let go of it."""
        CustomResource(
            f"{self._name}-class",
            api_version="gateway.networking.k8s.io/v1",
            kind="GatewayClass",
            metadata={"name": CLASS, "labels": platform_labels(PART)},
            spec={"controllerName": CONTROLLER_NAME},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[running]),
        )
