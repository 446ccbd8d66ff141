"""Names and labels that the parts of a workspace share."""

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


def project_labels(workspace: Workspace) -> dict[str, str]:
    """Labels on every object of a project."""
    return {PROJECT_LABEL: workspace.name, "app.kubernetes.io/part-of": workspace.name}
