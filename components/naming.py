"""Names and labels that the parts of a workspace share."""

from stacks.profile import Profile
from workspaces.model import Workspace

PROJECT_LABEL = "cloison/project"
DATA_CLASS_LABEL = "cloison/data-class"
PERMIT_EXPIRES_LABEL = "cloison/permit-expires"
PERMIT_REFERENCE_ANNOTATION = "cloison/permit-reference"
TITLE_ANNOTATION = "cloison/title"
MEMBER_LABEL = "cloison/member"


def namespace_name(workspace: Workspace) -> str:
    """Namespace of a project; the prefix keeps it apart from every namespace of the cluster's own."""
    return f"project-{workspace.name}"


def service_host(service: str, workspace: Workspace, profile: Profile) -> str:
    """Host name of one of the project's Services inside the cluster."""
    return f"{service}.{namespace_name(workspace)}.svc.{profile.cluster.dns_domain}"


def project_labels(workspace: Workspace) -> dict[str, str]:
    """Labels on every object of a project."""
    return {PROJECT_LABEL: workspace.name, "app.kubernetes.io/part-of": workspace.name}
