"""What a builder returns for one Kubernetes object: its metadata and its spec, typed, ready to be declared."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict

Spec = TypeVar("Spec")


@dataclass(frozen=True)
class Manifest(Generic[Spec]):
    """An object with a spec. Objects without one are given as their metadata alone."""

    metadata: ObjectMetaArgsDict
    spec: Spec

    @property
    def name(self) -> str:
        """The object's name in the cluster."""
        return str(self.metadata.get("name"))
