"""The pod that Vault runs in: its settings, what it may take, where it writes."""

import json
from typing import Any

from pulumi_kubernetes.apps.v1 import StatefulSetSpecArgsDict
from pulumi_kubernetes.core.v1 import ContainerArgsDict, PodSpecArgsDict, ProbeArgsDict, VolumeArgsDict

from stacks.profile import Seal

VAULT = "vault"
LABELS = {"app.kubernetes.io/name": VAULT}
PORT = 8200
CLUSTER_PORT = 8201
USER = 65532
"""User and group of the image, see images/vault."""
MEMORY_MIB = 512
START_SECONDS = 120
"""How long it may take to answer; 1 to 3 seconds were measured."""

DATA = "vault-data"
"""Name of the volume claim."""
CERTIFICATE = "vault-certificate"
"""Name of the Secret with the certificate."""
SETTINGS = "vault.json"
"""Only entry of the ConfigMap that is called like the server."""


def settings(seal: Seal, public: str) -> str:
    """Vault's configuration file.

    Integrated storage, TLS 1.2 or newer (RFC 9325 §3.1.1) with the stack's own certificate, no user interface. Memory
    is not locked: the kernel's call for it is a capability that no pod here has, and integrated storage wants it off.

    Args:
        seal: what opens it.
        public: address by which pods reach it.
    """
    listener = {
        "address": f"0.0.0.0:{PORT}",
        "cluster_address": f"0.0.0.0:{CLUSTER_PORT}",
        "tls_cert_file": "/run/secrets/tls/tls.crt",
        "tls_key_file": "/run/secrets/tls/tls.key",
        "tls_min_version": "tls12",
    }
    content: dict[str, Any] = {
        "api_addr": public,
        "cluster_addr": f"https://127.0.0.1:{CLUSTER_PORT}",
        "disable_mlock": True,
        "ui": False,
        "listener": [{"tcp": listener}],
        "storage": {"raft": {"path": "/vault/data", "node_id": VAULT}},
        **({} if seal.type == "shamir" else {"seal": {seal.type: dict(seal.settings)}}),
    }
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def stateful_set(image: str, labels: dict[str, str], digest: str, seal: Seal) -> StatefulSetSpecArgsDict:
    """Build the workload.

    Args:
        image: reference of the image ``vault``.
        labels: of its pod, beside those that select it.
        digest: of its settings: other settings, another pod.
        seal: what opens it.
    """
    return {
        "replicas": 1,
        "service_name": VAULT,
        "selector": {"match_labels": LABELS},
        "template": {
            "metadata": {"labels": {**labels, **LABELS}, "annotations": {"cloison/settings": digest}},
            "spec": _pod(image, seal),
        },
    }


def _pod(image: str, seal: Seal) -> PodSpecArgsDict:
    return {
        "service_account_name": VAULT,
        # It asks the Kubernetes API whose token it was shown.
        "automount_service_account_token": True,
        "enable_service_links": False,
        "termination_grace_period_seconds": 20,
        "security_context": {
            "run_as_non_root": True,
            "run_as_user": USER,
            "run_as_group": USER,
            "fs_group": USER,
            "fs_group_change_policy": "OnRootMismatch",
            "seccomp_profile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(image, seal)],
        "volumes": _volumes(),
    }


def _container(image: str, seal: Seal) -> ContainerArgsDict:
    return {
        "name": VAULT,
        "image": image,
        "image_pull_policy": "IfNotPresent",
        "args": ["server", f"-config=/vault/settings/{SETTINGS}"],
        # What the seal must not have written in a file comes from a Secret that the operator keeps.
        "env_from": [{"secret_ref": {"name": seal.environment_secret}}] if seal.environment_secret else [],
        "ports": [{"name": "https", "container_port": PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": "100m", "memory": f"{MEMORY_MIB}Mi"},
            "limits": {"cpu": "2", "memory": f"{MEMORY_MIB}Mi"},
        },
        "security_context": {
            "allow_privilege_escalation": False,
            "read_only_root_filesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volume_mounts": [
            {"name": "data", "mount_path": "/vault/data"},
            {"name": "settings", "mount_path": "/vault/settings", "read_only": True},
            {"name": "tls", "mount_path": "/run/secrets/tls", "read_only": True},
            {"name": "tmp", "mount_path": "/tmp"},  # noqa: S108 - a path in the container, an emptyDir of its own
        ],
        "startup_probe": {**_probe(), "period_seconds": 1, "failure_threshold": START_SECONDS},
        "readiness_probe": {**_probe(), "period_seconds": 5, "timeout_seconds": 5},
        "liveness_probe": {**_probe(), "period_seconds": 30, "timeout_seconds": 10, "failure_threshold": 5},
    }


def _probe() -> ProbeArgsDict:
    """Whether it answers at all: one that is sealed, or new, must be reachable to be opened, and says what it is."""
    path = "/v1/sys/health?standbyok=true&sealedcode=200&uninitcode=200"
    return {"http_get": {"path": path, "port": "https", "scheme": "HTTPS"}}


def _volumes() -> list[VolumeArgsDict]:
    return [
        {"name": "data", "persistent_volume_claim": {"claim_name": DATA}},
        {"name": "settings", "config_map": {"name": VAULT}},
        {"name": "tls", "secret": {"secret_name": CERTIFICATE, "default_mode": 0o440}},
        {"name": "tmp", "empty_dir": {"size_limit": "64Mi"}},
    ]
