"""The program: read where and who, declare a workspace for each project, export the addresses.

Run by `pulumi up` or by the embedded engine; `cloison up` chooses whichever is there.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pulumi
from pulumi_kubernetes import Provider

from components.workspace import Workspace
from documents import InvalidDocumentsError
from images.references import image_reference
from stacks.profile import load_profile
from workspaces.loading import load_workspaces

ROOT = Path(__file__).parent

config = pulumi.Config()
try:
    profile = load_profile(ROOT / "stacks" / "profiles", config.require("profile"))
    projects = load_workspaces(ROOT / "workspaces", datetime.now(UTC).date())
except InvalidDocumentsError as error:
    raise pulumi.RunError(str(error)) from error

# Every option on which behaviour hangs is stated, so that whichever engine runs the program does the same.
cluster = Provider(
    "cluster",
    kubeconfig=profile.cluster.kubeconfig,
    enable_server_side_apply=True,
    enable_config_map_mutable=True,
    enable_secret_mutable=True,
    upsert_existing_objects=False,
)
images = {"jupyterlab": image_reference("jupyterlab", profile.registry.prefix)}
workspaces = [Workspace(project, profile, images, pulumi.ResourceOptions(providers=[cluster])) for project in projects]
pulumi.export("urls", [asdict(address) for workspace in workspaces for address in workspace.addresses])
pulumi.export("tokens", {url: token for workspace in workspaces for url, token in workspace.tokens.items()})
