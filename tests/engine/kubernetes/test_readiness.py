"""When an object is ready, and what `pulumi.com/waitFor` makes of it."""

import pytest

from engine.errors import InputError
from engine.kubernetes import KubernetesProvider, conditions
from engine.kubernetes.kinds import Kind
from engine.kubernetes.readiness import (
    BY_KIND,
    container_problems,
    has_ready_endpoint,
    needs_endpoints,
    ready_condition,
)


def condition(name, status="True", **fields):
    return {"type": name, "status": status} | fields


def obj(spec=None, status=None, generation=1, **fields):
    status = {"observedGeneration": generation} | (status or {})
    return {"metadata": {"generation": generation}, "spec": spec or {}, "status": status} | fields


DEPLOYMENT, STATEFUL_SET, DAEMON_SET = (Kind("apps/v1", kind) for kind in ("Deployment", "StatefulSet", "DaemonSet"))
JOB, POD, CLAIM = Kind("batch/v1", "Job"), Kind("v1", "Pod"), Kind("v1", "PersistentVolumeClaim")
NAMESPACE, QUOTA, SECRET = Kind("v1", "Namespace"), Kind("v1", "ResourceQuota"), Kind("v1", "Secret")
INGRESS, VOLUME = Kind("networking.k8s.io/v1", "Ingress"), Kind("v1", "PersistentVolume")
DEFINITION = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
ALL_UP = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}
REVISIONS = {"currentRevision": "b", "updateRevision": "b"}
TOKEN = "kubernetes.io/service-account-token"


@pytest.mark.parametrize(
    ("kind", "live"),
    [
        (DEPLOYMENT, obj({"replicas": 2}, ALL_UP)),
        (DEPLOYMENT, obj({"replicas": 0})),
        (STATEFUL_SET, obj({"replicas": 2}, ALL_UP | REVISIONS)),
        (STATEFUL_SET, obj({"replicas": 0}, REVISIONS)),
        (STATEFUL_SET, obj({"replicas": 2, "updateStrategy": {"type": "OnDelete"}}, ALL_UP | {"updateRevision": "c"})),
        (
            STATEFUL_SET,
            obj(
                {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
                ALL_UP | {"currentRevision": "a", "updateRevision": "b", "updatedReplicas": 1},
            ),
        ),
        (DAEMON_SET, obj({}, {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberReady": 3})),
        (DAEMON_SET, obj({}, {"desiredNumberScheduled": 0})),
        (JOB, obj({}, {"conditions": [condition("Complete")]})),
        (JOB, obj({"suspend": True})),
        (POD, obj({}, {"phase": "Running", "conditions": [condition("Ready")]})),
        (POD, obj({}, {"phase": "Succeeded"})),
        (CLAIM, obj({}, {"phase": "Bound"})),
        (VOLUME, obj({}, {"phase": "Available"})),
        (NAMESPACE, obj({}, {"phase": "Active"})),
        (QUOTA, obj({"hard": {"cpu": "1000m"}}, {"hard": {"cpu": "1"}})),
        (SECRET, obj(type="Opaque")),
        (SECRET, obj(type=TOKEN, data={"token": "eA=="})),
        (INGRESS, obj({}, {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}})),
        (DEFINITION, obj({}, {"conditions": [condition("Established"), condition("NamesAccepted")]})),
    ],
)
def test_knows_what_is_ready(kind, live):
    assert BY_KIND[kind](live).ready


@pytest.mark.parametrize(
    ("kind", "live", "message"),
    [
        (DEPLOYMENT, obj({"replicas": 2}, {"observedGeneration": 0}), "has not seen the change"),
        (DEPLOYMENT, obj({"replicas": 2}, ALL_UP | {"updatedReplicas": 1}), "1 of 2 replicas are up to date"),
        (DEPLOYMENT, obj({"replicas": 2}, ALL_UP | {"replicas": 3}), "1 old replicas are still to go"),
        (DEPLOYMENT, obj({"replicas": 2}, ALL_UP | {"availableReplicas": 0}), "0 of 2 replicas are available"),
        (DEPLOYMENT, obj({}, {}), "0 of 1 replicas are up to date"),
        (STATEFUL_SET, obj({"replicas": 2}, ALL_UP | REVISIONS | {"readyReplicas": 1}), "1 of 2 replicas are ready"),
        (STATEFUL_SET, obj({"replicas": 2}, ALL_UP | {"currentRevision": "a", "updateRevision": "b"}), "are updated"),
        (DAEMON_SET, obj({}, {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3}), "0 of 3 pods are ready"),
        (JOB, obj({}, {"active": 1}), "1 pods are running"),
        (POD, obj({}, {"phase": "Pending"}), "the pod is Pending"),
        (CLAIM, obj({}, {"phase": "Pending"}), "the claim is Pending"),
        (VOLUME, obj({}, {"phase": "Pending"}), "the volume is Pending"),
        (NAMESPACE, obj({}, {"phase": "Terminating"}), "the namespace is Terminating"),
        (QUOTA, obj({"hard": {"cpu": "2"}}, {"hard": {"cpu": "1"}}), "has not taken it up"),
        (SECRET, obj(type=TOKEN), "has not been issued"),
        (INGRESS, obj(), "no load balancer"),
        (DEFINITION, obj(), "not served yet"),
    ],
)
def test_says_what_is_awaited(kind, live, message):
    verdict = BY_KIND[kind](live)
    assert message in verdict.message
    assert (verdict.ready, verdict.failed) == (False, False)


@pytest.mark.parametrize(
    ("kind", "status", "message"),
    [
        (
            DEPLOYMENT,
            {"conditions": [condition("Progressing", "False", reason="ProgressDeadlineExceeded")]},
            "Deadline",
        ),
        (JOB, {"conditions": [condition("Failed", reason="BackoffLimitExceeded", message="too often")]}, "too often"),
        (POD, {"phase": "Failed", "message": "Evicted"}, "Evicted"),
        (CLAIM, {"phase": "Lost"}, "is gone"),
        (DEFINITION, {"conditions": [condition("NamesAccepted", "False", message="taken")]}, "taken"),
    ],
)
def test_gives_up_on_what_will_not_become_ready(kind, status, message):
    verdict = BY_KIND[kind](obj({}, status))
    assert verdict.failed
    assert message in verdict.message


def test_says_what_is_wrong_with_containers():
    pod = obj(
        {},
        {
            "conditions": [condition("PodScheduled", "False", reason="Unschedulable", message="no nodes")],
            "initContainerStatuses": [{"name": "i", "state": {"terminated": {"reason": "Completed"}}}],
            "containerStatuses": [
                {"name": "a", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}},
                {"name": "b", "state": {"waiting": {"reason": "ContainerCreating"}}},
                {"name": "c", "state": {"running": {}}, "ready": False, "started": False},
            ],
        },
    )
    assert container_problems(pod) == [
        "Unschedulable: no nodes",
        "container a: ImagePullBackOff: no such image",
        "container c has not passed its probes yet",
    ]


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ({"conditions": [condition("Ready")]}, True),
        ({"conditions": [condition("Ready", "False", reason="Issuing")]}, False),
        ({"conditions": [condition("Ready", observedGeneration=1)], "observedGeneration": 2}, False),
        ({}, False),
    ],
)
def test_awaits_a_ready_condition_of_the_newest_generation(status, ready):
    assert ready_condition(obj({}, status, generation=2)).ready is ready


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"selector": {"a": "b"}}, True),
        ({"selector": {"a": "b"}, "clusterIP": "None"}, False),
        ({"type": "ExternalName"}, False),
        ({}, False),
    ],
)
def test_knows_which_services_need_pods(spec, expected):
    assert needs_endpoints({"spec": spec}) is expected


