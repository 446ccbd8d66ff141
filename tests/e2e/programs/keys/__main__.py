"""A key store, and in it the keys of some projects with nothing but their walls."""

import datetime as dt
from pathlib import Path

import pulumi
from pulumi_kubernetes import Provider

from components.certificates import CertificateAuthority
from components.keys import ProjectKeys, key_manifests
from components.partition import Partition
from components.platform.namespaces import PlatformNamespace
from components.platform.vault import NAMESPACE, PART, KeyStore, key_store_manifests
from stacks.profile import load_profile
from workspaces.model import Workspace

config = pulumi.Config()
profile = load_profile(Path(config.require("profiles")), "local")
cluster = Provider("cluster", kubeconfig=profile.cluster.kubeconfig, enable_server_side_apply=True)
on_cluster = pulumi.ResourceOptions(providers=[cluster])

authority = CertificateAuthority("authority", "Cloison tests")
namespace = PlatformNamespace(NAMESPACE, PART, profile, on_cluster)
ready = pulumi.ResourceOptions(providers=[cluster], depends_on=[namespace])
store = KeyStore("key-store", key_store_manifests(profile, config.require("image")), authority, ready)

today = dt.datetime.now(dt.UTC).date()
for name, state in config.require_object("projects").items():
    project = Workspace.model_validate(
        {
            "name": name,
            "title": f"The study {name}",
            "data_class": "synthetic",
            "permit": {"reference": "TEST", "expires": today},
            "members": [{"name": "ada", "email": "ada@lab.example", "role": "lead"}],
            "tools": {"jupyterlab": {}},
            "state": state,
        },
        context={"today": today},
    )
    Partition(name, project, profile, on_cluster)
    after = pulumi.ResourceOptions(depends_on=store.engines)
    ProjectKeys(f"{name}-keys", key_manifests(project, profile), store.server, after)

pulumi.export("authority", authority.certificate)
pulumi.export("signs", store.authority.certificate)
