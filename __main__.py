"""The program: read where and who, declare the platform and a workspace for each project, export the addresses.

Run by `pulumi up` or by the embedded engine; `cloison up` chooses whichever is there.
"""

import os
from datetime import UTC, datetime
from pathlib import Path

import pulumi
from pulumi_kubernetes import Provider

from components.images import needed_images
from components.partition import Partition
from components.platform.definitions import KINDS
from components.platform.layer import PlatformLayer, platform_manifests
from components.realm_api import SECRET_VARIABLE
from components.workspace import Workspace
from documents import InvalidDocumentsError
from images.definitions import custom_resource_definitions
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
on_cluster = pulumi.ResourceOptions(providers=[cluster])
images = {name: image_reference(name, profile.registry.prefix) for name in needed_images(profile, projects)}
definitions = custom_resource_definitions(KINDS) if profile.exposure.gateway.class_name is None else []

# Walls first: the gateway is given rights in every project's namespace, then takes up the routes in them.
partitions = {project.name: Partition(project.name, project, profile, on_cluster) for project in projects}
platform = PlatformLayer(
    "platform",
    profile,
    platform_manifests(profile, images, definitions, projects),
    partitions,
    projects,
    config.get_secret("identityAdministrator") or os.environ.get(SECRET_VARIABLE),
    on_cluster,
)
client_secrets = config.get_object("clientSecrets") or {}
workspaces = [
    Workspace(
        project,
        profile,
        images,
        platform,
        client_secrets.get(project.name),
        pulumi.ResourceOptions(providers=[cluster], depends_on=[partitions[project.name], platform.definitions]),
    )
    for project in projects
]
pulumi.export("projects", [workspace.summary.as_dict() for workspace in workspaces])
pulumi.export("authority", platform.authority.certificate)
first_passwords = {address: account.first_password for address, account in platform.accounts.items()}
pulumi.export("first_passwords", pulumi.Output.secret(first_passwords))
