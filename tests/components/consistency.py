"""What must hold of every workspace, whatever its file says: a workspace that fails here contradicts itself.

Each check reads the rendered manifests alone and returns what is wrong in words.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from tests.components.rendering import Manifest, Plain

SHARED_NAMESPACES = {"kube-system", "platform-gateway", "platform-identity"}
"""Namespaces of the platform that a workspace may exchange traffic with."""

COMPONENT = "app.kubernetes.io/component"
MEMBER = "cloison/member"
WORKLOADS = ("StatefulSet", "Deployment")


@dataclass(frozen=True)
class Pods:
    """Pods that a workspace declares or lets its hub start."""

    title: str
    count: int
    template: Manifest

    @property
    def spec(self) -> Plain:
        return self.template["spec"]

    @property
    def labels(self) -> dict[str, str]:
        return cast("dict[str, str]", at(self.template, "metadata", "labels"))

    @property
    def is_hub(self) -> bool:
        return self.labels.get(COMPONENT) == "hub"

    def selected_by(self, labels: Plain) -> bool:
        return cast("dict[str, str]", labels or {}).items() <= self.labels.items()


def inconsistencies(manifests: Sequence[Manifest]) -> list[str]:
    """Everything that is wrong with a rendered workspace."""
    checks = (
        check_one_namespace,
        check_default_deny,
        check_flows_stay_inside,
        check_pods_are_restricted,
        check_references_resolve,
        check_selectors_match,
        check_policies_select,
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
                # The one that works on the cluster's API, by the profile's own addresses.
                if at(policy, "spec", "podSelector", "matchLabels", COMPONENT) != "hub":
                    yield f"{title(policy)} opens an address range"
            elif "namespaceSelector" in peer and _namespace_of(peer) not in SHARED_NAMESPACES:
                yield f"{title(policy)} opens another namespace: {peer}"
            elif not _selected(peer):
                yield f"{title(policy)} names no pods"


def check_pods_are_restricted(manifests: Sequence[Manifest]) -> Iterator[str]:
    for pods in all_pods(manifests):
        if at(pods.spec, "securityContext", "runAsNonRoot") is not True:
            yield f"{pods.title} may run as root"
        if at(pods.spec, "securityContext", "seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{pods.title} has no seccomp profile"
        if at(pods.spec, "automountServiceAccountToken") is not pods.is_hub:
            yield f"{pods.title} mounts a token for the API, or is a hub without one"
        for container in items(pods.spec, "containers"):
            yield from _container_problems(pods.title, container)


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
    wanted = [(pods.title, reference) for pods in all_pods(manifests) for reference in _references(pods)]
    wanted += [
        (title(each), ("Service", text(each, "spec", "serviceName"))) for each in of_kind(manifests, "StatefulSet")
    ]
    for name, reference in wanted:
        if reference not in known:
            yield f"{name} refers to {reference}, which nobody declares"


def _references(pods: Pods) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", text(pods.spec, "serviceAccountName")
    for volume in items(pods.spec, "volumes"):
        for source in [volume, *items(volume, "projected", "sources")]:
            if "persistentVolumeClaim" in source:
                yield "PersistentVolumeClaim", text(source, "persistentVolumeClaim", "claimName")
            if "configMap" in source:
                yield "ConfigMap", text(source, "configMap", "name")
            if "secret" in source:
                yield "Secret", str(at(source, "secret", "secretName") or at(source, "secret", "name"))


def check_selectors_match(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Every Service and workload selects the pods of one workload, or the one server that a member has at a time."""
    selectors = [(title(service), at(service, "spec", "selector")) for service in of_kind(manifests, "Service")]
    selectors += [(title(each), at(each, "spec", "selector", "matchLabels")) for each in workloads(manifests)]
    for name, selector in selectors:
        matching = [pods for pods in all_pods(manifests) if pods.selected_by(selector)]
        if len({pods.labels.get(MEMBER, pods.title) for pods in matching}) != 1:
            yield f"{name} selects {len(matching)} pod templates"


def check_policies_select(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A policy that selects no pods protects none, and nobody notices (zero-to-jupyterhub-k8s issue 3952)."""
    for policy in of_kind(manifests, "NetworkPolicy"):
        labels = at(policy, "spec", "podSelector", "matchLabels")
        if not any(pods.selected_by(labels) for pods in all_pods(manifests)):
            yield f"{title(policy)} protects no pods"


def check_quota_covers_pods(manifests: Sequence[Manifest]) -> Iterator[str]:
    (quota,) = of_kind(manifests, "ResourceQuota")
    servers = {text(pods.spec, "volumes") for pods in started_pods(manifests)}
    pods = sum(each.count for each in declared_pods(manifests)) + len(servers)
    if pods > int(text(quota, "spec", "hard", "pods")):
        yield f"the quota refuses some of the {pods} pods"


def check_labels(manifests: Sequence[Manifest]) -> Iterator[str]:
    projects = {text(manifest, "metadata", "labels", "cloison/project") for manifest in manifests}
    if len(projects) != 1:
        yield f"objects of several projects stand together: {sorted(projects)}"


def all_pods(manifests: Sequence[Manifest]) -> list[Pods]:
    return [*declared_pods(manifests), *started_pods(manifests)]


def declared_pods(manifests: Sequence[Manifest]) -> list[Pods]:
    """The pods of workloads."""
    return [
        Pods(title(each), cast("int", at(each, "spec", "replicas")), cast("Manifest", at(each, "spec", "template")))
        for each in workloads(manifests)
    ]


def started_pods(manifests: Sequence[Manifest]) -> list[Pods]:
    """The pods that a hub may start: each kind for each member, of which one at a time runs."""
    found: list[Pods] = []
    for settings in hub_settings(manifests):
        for server in items(settings, "servers"):
            for member in items(settings, "members"):
                name = str(member["name"])
                template = json.loads(json.dumps(server["pod"]).replace("{unescaped_username}", name))
                found.append(Pods(f"{server['name']} of {name}", 1, template))
    return found


def hub_settings(manifests: Sequence[Manifest]) -> list[Manifest]:
    """What the hubs are told."""
    maps = of_kind(manifests, "ConfigMap")
    return [json.loads(text(each, "data", "settings.json")) for each in maps if at(each, "data", "settings.json")]


def workloads(manifests: Sequence[Manifest]) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in WORKLOADS]


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
