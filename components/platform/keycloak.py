"""The pod that Keycloak runs in: its settings, what it may take, where it writes."""

from pulumi_kubernetes.apps.v1 import StatefulSetSpecArgsDict
from pulumi_kubernetes.core.v1 import ContainerArgsDict, PodSpecArgsDict, ProbeArgsDict, VolumeArgsDict

from components.platform.routes import ROUTED_LABELS, ROUTED_PORT
from components.realm_api import ADMINISTRATOR

KEYCLOAK = "keycloak"
LABELS = {"app.kubernetes.io/name": KEYCLOAK}
MANAGEMENT_PORT = 9000
"""Health, for the kubelet alone."""
USER = 1000
"""User and group of the image, see images/base."""

MEMORY_MIB = 700
HEAP_MIB = 288
"""What is left of the memory is code, threads and buffers."""
START_SECONDS = 300
"""How long it may take to answer; 20 to 50 seconds were measured on two busy cores with a new database."""

DATABASE = "database"
"""Name of the volume claim."""
CERTIFICATE = "certificate"
"""Name of the Secret with the certificate, as is `ADMINISTRATOR_SECRET` of the one with the administrator."""
ADMINISTRATOR_SECRET = "administrator"  # noqa: S105 - the name of an object
ADMINISTRATOR_FILE = "keycloak.conf"
"""Its only entry."""


def administrator_settings(secret: str) -> str:
    """The administrator as Keycloak's configuration file has it."""
    return f"bootstrap-admin-client-id={ADMINISTRATOR}\nbootstrap-admin-client-secret={secret}\n"


def stateful_set(image: str, labels: dict[str, str], public: str, administration: str) -> StatefulSetSpecArgsDict:
    """Build the workload.

    Args:
        image: reference of the image ``keycloak``.
        labels: of its pod, beside those that select it.
        public: address of its host at the gateway.
        administration: address that its admin API and console are used at.
    """
    return {
        "replicas": 1,
        "service_name": KEYCLOAK,
        "selector": {"match_labels": LABELS},
        "template": {
            "metadata": {"labels": {**labels, **LABELS, **ROUTED_LABELS}},
            "spec": _pod(image, _arguments(public, administration)),
        },
    }


def _pod(image: str, arguments: list[str]) -> PodSpecArgsDict:
    return {
        "service_account_name": KEYCLOAK,
        "automount_service_account_token": False,
        "enable_service_links": False,
        # Requests that run are answered; the database is closed.
        "termination_grace_period_seconds": 30,
        "security_context": {
            "run_as_non_root": True,
            "run_as_user": USER,
            "run_as_group": USER,
            "fs_group": USER,
            "fs_group_change_policy": "OnRootMismatch",
            "seccomp_profile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(image, arguments)],
        "volumes": _volumes(),
    }


def _container(image: str, arguments: list[str]) -> ContainerArgsDict:
    return {
        "name": KEYCLOAK,
        "image": image,
        "image_pull_policy": "IfNotPresent",
        "args": arguments,
        "env": [
            {"name": "JAVA_OPTS_KC_HEAP", "value": f"-Xms96m -Xmx{HEAP_MIB}m"},
            # The collector for small heaps; one for many processors keeps a tenth of the memory to itself.
            {"name": "JAVA_OPTS_APPEND", "value": "-XX:-UseG1GC -XX:+UseSerialGC"},
        ],
        "ports": [
            {"name": "https", "container_port": ROUTED_PORT, "protocol": "TCP"},
            {"name": "management", "container_port": MANAGEMENT_PORT, "protocol": "TCP"},
        ],
        "resources": {
            "requests": {"cpu": "250m", "memory": f"{MEMORY_MIB}Mi"},
            "limits": {"cpu": "2", "memory": f"{MEMORY_MIB}Mi"},
        },
        "security_context": {
            "allow_privilege_escalation": False,
            "read_only_root_filesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volume_mounts": [
            {"name": "database", "mount_path": "/opt/keycloak/data"},
            {"name": "tmp", "mount_path": "/tmp"},  # noqa: S108 - a path in the container, an emptyDir of its own
            {"name": "certificate", "mount_path": f"/run/secrets/{CERTIFICATE}", "read_only": True},
            {"name": "administrator", "mount_path": f"/run/secrets/{ADMINISTRATOR_SECRET}", "read_only": True},
        ],
        "startup_probe": {**_probe("started"), "period_seconds": 2, "failure_threshold": START_SECONDS // 2},
        "readiness_probe": {**_probe("ready"), "period_seconds": 5, "timeout_seconds": 5},
        "liveness_probe": {**_probe("live"), "period_seconds": 30, "timeout_seconds": 10, "failure_threshold": 5},
    }


def _arguments(public: str, administration: str) -> list[str]:
    return [
        # The one setting that is secret stands in a file.
        f"--config-file=/run/secrets/{ADMINISTRATOR_SECRET}/{ADMINISTRATOR_FILE}",
        "start",
        "--optimized",
        "--cache=local",
        f"--hostname={public}",
        f"--hostname-admin={administration}",
        # Hubs talk to it inside the cluster; tokens name the public issuer all the same.
        "--hostname-backchannel-dynamic=true",
        # Who signs in is recorded with the browser's address, which only the gateway knows.
        "--proxy-headers=xforwarded",
        f"--https-port={ROUTED_PORT}",
        f"--https-certificate-file=/run/secrets/{CERTIFICATE}/tls.crt",
        f"--https-certificate-key-file=/run/secrets/{CERTIFICATE}/tls.key",
        f"--http-management-port={MANAGEMENT_PORT}",
        # More than that waits for nothing: it is refused, so that a flood does not fill the memory.
        "--http-max-queued-requests=500",
        # Sign-ins in the server's log too, where a collector finds them; by default only failures are.
        "--spi-events-listener--jboss-logging--success-level=info",
    ]


def _probe(state: str) -> ProbeArgsDict:
    return {"http_get": {"path": f"/health/{state}", "port": "management", "scheme": "HTTPS"}}


def _volumes() -> list[VolumeArgsDict]:
    # Readable by the server's group alone; Kubernetes owns the files as root.
    return [
        {"name": "database", "persistent_volume_claim": {"claim_name": DATABASE}},
        {"name": "tmp", "empty_dir": {"size_limit": "256Mi"}},
        {"name": "certificate", "secret": {"secret_name": CERTIFICATE, "default_mode": 0o440}},
        {"name": "administrator", "secret": {"secret_name": ADMINISTRATOR_SECRET, "default_mode": 0o440}},
    ]
