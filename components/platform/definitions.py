"""The kinds of Gateway API, where the cluster does not bring them with a gateway of its own."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pulumi
from pulumi_kubernetes.apiextensions.v1 import CustomResourceDefinition

KINDS = {
    "gateway.networking.k8s.io": ("gatewayclasses", "gateways", "httproutes", "referencegrants", "backendtlspolicies"),
    "gateway.envoyproxy.io": ("clienttrafficpolicies",),
}
"""The kinds that are declared or that Envoy Gateway does not start without, by group; it watches no kind it misses."""


class Definitions(pulumi.ComponentResource):
    """The definitions, as their projects publish them. Gateway and routes depend on these."""

    def __init__(
        self, name: str, published: Sequence[Mapping[str, Any]], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the definitions.

        Args:
            name: logical name of the component, unique in the stack.
            published: the objects that `images.definitions` reads; none where the cluster has them.
            opts: usual resource options; the Kubernetes provider comes with them.
        """
        super().__init__("cloison:index:Definitions", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        for each in published:
            metadata, spec = cast("Any", each["metadata"]), cast("Any", each["spec"])
            CustomResourceDefinition(metadata["name"], metadata=metadata, spec=spec, opts=child)
        self.register_outputs({"kinds": [each["metadata"]["name"] for each in published]})
