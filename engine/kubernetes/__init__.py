"""Kubernetes resources for the embedded engine, by server-side apply, as pulumi-kubernetes 4.34 manages them."""

from engine.kubernetes.provider import KubernetesProvider

__all__ = ["KubernetesProvider"]
