"""A whole workspace: the partition and, inside it, the tools that the workspace file names."""

from collections.abc import Mapping

import pulumi

from components import jupyterlab
from components.jupyterlab import JupyterLab
from components.partition import Partition
from stacks.profile import Profile
from workspaces.address import Address
from workspaces.model import Member
from workspaces.model import Workspace as Project


class Workspace(pulumi.ComponentResource):
    """One research project's environment."""

    addresses: list[Address]
    """Every tool of every member."""
    tokens: dict[str, pulumi.Output[str]]
    """What members sign in with, by address; secret."""

    def __init__(
        self,
        project: Project,
        profile: Profile,
        images: Mapping[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the workspace.

        Args:
            project: the project; its name is the component's.
            profile: the provider's capabilities.
            images: references of the tools' images, by tool.
            opts: usual resource options; the Kubernetes provider comes with them.
        """
        super().__init__("cloison:index:Workspace", project.name, {"title": project.title}, opts)
        self.addresses, self.tokens = [], {}
        partition = Partition(project.name, project, profile, pulumi.ResourceOptions(parent=self))
        for member in project.members:
            self._jupyterlab(project, member, profile, images, partition)
        self.register_outputs({"urls": [address.url for address in self.addresses]})

    def _jupyterlab(
        self, project: Project, member: Member, profile: Profile, images: Mapping[str, str], partition: Partition
    ) -> None:
        tool = project.tools.jupyterlab
        if tool is None:
            return
        manifests = jupyterlab.server_manifests(project, tool, member, profile, images[jupyterlab.TOOL])
        within = pulumi.ResourceOptions(parent=self, depends_on=[partition])
        server = JupyterLab(f"{project.name}-{member.name}", manifests, within)
        url = jupyterlab.sign_in_url(project, member, profile)
        self.addresses.append(Address(project.name, jupyterlab.TOOL, member.name, url))
        self.tokens[url] = server.token
