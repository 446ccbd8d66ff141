"""What several tests of the local platform apply to it."""

from typing import Any

import yaml

from local import build
from local.image import ProgramImage
from local.platform import Platform

RESTRICTED_POD = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "fsGroup": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
RESTRICTED_CONTAINER = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def agnhost(platform: Platform) -> str:
    """Reference of an image with Kubernetes' own test program, present on the node."""
    image = ProgramImage(build.tool("agnhost"))
    platform.containerd.ensure(image)
    return image.reference


def namespace(name: str) -> dict[str, Any]:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def claim(name: str, space: str, storage_class: str, mode: str, size: str = "1Gi") -> dict[str, Any]:
    spec = {
        "storageClassName": storage_class,
        "accessModes": [mode],
        "resources": {"requests": {"storage": size}},
    }
    metadata = {"name": name, "namespace": space}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def web(name: str, space: str, image: str, claims: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """A pod that answers with its name on port 80 of its Service and mounts each claim at /<claim>."""
    volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
    container = {
        "name": "web",
        "image": image,
        "args": ["netexec", "--http-port=8080"],
        "securityContext": RESTRICTED_CONTAINER,
        "readinessProbe": {"httpGet": {"path": "/hostname", "port": 8080}, "periodSeconds": 1},
        "volumeMounts": [{"name": claim, "mountPath": f"/{claim}"} for claim in claims],
    }
    metadata = {"name": name, "namespace": space, "labels": {"app": name}}
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": RESTRICTED_POD,
        "containers": [container],
        "volumes": volumes,
    }
    ports = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": space}, "spec": ports},
    ]


def apply(platform: Platform, *objects: dict[str, Any]) -> None:
    platform.kubectl.apply(yaml.safe_dump_all(objects))


def wait_ready(platform: Platform, pod: str, space: str) -> None:
    platform.kubectl(
        "wait", "--for=condition=Ready", f"pod/{pod}", f"--namespace={space}", "--timeout=90s", timeout=100
    )
