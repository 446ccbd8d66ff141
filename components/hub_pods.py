"""The pods of a project's hub and proxy, as restricted as those of its members."""

import posixpath

from pulumi_kubernetes.apps.v1 import DeploymentSpecArgsDict
from pulumi_kubernetes.core.v1 import (
    ContainerArgsDict,
    EnvVarArgsDict,
    HTTPGetActionArgsDict,
    KeyToPathArgsDict,
    PersistentVolumeClaimSpecArgsDict,
    PodSpecArgsDict,
    ResourceRequirementsArgsDict,
    SecurityContextArgsDict,
    VolumeArgsDict,
    VolumeProjectionArgsDict,
)

from components.hub_network import HUB_PORT, PROXY_API_PORT, component_labels
from components.hub_tls import HUB_AUTHORITY, HUB_CERTIFICATE, HUB_MOUNT, PROXY_API_SECRET, PROXY_SECRET, hub_volume
from components.naming import service_host
from components.partition import HUB_DATABASE_GIB, SERVICE_ACCOUNT
from components.platform.routes import ROUTED_LABELS, ROUTED_PORT
from components.probes import accepts, shakes_hands
from stacks.profile import Profile
from workspaces.model import Workspace
from workspaces.sizes import HUB, PROXY, Resources

SETTINGS_ANNOTATION = "cloison/settings"
"""Digest of the hub's settings: other settings, another hub."""

_USER = 1000
_READABLE = 0o440
"""By the group of the pod alone; Kubernetes owns the files as root."""

_RESTRICTED: SecurityContextArgsDict = {
    "allow_privilege_escalation": False,
    "read_only_root_filesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def database_spec(profile: Profile) -> PersistentVolumeClaimSpecArgsDict:
    """The volume of the hub's database."""
    return {
        "access_modes": ["ReadWriteOnce"],
        "storage_class_name": profile.storage.rwo.storage_class,
        "resources": {"requests": {"storage": f"{HUB_DATABASE_GIB}Gi"}},
    }


def hub_deployment(workspace: Workspace, profile: Profile, image: str, settings_digest: str) -> DeploymentSpecArgsDict:
    """The hub: one pod at a time, for two would share a database that admits one writer.

    Args:
        workspace: the project.
        profile: the provider's capabilities.
        image: reference of the jupyterhub image.
        settings_digest: changes with the settings, so that they take effect at once.
    """
    labels, host = component_labels(workspace, "hub"), service_host("hub", workspace, profile)
    return {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"match_labels": labels},
        "template": {
            "metadata": {"labels": labels, "annotations": {SETTINGS_ANNOTATION: settings_digest}},
            "spec": {
                **_pod("hub", _hub_container(image, host), _hub_volumes()),
                "automount_service_account_token": True,
                # Its idle culler asks it by the name in its certificate, before the Service leads to it.
                "host_aliases": [{"ip": "127.0.0.1", "hostnames": [host]}],
            },
        },
    }


def proxy_deployment(workspace: Workspace, profile: Profile, image: str) -> DeploymentSpecArgsDict:
    """The proxy: all traffic of browsers passes it; the hub gives it its routes again when it restarts."""
    labels = component_labels(workspace, "proxy")
    hub = f"https://{service_host('hub', workspace, profile)}:{HUB_PORT}"
    return {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"match_labels": labels},
        "template": {
            "metadata": {"labels": {**labels, **ROUTED_LABELS}},
            "spec": _pod(SERVICE_ACCOUNT, _proxy_container(image, hub), _proxy_volumes()),
        },
    }


