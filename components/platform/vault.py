"""The key store: one Vault for the cluster, with the keys of every project and nothing of the provider's.

It keeps its data on a protected volume (integrated storage, one server), speaks TLS alone, writes every request to its
audit device, and is opened by the seal that the profile names. Pods sign in to it with the tokens of their service
accounts, which it has the Kubernetes API examine: the one right that it holds in the cluster.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi
from pulumi_kubernetes.apps.v1 import StatefulSet, StatefulSetSpecArgsDict
from pulumi_kubernetes.core.v1 import (
    ConfigMap,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpecArgsDict,
    Service,
    ServiceAccount,
    ServiceSpecArgsDict,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict
from pulumi_kubernetes.networking.v1 import (
    NetworkPolicy,
    NetworkPolicyEgressRuleArgsDict,
    NetworkPolicySpecArgsDict,
)
from pulumi_kubernetes.rbac.v1 import ClusterRoleBinding

from components.certificates import Certificate, CertificateAuthority
from components.manifests import Manifest
from components.partition import peer
from components.platform.namespaces import platform_labels, platform_metadata
from components.platform.secrets import tls_secret, with_certificates
from components.platform.vault_pod import CERTIFICATE, DATA, LABELS, PORT, SETTINGS, VAULT, settings, stateful_set
from components.vault_objects import Beginning, KeyStoreAuthority
from components.vault_resource import KeyStoreServer, Mount, MountSettings
from stacks.profile import Profile, Seal

PART = "keys"
NAMESPACE = "platform-keys"
DATA_GIB = 2
AUTHORITY_SECONDS = 3650 * 24 * 3600
"""Life of the authority inside the key store, as of the stack's own."""


@dataclass(frozen=True)
class KeyStoreManifests:
    """The objects of a key store, as they are declared; secret values are not among them."""

    administration: str
    """Where the machine that runs the program reaches it."""
    names: Sequence[str]
    """Host names in its certificate."""
    seal: Seal
    settings: str
    service_account: ObjectMetaArgsDict
    certificate: ObjectMetaArgsDict
    data: Manifest[PersistentVolumeClaimSpecArgsDict]
    flows: Manifest[NetworkPolicySpecArgsDict]
    service: Manifest[ServiceSpecArgsDict]
    server: Manifest[StatefulSetSpecArgsDict]
    protect: bool
    """Whether its volume's deletion must be asked for separately."""


def key_store_manifests(profile: Profile, image: str) -> KeyStoreManifests:
    """Build a key store.

    Args:
        profile: the provider's capabilities.
        image: reference of the image ``vault``.
    """
    seal, host = profile.keys.seal, f"{VAULT}.{NAMESPACE}.svc.{profile.cluster.dns_domain}"
    configuration = settings(seal, f"https://{host}")
    digest = hashlib.sha256(configuration.encode()).hexdigest()
    own = urlsplit(profile.keys.administration).hostname or ""
    return KeyStoreManifests(
        administration=profile.keys.administration,
        names=sorted({host, f"{VAULT}.{NAMESPACE}.svc", own}),
        seal=seal,
        settings=configuration,
        service_account=_metadata(VAULT),
        certificate=_metadata(CERTIFICATE),
        data=Manifest(_metadata(DATA), _data(profile)),
        flows=Manifest(_metadata(VAULT), _flows(profile)),
        service=Manifest(_metadata(VAULT), _service()),
        server=Manifest(_metadata(VAULT), stateful_set(image, platform_labels(PART), digest, seal)),
        protect=not profile.identity.demonstration_accounts,
    )


def _metadata(name: str) -> ObjectMetaArgsDict:
    return platform_metadata(name, NAMESPACE, PART)


def _data(profile: Profile) -> PersistentVolumeClaimSpecArgsDict:
    return {
        "access_modes": ["ReadWriteOnce"],
        "storage_class_name": profile.storage.rwo.storage_class,
        "resources": {"requests": {"storage": f"{DATA_GIB}Gi"}},
    }


def _service() -> ServiceSpecArgsDict:
    return {
        "type": "ClusterIP",
        "selector": LABELS,
        "ports": [{"name": "https", "port": 443, "target_port": PORT, "protocol": "TCP"}],
    }


def _flows(profile: Profile) -> NetworkPolicySpecArgsDict:
    """It reaches the Kubernetes API, which it finds by name, and what its seal needs; nothing reaches it yet."""
    api, seal = profile.cluster.api_server, profile.keys.seal
    names: NetworkPolicyEgressRuleArgsDict = {
        "to": [peer(profile.cluster.dns)],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    }
    sealed_by = [_to(seal.cidrs, seal.port)] if seal.cidrs else []
    return {
        "pod_selector": {"match_labels": LABELS},
        "policy_types": ["Ingress", "Egress"],
        "ingress": [],
        "egress": [names, _to(api.cidrs, api.port), *sealed_by],
    }


def _to(cidrs: Sequence[str], port: int) -> NetworkPolicyEgressRuleArgsDict:
    return {"to": [{"ip_block": {"cidr": cidr}} for cidr in cidrs], "ports": [{"protocol": "TCP", "port": port}]}


