"""A real cluster for the tests marked `platform`, and a namespace of its own for each."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.kubernetes import KubernetesProvider
from engine.kubernetes.client import Client
from engine.kubernetes.kubeconfig import find_cluster
from engine.provider import DiffResult, ReadResult
from engine.values import Object, reveal

KUBECONFIG = "CLOISON_TEST_KUBECONFIG"
"""Set it to test against a cluster that runs already, instead of starting the tests' own."""

MUTABLE = {"enableConfigMapMutable": "true", "enableSecretMutable": "true"}


@dataclass
class Harness:
    """A provider, and beside it a plain client that plays everybody else."""

    kubeconfig: str
    options: dict[str, str] = field(default_factory=lambda: dict(MUTABLE))
    messages: list[tuple[str, str, str]] = field(default_factory=list)
    namespace: str = ""

    def __post_init__(self) -> None:
        self.provider = KubernetesProvider(lambda *message: self.messages.append(message))
        self.provider.configure({"kubeconfig": self.kubeconfig} | self.options)
        self.client = Client(find_cluster({"kubeconfig": self.kubeconfig}))

    def with_options(self, **options: str) -> "Harness":
        return Harness(self.kubeconfig, MUTABLE | options, namespace=self.namespace)

    def urn(self, type_: str, name: str) -> str:
        return f"urn:pulumi:test::{self.namespace or 'test'}::kubernetes:{type_}::{name}"

    def declare(self, type_: str, name: str, fields: Object, *, namespaced: bool = True) -> "Declared":
        metadata = fields.get("metadata", {})
        if namespaced:
            metadata = {"namespace": self.namespace} | metadata
        return Declared(self, self.urn(type_, name), fields | {"metadata": metadata})


@dataclass
class Declared:
    """One resource as a program declares it, and what an engine would record of it."""

    harness: Harness
    urn: str
    fields: Object
    id: str = ""
    inputs: Object = field(default_factory=dict)
    outputs: Object = field(default_factory=dict)

    def check(self, fields: Object | None = None) -> Object:
        old = self.inputs or None
        given = self.fields if fields is None else fields
        checked = self.harness.provider.check(self.urn, old, given, random_seed=os.urandom(32))
        assert checked.failures == ()
        return reveal(checked.inputs)

    def preview(self) -> Object:
        return reveal(self.harness.provider.create(self.urn, self.check(), timeout=None, preview=True)[1])

    def create(self, timeout: float | None = 60) -> "Declared":
        inputs = self.check()
        self.id, outputs = self.harness.provider.create(self.urn, inputs, timeout=timeout, preview=False)
        self.inputs, self.outputs = inputs, reveal(outputs)
        return self

    def diff(self, fields: Object | None = None, *ignored: str) -> DiffResult:
        new = self.check(fields)
        return self.harness.provider.diff(self.urn, self.id, self.inputs, self.outputs, new, ignored)

    def preview_update(self, fields: Object) -> Object:
        return self._update(self.check(fields), preview=True, ignored=())

    def update(self, fields: Object, *ignored: str) -> "Declared":
        new = self.check(fields)
        self.outputs = self._update(new, preview=False, ignored=ignored)
        self.inputs, self.fields = new, fields
        return self

    def refresh(self) -> ReadResult | None:
        found = self.harness.provider.read(self.urn, self.id, self.inputs, self.outputs)
        if found:
            self.inputs, self.outputs = reveal(found.inputs), reveal(found.outputs)
        return found

    def delete(self, timeout: float | None = 60) -> None:
        self.harness.provider.delete(self.urn, self.id, self.inputs, self.outputs, timeout=timeout)

    def changed(self, **fields: Any) -> Object:
        """Return the declaration with some top-level fields changed."""
        metadata = self.fields["metadata"] | fields.pop("metadata", {})
        return self.fields | {"metadata": metadata} | fields

    def _update(self, new: Object, *, preview: bool, ignored: tuple[str, ...]) -> Object:
        outputs = self.harness.provider.update(
            self.urn,
            self.id,
            self.inputs,
            self.outputs,
            new,
            timeout=60,
            preview=preview,
            ignore_changes=ignored,
        )
        return reveal(outputs)


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> str:
    given = os.environ.get(KUBECONFIG)
    return given or str(request.getfixturevalue("platform").kubeconfig)


@pytest.fixture
def cluster(kubeconfig: str) -> Iterator[Harness]:
    harness = Harness(kubeconfig)
    namespace = harness.declare("core/v1:Namespace", "test", {}, namespaced=False).create()
    harness.namespace = namespace.id
    yield harness
    namespace.harness.client.delete(f"/api/v1/namespaces/{namespace.id}", {})
    harness.provider.close()


@pytest.fixture(scope="session")
def image(kubeconfig: str) -> str:
    """An image that is on a node and keeps running; without a node there are no pods to test with."""
    client = Client(find_cluster({"kubeconfig": kubeconfig}))
    images = [each for node in client.get("/api/v1/nodes")["items"] for each in node["status"]["images"]]
    names = [name for each in images for name in each["names"] if "pause" in name and "@" not in name]
    if not names:
        pytest.skip("this cluster has no node that could run a pod")
    return names[0]


def exists(client: Client, path: str) -> bool:
    collection, _, name = path.rpartition("/")
    found = client.get(collection, {"fieldSelector": f"metadata.name={name}"})
    return bool(found["items"])
