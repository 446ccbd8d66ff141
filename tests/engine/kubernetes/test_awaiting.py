"""Waiting for real objects: pods, claims, services, definitions and their custom resources."""

import threading
import time

import pytest

from engine.errors import PartialFailure, ProviderError
from engine.provider import Changes
from engine.values import UNKNOWN
from tests.engine.kubernetes.conftest import Harness, exists

pytestmark = pytest.mark.platform

DEFINITION = "apiextensions.k8s.io/v1:CustomResourceDefinition"
SAFE = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "runAsUser": 65534,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def workload(image, **more):
    containers = [{"name": "c", "image": image, "imagePullPolicy": "IfNotPresent", "securityContext": SAFE}]
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": containers, "terminationGracePeriodSeconds": 0},
    }
    return {"spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template} | more}


@pytest.mark.parametrize(
    ("type_", "more"),
    [("apps/v1:Deployment", {}), ("apps/v1:StatefulSet", {"serviceName": "s"}), ("apps/v1:DaemonSet", {})],
)
def test_waits_for_a_workload_and_for_its_update(cluster: Harness, image, type_, more):
    fields = workload(image, **more)
    if type_.endswith("DaemonSet"):
        del fields["spec"]["replicas"]
    declared = cluster.declare(type_, "x", fields).create(timeout=120)
    ready = "numberReady" if type_.endswith("DaemonSet") else "readyReplicas"
    assert declared.outputs["status"][ready] == 1
    template = fields["spec"]["template"] | {"metadata": {"labels": {"a": "b", "new": "yes"}}}
    declared.update(declared.changed(spec=fields["spec"] | {"template": template}))
    assert declared.outputs["status"]["observedGeneration"] == declared.outputs["metadata"]["generation"]
    assert declared.diff().changes is Changes.NONE
    declared.delete(timeout=120)


def test_says_why_a_workload_does_not_become_ready(cluster: Harness, image):
    declared = cluster.declare("apps/v1:Deployment", "x", workload("cloison.local/not-there:1"))
    with pytest.raises(PartialFailure) as failure:
        declared.create(timeout=15)
    assert "0 of 1 replicas are available" in failure.value.reasons[0]
    assert any("container c: " in reason and "Pull" in reason for reason in failure.value.reasons)
    assert failure.value.outputs["__fieldManager"].startswith("pulumi-kubernetes-")


def test_goes_on_after_a_workload_that_was_not_ready(cluster: Harness, image):
    declared = cluster.declare("apps/v1:Deployment", "x", workload("cloison.local/not-there:1"))
    declared.inputs = declared.check()
    with pytest.raises(PartialFailure) as failure:
        cluster.provider.create(declared.urn, declared.inputs, timeout=2, preview=False)
    declared.id, declared.outputs = failure.value.id, failure.value.outputs
    declared.outputs = declared.outputs | {"__inputs": declared.inputs}
    assert declared.update(declared.changed(**workload(image))).outputs["status"]["readyReplicas"] == 1


def test_does_not_wait_when_told_not_to(cluster: Harness):
    fields = workload("cloison.local/not-there:1") | {"metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}}
    started = time.monotonic()
    cluster.declare("apps/v1:Deployment", "x", fields).create()
    assert time.monotonic() - started < 10


def test_stops_waiting_when_the_run_is_cancelled(cluster: Harness):
    other = cluster.with_options()
    timer = threading.Timer(1, other.provider.cancel)
    timer.start()
    with pytest.raises(PartialFailure, match="the run was cancelled"):
        other.declare("apps/v1:Deployment", "x", workload("cloison.local/not-there:1")).create(timeout=60)


def test_waits_until_a_pod_stands_behind_a_service(cluster: Harness, image):
    fields = {"spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}}
    service = cluster.declare("core/v1:Service", "x", fields)
    with pytest.raises(PartialFailure, match="no ready pod matches its selector"):
        cluster.declare("core/v1:Service", "alone", fields).create(timeout=1)
    waiting = threading.Thread(target=service.create, kwargs={"timeout": 120})
    waiting.start()
    cluster.declare("apps/v1:Deployment", "x", workload(image)).create(timeout=120)
    waiting.join(120)
    assert service.outputs["spec"]["clusterIP"]
    assert service.diff().changes is Changes.NONE


def test_does_not_wait_for_a_claim_whose_volume_comes_with_its_first_pod(cluster: Harness, image):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    declared = cluster.declare("core/v1:PersistentVolumeClaim", "x", {"spec": spec}).create(timeout=30)
    assert declared.outputs["status"]["phase"] == "Pending"
    assert declared.diff().changes is Changes.NONE


def test_reports_a_claim_that_nobody_serves(cluster: Harness):
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "none", "resources": {"requests": {"storage": "1Mi"}}}
    with pytest.raises(PartialFailure, match="the claim is Pending"):
        cluster.declare("core/v1:PersistentVolumeClaim", "x", {"spec": spec}).create(timeout=2)


def definition(group, *, columns=(), scope="Namespaced"):
    schema = {"type": "object", "x_kubernetes_preserve_unknown_fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    version |= {"subresources": {"status": {}}, "additionalPrinterColumns": list(columns)}
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    spec = {"group": group, "scope": scope, "names": names, "versions": [version]}
    return {"metadata": {"name": f"things.{group}"}, "spec": spec}


@pytest.fixture
def group(cluster: Harness):
    name = f"{cluster.namespace}.example.org"
    yield name
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.{name}"
    if exists(cluster.client, path):
        cluster.client.delete(path, {})


def test_plans_and_makes_a_definition_and_its_resource_in_one_run(cluster: Harness, group):
    kind = cluster.declare(DEFINITION, "kind", definition(group), namespaced=False)
    thing = cluster.declare(f"{group}/v1:Thing", "x", {"spec": {"size": 1}, "metadata": {"name": "x"}})
    kind.preview()
    assert thing.preview()["spec"] == {"size": 1}
    assert thing.preview()["metadata"]["uid"] is UNKNOWN
    kind.create()
    assert kind.diff().changes is Changes.NONE
    assert thing.create().id == f"{cluster.namespace}/x"
    assert thing.update(thing.changed(spec={"size": 2})).outputs["spec"] == {"size": 2}
    columns = [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]
    kind.update(definition(group, columns=columns))
    assert kind.diff().changes is Changes.NONE
    thing.delete()
    kind.delete()
    assert thing.refresh() is None
    thing.delete()


def test_leaves_the_namespace_out_of_a_cluster_scoped_custom_resource(cluster: Harness, group):
    cluster.declare(DEFINITION, "kind", definition(group, scope="Cluster"), namespaced=False).create()
    thing = cluster.declare(f"{group}/v1:Thing", "x", {"metadata": {"name": "x"}}).create()
    assert thing.id == "x"
    thing.delete()


def test_waits_for_the_ready_condition_of_a_kind_that_shows_one(cluster: Harness, group):
    column = {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'}
    cluster.declare(DEFINITION, "kind", definition(group, columns=[column]), namespaced=False).create()
    thing = cluster.declare(f"{group}/v1:Thing", "x", {"metadata": {"name": "x"}})
    with pytest.raises(PartialFailure, match="it has no Ready condition yet"):
        thing.create(timeout=1)
    path = f"/apis/{group}/v1/namespaces/{cluster.namespace}/things/x/status"
    conditions = [{"type": "Ready", "status": "True"}]
    cluster.client.patch(path, {"status": {"conditions": conditions}}, {}, "application/merge-patch+json")
    thing.id, thing.inputs, thing.outputs = f"{cluster.namespace}/x", thing.check(), {"metadata": {"name": "x"}}
    assert thing.update(thing.fields).outputs["status"]["conditions"] == conditions


def test_says_that_a_kind_is_missing(cluster: Harness):
    other = cluster.with_options()
    other.provider.cancel()
    with pytest.raises(ProviderError, match=r"has no kind example\.org/v1/Absent"):
        other.declare("example.org/v1:Absent", "x", {}).create()
