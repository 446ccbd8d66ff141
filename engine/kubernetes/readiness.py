"""When an object is ready, judged from the object alone.

The rules are those of pulumi-kubernetes' awaiters (``provider/pkg/await``): what it waits for, and what it takes for
failure. Each function takes a live object and returns a :class:`Verdict`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from engine.kubernetes.equality import same_quantities
from engine.kubernetes.fields import list_at, mapping_at, number_at, text_at
from engine.kubernetes.kinds import Kind
from engine.values import Object


@dataclass(frozen=True)
class Verdict:
    """Whether an object is ready, and what it waits for if not; ``failed`` means that waiting longer is no use."""

    ready: bool
    message: str = ""
    failed: bool = False


READY = Verdict(ready=True)

Check: TypeAlias = Callable[[Object], Verdict]


def waiting(message: str) -> Verdict:
    """Return the verdict that an object is not ready yet."""
    return Verdict(ready=False, message=message)


def failed(message: str) -> Verdict:
    """Return the verdict that an object will not become ready."""
    return Verdict(ready=False, message=message, failed=True)


def condition(obj: Object, name: str) -> dict[str, Any]:
    """Return a condition of the object's status; empty if it has none of that type."""
    found = (each for each in list_at(obj, "status", "conditions") if each.get("type") == name)
    return next(found, {})


def _is_observed(obj: Object) -> bool:
    return number_at(obj, "status", "observedGeneration") >= number_at(obj, "metadata", "generation")


def _described(found: dict[str, Any]) -> str:
    return ": ".join(part for part in (found.get("reason"), found.get("message")) if part)


