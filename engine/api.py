"""The engine as a library: what ``python -m engine`` does, with result objects instead of text."""

from pathlib import Path
from typing import Any

from engine.kubernetes.provider import KubernetesProvider
from engine.run import Confirm, Declined, Options, Result, destroy, preview, refresh_stack, up
from engine.session import Place, StackNotFound, read_deployment
from engine.urn import STACK_TYPE
from engine.values import Object, Secret, contains, reveal

__all__ = [
    "Confirm",
    "Declined",
    "Options",
    "Place",
    "Result",
    "StackNotFound",
    "destroy",
    "options",
    "outputs",
    "preview",
    "refresh_stack",
    "up",
]


def options(stack: str, folder: Path, **settings: Any) -> Options:
    """Return options with the Kubernetes provider built in; ``settings`` are fields of :class:`Options`."""
    return Options(Place(stack, folder), **{"factories": {"kubernetes": KubernetesProvider}, **settings})


def outputs(options: Options, *, show_secrets: bool = False) -> Object:
    """Return what the program exported when it last ran.

    Args:
        options: Which stack.
        show_secrets: Decrypt secret outputs, which needs the passphrase; otherwise they are left out.

    Raises:
        StackNotFound: If there is no such stack.
    """
    deployment, _ = read_deployment(options.place, show_secrets=show_secrets)
    root = next((item for item in deployment.resources if item.type == STACK_TYPE), None)
    exported = root.outputs if root else {}
    if show_secrets:
        return reveal(exported)
    return {key: value for key, value in exported.items() if not contains(value, Secret)}
