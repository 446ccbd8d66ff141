"""Which images a stack runs."""

from collections.abc import Iterable

from stacks.profile import Profile
from workspaces.model import Workspace


def needed_images(profile: Profile, projects: Iterable[Workspace]) -> list[str]:
    """Names of the images that a stack's cluster must have.

    Args:
        profile: the provider's capabilities; what the provider brings needs no image.
        projects: the workspaces.
    """
    names = {"jupyterhub", "vault"}
    if profile.exposure.gateway.class_name is None:
        names |= {"envoy", "envoy-gateway"}
    if profile.identity.issuer is None:
        names.add("keycloak")
    for project in projects:
        names |= set(project.tools.named())
    return sorted(names)