class KeyStore(pulumi.ComponentResource):
    """A key store that is open, with the engines that projects use. Nothing of a project is in it yet."""

    server: KeyStoreServer
    """How the program's resources reach it."""
    authority: KeyStoreAuthority
    """Signs for the servers of projects; its key never leaves the key store."""
    engines: list[pulumi.Resource]
    """What a project's keys wait for."""

    def __init__(
        self,
        name: str,
        manifests: KeyStoreManifests,
        authority: CertificateAuthority,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the key store.

        Args:
            name: logical name of the component, unique in the stack.
            manifests: what `key_store_manifests` built.
            authority: who signs its certificate.
            opts: usual resource options; they make it wait for its namespace.
        """
        super().__init__("cloison:index:KeyStore", name, {"seal": manifests.seal.type}, opts)
        self._name, self._child = name, pulumi.ResourceOptions(parent=self)
        self._protect = manifests.protect
        self.server = KeyStoreServer(manifests.administration, authority.certificate)
        seal, (running, ends) = manifests.seal, self._running(manifests, authority)
        begun = Beginning(
            f"{name}-beginning",
            self.server,
            seal.shares,
            seal.threshold,
            seal.type != "shamir",
            ends,
            pulumi.ResourceOptions(parent=self, depends_on=running),
        )
        self._inside = pulumi.ResourceOptions(parent=self, depends_on=[begun])
        transit, secrets = self._mount("transit", "transit"), self._mount("kv", "kv", options={"version": "2"})
        self.authority = self._signing()
        self.engines = [transit, secrets, self.authority, self._signing_in()]
        self.register_outputs({"administration": manifests.administration})

    def _running(
        self, manifests: KeyStoreManifests, authority: CertificateAuthority
    ) -> tuple[list[pulumi.Resource], pulumi.Output[str]]:
        """The server, and when its certificate ends."""
        flows, front, names = manifests.flows, manifests.service, manifests.names
        NetworkPolicy(f"{self._name}-flows", metadata=flows.metadata, spec=flows.spec, opts=self._child)
        service = Service(self._name, metadata=front.metadata, spec=front.spec, opts=self._child)
        certificate = Certificate(f"{self._name}-certificate", authority, names, opts=self._child)
        before = [
            tls_secret(f"{self._name}-certificate", manifests.certificate, certificate, self._child),
            self._settings(manifests),
            self._data(manifests),
            *self._account(manifests),
        ]
        after = pulumi.ResourceOptions(parent=self, depends_on=before)
        spec = with_certificates(manifests.server.spec, {CERTIFICATE: certificate.not_after})
        server = StatefulSet(self._name, metadata=manifests.server.metadata, spec=spec, opts=after)
        return [service, server], certificate.not_after

    def _settings(self, manifests: KeyStoreManifests) -> ConfigMap:
        content = {SETTINGS: manifests.settings}
        return ConfigMap(self._name, metadata=manifests.service_account, data=content, opts=self._child)

    def _data(self, manifests: KeyStoreManifests) -> PersistentVolumeClaim:
        claim, kept = manifests.data, pulumi.ResourceOptions(parent=self, protect=self._protect)
        return PersistentVolumeClaim(f"{self._name}-data", metadata=claim.metadata, spec=claim.spec, opts=kept)

    def _account(self, manifests: KeyStoreManifests) -> list[pulumi.Resource]:
        account = manifests.service_account
        examines = ClusterRoleBinding(
            f"{self._name}-examines-tokens",
            metadata={"name": "cloison-key-store-examines-tokens", "labels": platform_labels(PART)},
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"},
            subjects=[{"kind": "ServiceAccount", "name": VAULT, "namespace": NAMESPACE}],
            opts=self._child,
        )
        own = ServiceAccount(self._name, metadata=account, automount_service_account_token=False, opts=self._child)
        return [own, examines]

    def _mount(self, path: str, kind: str, **settings: object) -> Mount:
        kept = pulumi.ResourceOptions.merge(self._inside, pulumi.ResourceOptions(protect=self._protect))
        return Mount(f"{self._name}-{path}", self.server, f"sys/mounts/{path}", {"type": kind, **settings}, kept)

    def _signing(self) -> KeyStoreAuthority:
        engine = self._mount("pki", "pki", config={"max_lease_ttl": AUTHORITY_SECONDS})
        asked = {"common_name": f"Cloison {pulumi.get_stack()} projects", "ttl": AUTHORITY_SECONDS}
        drawn = {**asked, "key_type": "ec", "key_bits": 256}
        after = pulumi.ResourceOptions(parent=self, depends_on=[engine], protect=self._protect)
        return KeyStoreAuthority(f"{self._name}-authority", self.server, "pki", drawn, after)

    def _signing_in(self) -> MountSettings:
        path = f"{self._name}-kubernetes"
        way = Mount(path, self.server, "sys/auth/kubernetes", {"type": "kubernetes"}, self._inside)
        after = pulumi.ResourceOptions(parent=self, depends_on=[way])
        asked = {"kubernetes_host": "https://kubernetes.default.svc"}
        return MountSettings(f"{path}-api", self.server, "auth/kubernetes/config", asked, after)