def _pod(account: str, container: ContainerArgsDict, volumes: list[VolumeArgsDict]) -> PodSpecArgsDict:
    return {
        "service_account_name": account,
        "automount_service_account_token": False,
        "enable_service_links": False,
        "termination_grace_period_seconds": 10,
        "security_context": {
            "run_as_non_root": True,
            "run_as_user": _USER,
            "run_as_group": _USER,
            "fs_group": _USER,
            "fs_group_change_policy": "OnRootMismatch",
            "seccomp_profile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
    }


def _hub_container(image: str, host: str) -> ContainerArgsDict:
    return {
        "name": "hub",
        "image": image,
        "image_pull_policy": "IfNotPresent",
        "args": ["python", "-m", "project_hub.application", "--config=/etc/jupyterhub/jupyterhub_config.py"],
        "env": _TRUST,
        "ports": [{"name": "https", "container_port": HUB_PORT, "protocol": "TCP"}],
        "resources": _resources(HUB),
        "security_context": _RESTRICTED,
        "volume_mounts": [
            {"name": "data", "mount_path": "/srv/jupyterhub"},
            {"name": "tmp", "mount_path": "/tmp"},  # noqa: S108 - a path in the container, an emptyDir of its own
            {"name": "settings", "mount_path": "/etc/jupyterhub/settings", "read_only": True},
            {"name": "secrets", "mount_path": "/run/secrets/jupyterhub", "read_only": True},
            HUB_MOUNT,
        ],
        # It listens when it has found its proxy and its database, and not before.
        "startup_probe": {**accepts("https"), "period_seconds": 1, "failure_threshold": 120},
        "readiness_probe": {**accepts("https"), "period_seconds": 5, "timeout_seconds": 5},
        "liveness_probe": {
            **shakes_hands(host, HUB_PORT, HUB_CERTIFICATE),
            "period_seconds": 30,
            "timeout_seconds": 10,
            "failure_threshold": 5,
        },
    }


_TRUST: list[EnvVarArgsDict] = [
    {"name": "SSL_CERT_FILE", "value": HUB_AUTHORITY},
    {"name": "SSL_CERT_DIR", "value": posixpath.dirname(HUB_AUTHORITY)},
]
"""Whom OpenSSL trusts where nobody names an authority: without both, whatever Debian does."""


def _hub_volumes() -> list[VolumeArgsDict]:
    return [
        {"name": "data", "persistent_volume_claim": {"claim_name": "hub"}},
        {"name": "tmp", "empty_dir": {"size_limit": "64Mi"}},
        {"name": "settings", "config_map": {"name": "hub-settings"}},
        hub_volume(_READABLE),
        {
            "name": "secrets",
            "projected": {
                "default_mode": _READABLE,
                "sources": [
                    _secret_file("proxy-token", "proxy-token"),
                    _secret_file("hub-cookie", "cookie-secret"),
                    _secret_file("hub-client", "client-secret"),
                ],
            },
        },
    ]


def _secret_file(secret: str, path: str) -> VolumeProjectionArgsDict:
    return {"secret": {"name": secret, "items": [{"key": "secret", "path": path}]}}


def _proxy_container(image: str, hub: str) -> ContainerArgsDict:
    return {
        "name": "proxy",
        "image": image,
        "image_pull_policy": "IfNotPresent",
        "args": [
            "http-proxy",
            f"--port={ROUTED_PORT}",
            "--ssl-cert=/run/secrets/tls/tls.crt",
            "--ssl-key=/run/secrets/tls/tls.key",
            "--api-ip=0.0.0.0",
            f"--api-port={PROXY_API_PORT}",
            *_files("api"),
            "--api-ssl-request-cert",
            "--api-ssl-reject-unauthorized",
            *_files("client"),
            f"--default-target={hub}",
            f"--error-target={hub}/hub/error",
        ],
        "ports": [
            {"name": "https", "container_port": ROUTED_PORT, "protocol": "TCP"},
            {"name": "api", "container_port": PROXY_API_PORT, "protocol": "TCP"},
        ],
        "resources": _resources(PROXY),
        "security_context": _RESTRICTED,
        "volume_mounts": [
            {"name": "token", "mount_path": "/run/secrets/http-proxy", "read_only": True},
            {"name": "tls", "mount_path": "/run/secrets/tls", "read_only": True},
            {"name": "api-tls", "mount_path": "/run/secrets/api-tls", "read_only": True},
        ],
        "startup_probe": {"http_get": _PROXY_HEALTH, "period_seconds": 1, "failure_threshold": 60},
        "readiness_probe": {"http_get": _PROXY_HEALTH, "period_seconds": 5, "timeout_seconds": 5},
        "liveness_probe": {"http_get": _PROXY_HEALTH, "period_seconds": 30, "timeout_seconds": 10},
    }


def _files(side: str) -> list[str]:
    """The proxy's certificate for its API, which it also shows to the hub and to servers; and whom it trusts."""
    files = {"key": "tls.key", "cert": "tls.crt", "ca": "ca.crt"}
    return [f"--{side}-ssl-{option}=/run/secrets/api-tls/{file}" for option, file in files.items()]


_PROXY_HEALTH: HTTPGetActionArgsDict = {"path": "/_chp_healthz", "port": "https", "scheme": "HTTPS"}


def _proxy_volumes() -> list[VolumeArgsDict]:
    items: list[KeyToPathArgsDict] = [{"key": "secret", "path": "token"}]
    return [
        {"name": "token", "secret": {"secret_name": "proxy-token", "default_mode": _READABLE, "items": items}},
        {"name": "tls", "secret": {"secret_name": PROXY_SECRET, "default_mode": _READABLE}},
        {"name": "api-tls", "secret": {"secret_name": PROXY_API_SECRET, "default_mode": _READABLE}},
    ]


def _resources(size: Resources) -> ResourceRequirementsArgsDict:
    return {
        "requests": {"cpu": f"{size.cpu_request_milli}m", "memory": f"{size.memory_mib}Mi"},
        "limits": {"cpu": f"{size.cpu_limit_milli}m", "memory": f"{size.memory_mib}Mi"},
    }
