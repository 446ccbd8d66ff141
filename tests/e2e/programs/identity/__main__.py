"""Keycloak behind the gateway, and a realm with the people of some projects."""

import datetime as dt
import os
from pathlib import Path

import pulumi
from pulumi_kubernetes import Provider

from components.access import ProjectAccess, SignInRealm, ToolAddresses, demonstration_accounts
from components.certificates import CertificateAuthority
from components.platform.definitions import KINDS, Definitions
from components.platform.gateway import Gateway, gateway_manifests
from components.platform.identity import NAMESPACE, PART, REALM, Identity, identity_manifests
from components.platform.namespaces import PlatformNamespace
from components.realm_accounts import User
from components.realm_api import SECRET_VARIABLE
from images.definitions import custom_resource_definitions
from stacks.profile import load_profile
from workspaces.model import Workspace

config = pulumi.Config()
images = config.require_object("images")
profile = load_profile(Path(config.require("profiles")), "local")
cluster = Provider(
    "cluster",
    kubeconfig=profile.cluster.kubeconfig,
    enable_server_side_apply=True,
    enable_secret_mutable=True,
    enable_config_map_mutable=True,
)
on_cluster = pulumi.ResourceOptions(providers=[cluster])

today = dt.datetime.now(dt.UTC).date()
projects = [
    Workspace.model_validate(
        {
            "name": name,
            "title": f"The study {name}",
            "data_class": "synthetic",
            "permit": {"reference": "TEST", "expires": today},
            "members": [
                {"name": "ada", "email": "ada@lab.example", "role": "lead"},
                {"name": "ben", "email": f"ben@{name}.example", "role": "researcher"},
            ],
            "tools": {"jupyterlab": {}},
        },
        context={"today": today},
    )
    for name in config.require_object("projects")
]

authority = CertificateAuthority("authority", "Cloison tests")
definitions = Definitions("definitions", custom_resource_definitions(KINDS), on_cluster)
namespace = PlatformNamespace(NAMESPACE, PART, profile, on_cluster)
ready = pulumi.ResourceOptions(providers=[cluster], depends_on=[definitions, namespace])

gateway = Gateway("gateway", profile, gateway_manifests(profile, images, [NAMESPACE]), authority, ready)
manifests = identity_manifests(profile, images["keycloak"])
identity = Identity("identity", manifests, authority, os.environ[SECRET_VARIABLE], gateway, ready)

after = pulumi.ResourceOptions(depends_on=[identity])
realm = SignInRealm(REALM, identity.administration, "Cloison", protect=manifests.protect, opts=after)
accounts = demonstration_accounts(realm, projects)
outsider = config.require("outsider")
within = pulumi.ResourceOptions(parent=realm, depends_on=[realm.projects])
accounts[outsider] = User(outsider, realm.server, realm.realm, outsider, opts=within)

secrets: dict[str, pulumi.Output[str]] = {}
for project in projects:
    host = profile.gateway_url(f"jupyter-{project.name}")
    addresses = ToolAddresses(f"{host}/hub/oauth_callback", f"{host}/")
    access = ProjectAccess(realm, project, addresses, accounts, pulumi.ResourceOptions(depends_on=[realm]))
    secrets[project.name] = access.client_secret

pulumi.export("authority", authority.certificate)
pulumi.export("issuer", manifests.issuer.public)
pulumi.export("client_secrets", secrets)
pulumi.export("first_passwords", {address: account.first_password for address, account in accounts.items()})