def test_counts_only_endpoints_that_take_traffic():
    assert has_ready_endpoint({"endpoints": [{"conditions": {"ready": False}}, {"conditions": {"ready": True}}]})
    assert has_ready_endpoint({"endpoints": [{}]})
    assert not has_ready_endpoint({"endpoints": [{"conditions": {"ready": False}}]})
    assert not has_ready_endpoint({"endpoints": None})


LIVE = {
    "status": {
        "phase": "Bound",
        "count": 3,
        "conditions": [condition("Ready", "False"), condition("Synced")],
        "dotted.key": "x",
    }
}


@pytest.mark.parametrize(
    ("annotation", "ready"),
    [
        ("condition=Synced", True),
        ("condition=Ready", False),
        ("condition=Ready=False", True),
        ("condition=Absent", False),
        ("jsonpath={.status.phase}=Bound", True),
        ("jsonpath={.status.phase}=Lost", False),
        ("jsonpath={.status.phase}", True),
        ("jsonpath={.status.absent}", False),
        ("jsonpath=.status.count=3", True),
        ("jsonpath=$.status.phase=Bound", True),
        ("jsonpath={.status.conditions[0].status}=False", True),
        ("jsonpath={.status.conditions[-1].type}=Synced", True),
        ("jsonpath={.status.conditions[*].type}=Synced", True),
        ('jsonpath={.status.conditions[?(@.type=="Ready")].status}=False', True),
        ("jsonpath={.status.conditions[?(@.type=='Synced')].status}=True", True),
        ("jsonpath={.status['dotted.key']}=x", True),
        (r"jsonpath={.status.dotted\.key}=x", True),
        ('["condition=Synced", "jsonpath={.status.phase}=Bound"]', True),
        ('["condition=Synced", "condition=Ready"]', False),
    ],
)
def test_waits_for_what_the_annotation_says(annotation, ready):
    assert conditions.parse(annotation)(LIVE).ready is ready


def test_says_what_the_annotation_waits_for():
    verdict = conditions.parse("jsonpath={.status.phase}=Lost")(LIVE)
    assert verdict.message == ".status.phase is Bound, not Lost"
    assert conditions.parse("condition=Ready")(LIVE).message == "the condition Ready is False, not True"


@pytest.mark.parametrize("annotation", ["Ready", "condition=", "jsonpath=", "jsonpath={.a[}", "[]", '{"a": 1}'])
def test_refuses_an_annotation_it_does_not_understand(annotation):
    with pytest.raises(InputError, match=r"pulumi\.com/waitFor"):
        conditions.parse(annotation)


def test_refuses_an_unreadable_wait_before_anything_is_made():
    inputs = {"metadata": {"name": "x", "annotations": {"pulumi.com/waitFor": "when=ready"}}}
    urn = "urn:pulumi:dev::shop::kubernetes:core/v1:ConfigMap::x"
    (failure,) = KubernetesProvider(print).check(urn, None, inputs, random_seed=b"").failures
    assert failure.property == "metadata.annotations"
    assert "must begin with condition= or jsonpath=" in failure.reason
