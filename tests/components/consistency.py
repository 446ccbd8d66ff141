"""What must hold of every workspace, whatever its file says: a workspace that fails here contradicts itself.

Each check reads the rendered manifests alone and returns what is wrong in words.
"""

from collections.abc import Iterator, Sequence
from typing import cast

from tests.components.rendering import Manifest, Plain

SHARED_NAMESPACES = {"kube-system"}
"""Namespaces of the platform that a workspace may exchange traffic with."""


def inconsistencies(manifests: Sequence[Manifest]) -> list[str]:
    """Everything that is wrong with a rendered workspace."""
    checks = (
        check_one_namespace,
        check_default_deny,
        check_flows_stay_inside,
        check_pods_are_restricted,
        check_references_resolve,
        check_selectors_match,
        check_quota_covers_pods,
        check_labels,
    )
    return [problem for check in checks for problem in check(manifests)]


def check_one_namespace(manifests: Sequence[Manifest]) -> Iterator[str]:
    names = [text(manifest, "metadata", "name") for manifest in of_kind(manifests, "Namespace")]
    if len(names) != 1:
        yield f"one namespace expected, found {names}"
    for manifest in manifests:
        if manifest["kind"] != "Namespace" and text(manifest, "metadata", "namespace") != names[0]:
            yield f"{title(manifest)} is outside the project's namespace"


def check_default_deny(manifests: Sequence[Manifest]) -> Iterator[str]:
    closed = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if not any(policy["spec"] == closed for policy in of_kind(manifests, "NetworkPolicy")):
        yield "no policy denies all traffic both ways"


def check_flows_stay_inside(manifests: Sequence[Manifest]) -> Iterator[str]:
    for policy in of_kind(manifests, "NetworkPolicy"):
        for peer in _peers(policy):
            if "ipBlock" in peer:
                yield f"{title(policy)} opens an address range"
            elif "namespaceSelector" in peer and _namespace_of(peer) not in SHARED_NAMESPACES:
                yield f"{title(policy)} opens another namespace: {peer}"
            elif not _selected(peer):
                yield f"{title(policy)} names no pods"


def check_pods_are_restricted(manifests: Sequence[Manifest]) -> Iterator[str]:
    for workload in of_kind(manifests, "StatefulSet"):
        pod = at(workload, "spec", "template", "spec")
        if at(pod, "securityContext", "runAsNonRoot") is not True:
            yield f"{title(workload)} may run as root"
        if at(pod, "securityContext", "seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{title(workload)} has no seccomp profile"
        if at(pod, "automountServiceAccountToken") is not False:
            yield f"{title(workload)} mounts a token for the API"
        for container in items(pod, "containers"):
            yield from _container_problems(title(workload), container)


def _container_problems(workload: str, container: Manifest) -> Iterator[str]:
    expected = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    if container["securityContext"] != expected:
        yield f"{workload}/{container['name']} is not restricted"
    for bound in ("requests", "limits"):
        if set(cast("Manifest", at(container, "resources", bound))) != {"cpu", "memory"}:
            yield f"{workload}/{container['name']} has no {bound}"


def check_references_resolve(manifests: Sequence[Manifest]) -> Iterator[str]:
    known = {(str(manifest["kind"]), text(manifest, "metadata", "name")) for manifest in manifests}
    for workload in of_kind(manifests, "StatefulSet"):
        for reference in _references(workload):
            if reference not in known:
                yield f"{title(workload)} refers to {reference}, which nobody declares"


def _references(workload: Manifest) -> Iterator[tuple[str, str]]:
    pod = at(workload, "spec", "template", "spec")
    yield "Service", text(workload, "spec", "serviceName")
    yield "ServiceAccount", text(pod, "serviceAccountName")
    for volume in items(pod, "volumes"):
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", text(volume, "persistentVolumeClaim", "claimName")
        if "secret" in volume:
            yield "Secret", text(volume, "secret", "secretName")


def check_selectors_match(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Every Service and workload selects exactly one declared pod template."""
    templates = [
        at(workload, "spec", "template", "metadata", "labels") for workload in of_kind(manifests, "StatefulSet")
    ]
    selectors = [(title(service), at(service, "spec", "selector")) for service in of_kind(manifests, "Service")]
    selectors += [
        (title(workload), at(workload, "spec", "selector", "matchLabels"))
        for workload in of_kind(manifests, "StatefulSet")
    ]
    for name, selector in selectors:
        wanted = cast("Manifest", selector).items()
        matching = [labels for labels in templates if wanted <= cast("Manifest", labels).items()]
        if len(matching) != 1:
            yield f"{name} selects {len(matching)} pod templates"


def check_quota_covers_pods(manifests: Sequence[Manifest]) -> Iterator[str]:
    (quota,) = of_kind(manifests, "ResourceQuota")
    pods = sum(cast("int", at(workload, "spec", "replicas")) for workload in of_kind(manifests, "StatefulSet"))
    if pods > int(text(quota, "spec", "hard", "pods")):
        yield f"the quota refuses some of the {pods} pods"


def check_labels(manifests: Sequence[Manifest]) -> Iterator[str]:
    projects = {text(manifest, "metadata", "labels", "cloison/project") for manifest in manifests}
    if len(projects) != 1:
        yield f"objects of several projects stand together: {sorted(projects)}"


def of_kind(manifests: Sequence[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def title(manifest: Manifest) -> str:
    return f"{manifest['kind']} {text(manifest, 'metadata', 'name')}"


def at(node: Plain, *path: str) -> Plain:
    for step in path:
        node = node.get(step) if isinstance(node, dict) else None
    return node


def text(node: Plain, *path: str) -> str:
    return str(at(node, *path))


def items(node: Plain, *path: str) -> list[Manifest]:
    return cast("list[Manifest]", at(node, *path) or [])


def _peers(policy: Manifest) -> Iterator[Manifest]:
    for direction, side in (("ingress", "from"), ("egress", "to")):
        for rule in items(policy, "spec", direction):
            peers = items(rule, side)
            # A rule without peers admits everyone, which an empty peer stands for here.
            yield from peers or [{}]


def _namespace_of(peer: Manifest) -> str:
    return text(peer, "namespaceSelector", "matchLabels", "kubernetes.io/metadata.name")


def _selected(peer: Manifest) -> bool:
    return bool(at(peer, "podSelector", "matchLabels"))
