"""A project's environment inside its partition: who may sign in, the hub that starts the tools, its own keys."""

from collections.abc import Mapping

import pulumi

from components.access import ProjectAccess, ToolAddresses
from components.hub_settings import CALLBACK, hub_url
from components.hub_sign_in import sign_in
from components.jupyterhub import JupyterHub, hub_manifests
from components.keys import ProjectKeys, key_manifests
from components.platform.layer import PlatformLayer
from stacks.profile import Profile
from workspaces.model import Workspace as Project
from workspaces.summary import Summary


class Workspace(pulumi.ComponentResource):
    """One research project's environment."""

    summary: Summary
    """Where its members find its tools."""

    def __init__(
        self,
        project: Project,
        profile: Profile,
        images: Mapping[str, str],
        platform: PlatformLayer,
        client_secret: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the environment.

        Args:
            project: the project; its name is the component's.
            profile: the provider's capabilities.
            images: references of the images, by name.
            platform: what it shares with the others.
            client_secret: of the project's client at an issuer that somebody else runs; None where the platform's own
                draws one.
            opts: usual resource options; they make it wait for its partition and for the kinds of Gateway API.
        """
        super().__init__("cloison:index:Workspace", project.name, {"title": project.title}, opts)
        manifests = hub_manifests(project, profile, sign_in(project, profile), images)
        secret = self._client_secret(project, profile, platform, client_secret)
        child = pulumi.ResourceOptions(parent=self)
        JupyterHub(project.name, project, manifests, platform.authority, secret, platform.gateway, child)
        after = pulumi.ResourceOptions(parent=self, depends_on=platform.keys.engines)
        ProjectKeys(f"{project.name}-keys", key_manifests(project, profile), platform.keys.server, after)
        self.summary = Summary.of(project, hub_url(project, profile, "/"))
        self.register_outputs({"url": hub_url(project, profile, "/")})

    def _client_secret(
        self, project: Project, profile: Profile, platform: PlatformLayer, given: pulumi.Input[str] | None
    ) -> pulumi.Input[str]:
        """What the hub proves itself with at the issuer.

        Raises:
            pulumi.RunError: somebody else runs the issuer, and the stack does not say what it gave the project.
        """
        if platform.realm:
            addresses = ToolAddresses(hub_url(project, profile, CALLBACK), hub_url(project, profile, "/"))
            after = pulumi.ResourceOptions(parent=self, depends_on=[platform.realm])
            return ProjectAccess(platform.realm, project, addresses, platform.accounts, after).client_secret
        if given is None:
            message = f"cloison:clientSecrets has no entry {project.name!r}; set the secret of its client at the issuer"
            raise pulumi.RunError(message)
        return given