def deployment(obj: Object) -> Verdict:
    """Ready when the newest ReplicaSet is fully rolled out and available."""
    if not _is_observed(obj):
        return waiting("the deployment controller has not seen the change yet")
    progressing = condition(obj, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return failed(_described(progressing))
    wanted = number_at(obj, "spec", "replicas", default=1)
    updated, available, total = (
        number_at(obj, "status", each) for each in ("updatedReplicas", "availableReplicas", "replicas")
    )
    if updated < wanted:
        return waiting(f"{updated} of {wanted} replicas are up to date")
    if total > updated:
        return waiting(f"{total - updated} old replicas are still to go")
    return READY if available >= wanted else waiting(f"{available} of {wanted} replicas are available")


def stateful_set(obj: Object) -> Verdict:
    """Ready when all replicas are ready and, if it rolls updates out by itself, of the newest revision."""
    if not _is_observed(obj):
        return waiting("the stateful set controller has not seen the change yet")
    wanted = number_at(obj, "spec", "replicas", default=1)
    ready = number_at(obj, "status", "readyReplicas")
    if ready < wanted or number_at(obj, "status", "replicas") != wanted:
        return waiting(f"{ready} of {wanted} replicas are ready")
    if text_at(obj, "spec", "updateStrategy", "type") == "OnDelete":
        return READY
    partition = number_at(obj, "spec", "updateStrategy", "rollingUpdate", "partition")
    updated = number_at(obj, "status", "updatedReplicas")
    if text_at(obj, "status", "currentRevision") != text_at(obj, "status", "updateRevision"):
        return (
            READY if partition > 0 and updated >= wanted - partition else waiting(f"{updated} of {wanted} are updated")
        )
    return READY


def daemon_set(obj: Object) -> Verdict:
    """Ready when every node that should has an updated, ready pod."""
    if not _is_observed(obj):
        return waiting("the daemon set controller has not seen the change yet")
    wanted, updated, ready = (
        number_at(obj, "status", each) for each in ("desiredNumberScheduled", "updatedNumberScheduled", "numberReady")
    )
    if text_at(obj, "spec", "updateStrategy", "type") == "OnDelete":
        updated = wanted
    return (
        READY if updated >= wanted and ready >= wanted else waiting(f"{min(updated, ready)} of {wanted} pods are ready")
    )


def job(obj: Object) -> Verdict:
    """Ready when it has completed; one that is suspended has nothing to wait for."""
    if condition(obj, "Failed").get("status") == "True":
        return failed(_described(condition(obj, "Failed")))
    if condition(obj, "Complete").get("status") == "True" or mapping_at(obj, "spec").get("suspend") is True:
        return READY
    return waiting(f"{number_at(obj, 'status', 'active')} pods are running")


def pod(obj: Object) -> Verdict:
    """Ready when its Ready condition is true, or when it has succeeded."""
    phase = text_at(obj, "status", "phase")
    if phase == "Failed":
        return failed(text_at(obj, "status", "message") or "the pod has failed")
    if phase == "Succeeded" or condition(obj, "Ready").get("status") == "True":
        return READY
    return waiting("; ".join(container_problems(obj)) or f"the pod is {phase or 'not scheduled'}")


def container_problems(obj: Object) -> list[str]:
    """Say why a pod's containers do not run, and why it is not scheduled."""
    problems = []
    scheduled = condition(obj, "PodScheduled")
    if scheduled.get("status") == "False":
        problems.append(_described(scheduled))
    for status in list_at(obj, "status", "initContainerStatuses") + list_at(obj, "status", "containerStatuses"):
        state = mapping_at(status, "state")
        stopped = state.get("waiting") or state.get("terminated") or {}
        reason = stopped.get("reason", "")
        if reason and reason not in ("ContainerCreating", "PodInitializing", "Completed"):
            problems.append(f"container {status.get('name')}: {_described(stopped)}")
        elif "running" in state and not status.get("ready") and not status.get("started", True):
            problems.append(f"container {status.get('name')} has not passed its probes yet")
    return problems


def persistent_volume_claim(obj: Object) -> Verdict:
    """Ready when bound. A claim that waits for its first consumer must not be judged by this."""
    phase = text_at(obj, "status", "phase")
    if phase == "Lost":
        return failed("the volume it was bound to is gone")
    return READY if phase == "Bound" else waiting(f"the claim is {phase or 'new'}")


def persistent_volume(obj: Object) -> Verdict:
    """Ready when a claim can use it or does."""
    phase = text_at(obj, "status", "phase")
    return READY if phase in ("Available", "Bound") else waiting(f"the volume is {phase or 'new'}")


def namespace(obj: Object) -> Verdict:
    """Ready when active."""
    phase = text_at(obj, "status", "phase")
    return READY if phase == "Active" else waiting(f"the namespace is {phase or 'new'}")


def resource_quota(obj: Object) -> Verdict:
    """Ready when the quota controller enforces what the specification says."""
    wanted, enforced = mapping_at(obj, "spec", "hard"), mapping_at(obj, "status", "hard")
    return READY if same_quantities(wanted, enforced) else waiting("the quota controller has not taken it up yet")


def secret(obj: Object) -> Verdict:
    """Ready at once, unless it is a token that a controller has to fill in."""
    if obj.get("type") != "kubernetes.io/service-account-token" or mapping_at(obj, "data"):
        return READY
    return waiting("the token has not been issued yet")


def load_balancer(obj: Object) -> Verdict:
    """Ready when a load balancer has an address for it: a Service or an Ingress."""
    if list_at(obj, "status", "loadBalancer", "ingress"):
        return READY
    return waiting("no load balancer has given it an address yet; does this cluster have one?")


def custom_resource_definition(obj: Object) -> Verdict:
    """Ready when the API server serves its kind."""
    accepted = condition(obj, "NamesAccepted")
    if accepted.get("status") == "False":
        return failed(_described(accepted))
    return READY if condition(obj, "Established").get("status") == "True" else waiting("the kind is not served yet")


def ready_condition(obj: Object) -> Verdict:
    """Ready when the object's Ready condition is true for its newest generation."""
    found = condition(obj, "Ready")
    observed = found.get("observedGeneration", obj.get("status", {}).get("observedGeneration"))
    if observed is not None and observed < number_at(obj, "metadata", "generation"):
        return waiting("the controller has not seen the change yet")
    if found.get("status") == "True":
        return READY
    return waiting(_described(found) or "it has no Ready condition yet")


BY_KIND: dict[Kind, Check] = {
    Kind("v1", "Namespace"): namespace,
    Kind("v1", "PersistentVolume"): persistent_volume,
    Kind("v1", "PersistentVolumeClaim"): persistent_volume_claim,
    Kind("v1", "Pod"): pod,
    Kind("v1", "ResourceQuota"): resource_quota,
    Kind("v1", "Secret"): secret,
    Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition"): custom_resource_definition,
    Kind("apps/v1", "DaemonSet"): daemon_set,
    Kind("apps/v1", "Deployment"): deployment,
    Kind("apps/v1", "StatefulSet"): stateful_set,
    Kind("batch/v1", "Job"): job,
    Kind("networking.k8s.io/v1", "Ingress"): load_balancer,
}
"""What readiness means for each built-in kind that has any; the Service needs more than the object."""


def needs_endpoints(service: Object) -> bool:
    """Tell whether a Service is only ready once a pod stands behind it.

    Not so for an external name, a headless Service, or one whose endpoints somebody else writes.
    """
    spec = mapping_at(service, "spec")
    is_special = spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None"
    return not is_special and bool(spec.get("selector"))


def has_ready_endpoint(endpoint_slice: Object) -> bool:
    """Tell whether an EndpointSlice holds an endpoint that takes traffic."""
    return any(
        mapping_at(each, "conditions").get("ready") is not False for each in list_at(endpoint_slice, "endpoints")
    )
