"""What the controller is told: whom to watch, and how the proxies that it starts must look."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.platform.envoy_gateway.names import CONTROLLER, CONTROLLER_NAME, PROXY, PROXY_LABELS, USER
from stacks.profile import Profile

SERVICE = "gateway"
"""Service in front of the proxies."""

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""For both containers of a proxy's pod; it replaces the controller's own default as a whole."""

ACCESS_LOG = {
    "time": "%START_TIME%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "host": "%REQ(:AUTHORITY)%",
    "method": "%REQ(:METHOD)%",
    "path": "%PATH(NQ:ORIG_OR_PATH)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "received": "%BYTES_RECEIVED%",
    "sent": "%BYTES_SENT%",
    "milliseconds": "%DURATION%",
    "route": "%ROUTE_NAME%",
}
"""One line for each request. Paths come without their query: sign-in puts codes and tokens there."""

DRAIN_SECONDS = 20
"""How long a proxy that shuts down lets connections finish."""


def configuration(profile: Profile, images: Mapping[str, str], routed: Sequence[str]) -> dict[str, Any]:
    """Build the controller's configuration file.

    Args:
        profile: the provider's capabilities.
        images: references of the images ``envoy`` and ``envoy-gateway``.
        routed: every namespace to watch for routes, the gateway's own among them.
    """
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": CONTROLLER_NAME},
        "provider": {
            "type": "Kubernetes",
            "kubernetes": {
                "watch": {"type": "Namespaces", "namespaces": sorted(routed)},
                # One controller at a time: see its Deployment.
                "leaderElection": {"disable": True},
                "shutdownManager": {"image": images[CONTROLLER]},
                # Would need an admission webhook on every pod of the namespace.
                "proxyTopologyInjector": {"disabled": True},
            },
        },
        "telemetry": {"metrics": {"prometheus": {"disable": True}}},
        "envoyProxy": _proxies(profile, images[PROXY]),
    }


def _proxies(profile: Profile, image: str) -> dict[str, Any]:
    service = profile.exposure.gateway.service
    return {
        "concurrency": 2,
        "shutdown": {"drainTimeout": f"{DRAIN_SECONDS}s", "minDrainDuration": "5s"},
        "telemetry": {"metrics": {"prometheus": {"disable": True}}, "accessLog": {"settings": [_access_log()]}},
        "provider": {
            "type": "Kubernetes",
            "kubernetes": {
                "envoyServiceAccount": {"name": PROXY},
                "envoyService": {"name": SERVICE, "type": service.type, "annotations": service.annotations},
                "envoyDeployment": {
                    "name": PROXY,
                    "replicas": service.replicas,
                    "container": {"image": image, "securityContext": RESTRICTED, "resources": _resources(256)},
                    "pod": {"topologySpreadConstraints": [_spread()]},
                    "patch": {"type": "StrategicMerge", "value": {"spec": {"template": {"spec": _pod()}}}},
                },
                # With one proxy it would keep a node from ever being drained.
                **({"envoyPDB": {"minAvailable": 1}} if service.replicas > 1 else {}),
            },
        },
    }


def _spread() -> dict[str, Any]:
    """Proxies on different nodes where there are several."""
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": PROXY_LABELS},
    }


def _access_log() -> dict[str, Any]:
    sink = {"type": "File", "file": {"path": "/dev/stdout"}}
    return {"format": {"type": "JSON", "json": ACCESS_LOG}, "sinks": [sink]}


def _pod() -> dict[str, Any]:
    """What the controller does not ask about, merged into the pod that it builds."""
    draining = {
        "name": "shutdown-manager",
        "resources": _resources(96),
        # It leaves a file there when connections have ended.
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - a path in the container
    }
    soon = {"periodSeconds": 1, "failureThreshold": 120}
    return {
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": DRAIN_SECONDS + 15,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "envoy", "startupProbe": soon}, {**draining, "startupProbe": soon}],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Mi"}}],
    }


def _resources(memory_mib: int) -> dict[str, Any]:
    memory = f"{memory_mib}Mi"
    return {"requests": {"cpu": "20m", "memory": f"{memory_mib // 4}Mi"}, "limits": {"cpu": "1", "memory": memory}}
