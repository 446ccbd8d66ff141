"""Which properties cannot be changed in place, as pulumi-kubernetes' ``forceNewProperties`` lists them.

A pattern covers the property and everything beneath it; a ``*`` stands for every list element.
"""

from typing import Any

from engine.kubernetes.kinds import CONFIG_MAP, SECRET, Kind
from engine.paths import Path, covers, parse_path
from engine.values import Object

_VOLUME_SOURCES = (
    "awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume flocker gcePersistentDisk glusterfs "
    "hostPath iscsi local nfs photonPersistentDisk portworxVolume quobyte rbd scaleIO storageos vsphereVolume"
)
_POD_FIELDS = (
    "affinity automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks hostAliases hostIPC hostNetwork "
    "hostPID hostname imagePullSecrets nodeName nodeSelector overhead preemptionPolicy priority priorityClassName "
    "readinessGates restartPolicy runtimeClassName schedulerName securityContext serviceAccount serviceAccountName "
    "shareProcessNamespace subdomain terminationGracePeriodSeconds volumes"
)
_CONTAINER_FIELDS = (
    "args command env image imagePullPolicy lifecycle livenessProbe ports readinessProbe resources securityContext "
    "stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts workingDir"
)
_STATEFUL_SET = "podManagementPolicy revisionHistoryLimit selector serviceName volumeClaimTemplates"
_JOB = "completions parallelism selector template"


def _spec(names: str) -> tuple[str, ...]:
    return tuple(f"spec.{name}" for name in names.split())


def _containers() -> tuple[str, ...]:
    lists = ("containers", "initContainers")
    return tuple(f"spec.{each}[*].{name}" for each in lists for name in _CONTAINER_FIELDS.split())


_FORCE_NEW: dict[Kind, tuple[str, ...]] = {
    Kind("v1", "PersistentVolume"): _spec(_VOLUME_SOURCES),
    Kind("v1", "PersistentVolumeClaim"): _spec("accessModes selector storageClassName volumeName"),
    Kind("v1", "Pod"): _spec(_POD_FIELDS) + _containers(),
    Kind("v1", "ResourceQuota"): _spec("scopes"),
    Kind("v1", "Secret"): ("type",),
    Kind("v1", "Service"): _spec("clusterIP"),
    Kind("apps/v1", "DaemonSet"): _spec("selector"),
    Kind("apps/v1", "Deployment"): _spec("selector"),
    Kind("apps/v1", "StatefulSet"): _spec(_STATEFUL_SET),
    Kind("batch/v1", "Job"): _spec(_JOB),
    Kind("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): ("roleRef",),
    Kind("rbac.authorization.k8s.io/v1", "RoleBinding"): ("roleRef",),
    Kind("storage.k8s.io/v1", "StorageClass"): ("parameters", "provisioner"),
}
_IDENTITY = tuple(parse_path(text) for text in ("metadata.name", "metadata.namespace", "kind"))
_PATTERNS = {kind: tuple(parse_path(text) for text in texts) for kind, texts in _FORCE_NEW.items()}
_SECRET_CONTENT = (("type",), ("data",), ("stringData",))
_CONFIG_MAP_CONTENT = (("data",), ("binaryData",))


_WHOLLY_KNOWN = frozenset(
    {
        CONFIG_MAP,
        SECRET,
        Kind("v1", "LimitRange"),
        Kind("v1", "Namespace"),
        Kind("v1", "ResourceQuota"),
        Kind("v1", "ServiceAccount"),
        Kind("networking.k8s.io/v1", "NetworkPolicy"),
        Kind("rbac.authorization.k8s.io/v1", "ClusterRole"),
        Kind("rbac.authorization.k8s.io/v1", "Role"),
    }
)
"""Kinds that have no immutable property but those listed above."""


def is_wholly_known(kind: Kind, recorded: Object) -> bool:
    """Tell whether the table alone decides what replaces an object, so that the API server need not be asked."""
    return kind in _WHOLLY_KNOWN and recorded.get("immutable") is not True


def force_new(inputs: Object, kind: Kind, *, mutable_config_maps: bool, mutable_secrets: bool) -> tuple[Path, ...]:
    """Return the patterns of the properties whose change replaces an object of this kind.

    The content of ConfigMaps and Secrets replaces them unless the provider's ``enableConfigMapMutable`` and
    ``enableSecretMutable`` say otherwise, and always when the object is ``immutable``.
    """
    frozen = inputs.get("immutable") is True
    if kind.is_core_secret and (frozen or not mutable_secrets):
        return _IDENTITY + _SECRET_CONTENT
    if kind == CONFIG_MAP and (frozen or not mutable_config_maps):
        return _IDENTITY + _CONFIG_MAP_CONTENT
    return _IDENTITY + _PATTERNS.get(kind, ())


def forces_new(path: Path, value: Any, patterns: tuple[Path, ...]) -> bool:
    """Tell whether a change at ``path`` replaces the object.

    Args:
        path: Where the change is.
        value: What is added, removed or set there: it may hold an immutable property deeper down.
        patterns: What :func:`force_new` returned.
    """
    for pattern in patterns:
        if covers(pattern, path):
            return True
        if covers(path, pattern[: len(path)]) and _holds(value, pattern[len(path) :]):
            return True
    return False


def _holds(value: Any, pattern: Path) -> bool:
    if not pattern:
        return True
    first, rest = pattern[0], pattern[1:]
    if first == "*":
        return isinstance(value, list) and any(_holds(item, rest) for item in value)
    return isinstance(value, dict) and first in value and _holds(value[first], rest)
