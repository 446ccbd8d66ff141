"""Run components under Pulumi's mocks and hand back what they declare as plain manifests."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeAlias, cast

import pulumi
from pulumi.runtime import mocks

from components.images import needed_images
from components.naming import namespace_name
from components.partition import Partition
from components.platform.layer import PlatformLayer, platform_manifests
from components.workspace import Workspace
from stacks.profile import Profile
from workspaces.model import Workspace as Project

Plain: TypeAlias = "dict[str, Plain] | list[Plain] | str | int | float | bool | None"
Manifest: TypeAlias = dict[str, Plain]

SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Key under which Pulumi's wire format marks special values (pulumi/sdk: rpc.py)."""


@dataclass(frozen=True)
class Declared:
    """One resource as it reaches the engine."""

    type: str
    name: str
    inputs: Manifest


class _Recorder(mocks.Mocks):
    def __init__(self) -> None:
        self.declared: list[Declared] = []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, object]]:
        inputs = cast("Manifest", _plain(args.inputs))
        self.declared.append(Declared(args.typ, args.name, inputs))
        return f"{args.name}-id", {**args.inputs, "not_after": f"end of {args.name}", "data": {"token": "cGxhbnRlZA=="}}

    def call(self, args: mocks.MockCallArgs) -> NoReturn:
        message = f"the program called {args.token}, which nothing here answers"
        raise NotImplementedError(message)


def declared(build: Callable[[], object]) -> list[Declared]:
    """Everything that a build registers, in order."""
    recorder = _Recorder()
    asyncio.set_event_loop(asyncio.new_event_loop())
    mocks.set_mocks(recorder, project="cloison", stack="test", preview=False)
    pulumi.runtime.test(build)()
    return recorder.declared


def declare_stack(projects: Sequence[Project], profile: Profile) -> None:
    """Declare what the program declares, but for the cluster's provider."""
    images = {name: f"registry.example/{name}:tag" for name in needed_images(profile, projects)}
    partitions = {project.name: Partition(project.name, project, profile) for project in projects}
    manifests = platform_manifests(profile, images, [], projects)
    platform = PlatformLayer("platform", profile, manifests, partitions, projects, "of the administrator")
    for project in projects:
        Workspace(project, profile, images, platform, "of the client")


def rendered(project: Project, profile: Profile) -> list[Manifest]:
    """The Kubernetes objects of a project, as a whole stack declares them."""
    resources = declared(lambda: declare_stack([project], profile))
    objects = [resource.inputs for resource in resources if resource.type.startswith("kubernetes:")]
    return [each for each in objects if _belongs(each, namespace_name(project))]


def _belongs(manifest: Manifest, namespace: str) -> bool:
    metadata = cast("Manifest", manifest["metadata"])
    own = manifest["kind"] == "Namespace" and metadata["name"] == namespace
    # The gateway's rights in a project's namespace are the platform's, and tested with it.
    return own or (metadata.get("namespace") == namespace and "cloison/platform" not in str(metadata.get("labels")))


def _plain(value: object) -> Plain:
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        if SECRET_SIGNATURE in fields:
            return "<secret>"
        return {key: _plain(item) for key, item in fields.items()}
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[object]", value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return cast("Plain", value)
