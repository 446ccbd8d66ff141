"""API kinds, and how Pulumi's type tokens and resource ids name them."""

from dataclasses import dataclass

from engine.errors import InputError, Unsupported

PACKAGE = "kubernetes"

CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "CSIDriver",
        "CSINode",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "DeviceClass",
        "FlowSchema",
        "IPAddress",
        "IngressClass",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "RuntimeClass",
        "ServiceCIDR",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
        "VolumeAttributesClass",
    }
)
"""Built-in kinds without a namespace, for plans made while no cluster can be asked."""

_COMPONENT_GROUPS = ("helm.sh", "yaml", "kustomize")


@dataclass(frozen=True, slots=True)
class Kind:
    """An API version and a kind, for example ``apps/v1`` and ``Deployment``."""

    api_version: str
    kind: str

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.api_version.rpartition("/")[2]

    @property
    def is_core_secret(self) -> bool:
        """Whether this is the built-in Secret."""
        return self == SECRET

    @property
    def is_definition(self) -> bool:
        """Whether this is a CustomResourceDefinition."""
        return self.kind == "CustomResourceDefinition" and self.group == "apiextensions.k8s.io"

    @property
    def is_builtin(self) -> bool:
        """Whether the API server itself serves the group: those names have no dot, or end with ``.k8s.io``.

        Some projects under kubernetes-sigs also use ``.k8s.io`` for custom resources; they have their own subdomain.
        """
        return "." not in self.group or self.group in _BUILTIN_DOTTED

    def __str__(self) -> str:
        return f"{self.api_version}/{self.kind}"


SECRET = Kind("v1", "Secret")
CONFIG_MAP = Kind("v1", "ConfigMap")

_BUILTIN_DOTTED = frozenset(
    f"{name}.k8s.io"
    for name in (
        "admissionregistration",
        "apiextensions",
        "apiregistration",
        "authentication",
        "authorization",
        "certificates",
        "coordination",
        "discovery",
        "events",
        "flowcontrol.apiserver",
        "internal.apiserver",
        "networking",
        "node",
        "rbac.authorization",
        "resource",
        "scheduling",
        "storage",
        "storagemigration",
    )
)


def kind_of_type(token: str) -> Kind:
    """Translate a type token such as ``kubernetes:apps/v1:Deployment``.

    Raises:
        Unsupported: For what is not one API object: Helm, YAML and Kustomize components, ``…List``, ``…Patch``.
        InputError: If the token names no group and version.
    """
    package, module, kind = token.split(":")
    group, slash, version = module.partition("/")
    if package != PACKAGE or group in _COMPONENT_GROUPS:
        raise Unsupported(f"the resource type {token}")
    if not slash:
        raise InputError(f"the type {token} names no API group and version, such as kubernetes:apps/v1:Deployment")
    if kind.endswith("Patch") and len(kind) > len("Patch"):
        raise Unsupported(f"the Patch resource {token}")
    if kind.endswith("List") and len(kind) > len("List"):
        raise Unsupported(f"the List resource {token}")
    return Kind(version if group == "core" else module, kind)


def kind_of_object(obj: dict) -> Kind:
    """Return the kind an API object says it has."""
    return Kind(str(obj.get("apiVersion", "")), str(obj.get("kind", "")))


def object_id(namespace: str, name: str) -> str:
    """Return the resource id as Pulumi's Kubernetes provider writes it: ``namespace/name``, or ``name``."""
    return f"{namespace}/{name}" if namespace else name


def split_id(identifier: str) -> tuple[str, str]:
    """Return namespace (empty if none) and name of a resource id."""
    namespace, _, name = identifier.rpartition("/")
    return namespace, name
