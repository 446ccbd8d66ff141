"""The controller's pod and Service."""

import hashlib

from pulumi_kubernetes.apps.v1 import DeploymentSpecArgsDict
from pulumi_kubernetes.core.v1 import ContainerArgsDict, PodSpecArgsDict, ProbeArgsDict, ServiceSpecArgsDict

from components.platform.envoy_gateway.names import CONTROLLER, CONTROLLER_LABELS, HEALTH_PORT, USER, XDS_PORT

CONFIGURATION_FILE = "envoy-gateway.yaml"
MEMORY_MIB = 192


def service() -> ServiceSpecArgsDict:
    """Build the Service that proxies fetch their configuration from."""
    return {
        "type": "ClusterIP",
        "selector": CONTROLLER_LABELS,
        "ports": [{"name": "xds", "port": XDS_PORT, "target_port": "xds", "protocol": "TCP"}],
    }


def deployment(image: str, dns_domain: str, configuration: str) -> DeploymentSpecArgsDict:
    """Build the controller's Deployment.

    Args:
        image: reference of the image ``envoy-gateway``.
        dns_domain: domain of the cluster's services.
        configuration: text of its configuration; another text starts another pod.
    """
    annotations = {"cloison/configuration": hashlib.sha256(configuration.encode()).hexdigest()[:16]}
    return {
        "replicas": 1,
        # Proxies go on without it. Two at once would need an election, and the rights to hold one.
        "strategy": {"type": "Recreate"},
        "selector": {"match_labels": CONTROLLER_LABELS},
        "template": {
            "metadata": {"labels": CONTROLLER_LABELS, "annotations": annotations},
            "spec": _pod(image, dns_domain),
        },
    }


def _pod(image: str, dns_domain: str) -> PodSpecArgsDict:
    return {
        "service_account_name": CONTROLLER,
        "automount_service_account_token": True,
        "enable_service_links": False,
        "termination_grace_period_seconds": 10,
        "security_context": {
            "run_as_non_root": True,
            "run_as_user": USER,
            "run_as_group": USER,
            "fs_group": USER,
            "seccomp_profile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(image, dns_domain)],
        "volumes": [
            {"name": "configuration", "config_map": {"name": CONTROLLER}},
            {"name": "certificate", "secret": {"secret_name": CONTROLLER, "default_mode": 0o440}},
            {"name": "scratch", "empty_dir": {"size_limit": "16Mi"}},
        ],
    }


def _container(image: str, dns_domain: str) -> ContainerArgsDict:
    return {
        "name": CONTROLLER,
        "image": image,
        "image_pull_policy": "IfNotPresent",
        "args": ["server", f"--config-path=/config/{CONFIGURATION_FILE}"],
        "env": [
            {"name": "ENVOY_GATEWAY_NAMESPACE", "value_from": {"field_ref": {"field_path": "metadata.namespace"}}},
            {"name": "KUBERNETES_CLUSTER_DOMAIN", "value": dns_domain},
            {"name": "GOMEMLIMIT", "value": f"{MEMORY_MIB * 9 // 10}MiB"},
        ],
        "ports": [{"name": "xds", "container_port": XDS_PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": "50m", "memory": f"{MEMORY_MIB // 2}Mi"},
            "limits": {"cpu": "1", "memory": f"{MEMORY_MIB}Mi"},
        },
        "security_context": {
            "allow_privilege_escalation": False,
            "read_only_root_filesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volume_mounts": [
            {"name": "configuration", "mount_path": "/config", "read_only": True},
            {"name": "certificate", "mount_path": "/certs", "read_only": True},
            # It makes its cache for extensions at the start, whether there are any or not.
            {"name": "scratch", "mount_path": "/var/lib/eg/wasm"},
        ],
        "startup_probe": {**_probe("/healthz"), "period_seconds": 1, "failure_threshold": 120},
        "readiness_probe": {**_probe("/readyz"), "period_seconds": 2},
        "liveness_probe": {**_probe("/healthz"), "period_seconds": 20},
    }


def _probe(path: str) -> ProbeArgsDict:
    return {"http_get": {"path": path, "port": HEALTH_PORT}}
