"""A project's partition and hub as plain manifests."""

import json
from typing import Any

from components.certificates import CertificateAuthority
from components.hub_network import Destination
from components.hub_sign_in import SignIn
from components.jupyterhub import JupyterHub, hub_manifests
from components.partition import Partition
from stacks.profile import PodSelector, Profile
from tests.components.rendering import Manifest, declared
from workspaces.model import Workspace

ISSUER = PodSelector(namespace="platform-identity", pod_labels={"app": "issuer"})
IMAGES = {name: f"registry.example/{name}:tag" for name in ("jupyterhub", "jupyterlab", "rstudio")}


def sign_in(project: Workspace) -> SignIn:
    """An issuer that runs in the cluster."""
    issuer = "https://issuer.platform-identity.svc.cluster.local"
    return SignIn(
        title="the institute",
        client_id=f"jupyter-{project.name}",
        authorize_url="https://identity.example/authorize",
        token_url=f"{issuer}/token",
        userinfo_url=f"{issuer}/userinfo",
        group=f"/projects/{project.name}",
        destination=Destination(8443, pods=ISSUER),
        own_authority=True,
    )


def hub_settings(project: Workspace, profile: Profile) -> Any:
    """What the hub is told."""
    return json.loads(hub_manifests(project, profile, sign_in(project), IMAGES).settings)


def rendered_hub(project: Workspace, profile: Profile) -> list[Manifest]:
    """The Kubernetes objects of a project's partition and hub."""

    def build() -> None:
        authority = CertificateAuthority("authority", "test")
        Partition(project.name, project, profile)
        manifests = hub_manifests(project, profile, sign_in(project), IMAGES)
        JupyterHub(project.name, project, manifests, authority, "of the client", authority)

    return [resource.inputs for resource in declared(build) if resource.type.startswith("kubernetes:")]
