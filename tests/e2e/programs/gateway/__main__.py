"""The gateway, and behind it a server that says what it was asked."""

from pathlib import Path

import pulumi
from pulumi_kubernetes import Provider
from pulumi_kubernetes.apps.v1 import Deployment, DeploymentSpecArgsDict
from pulumi_kubernetes.core.v1 import Service, ServiceSpecArgsDict

from components.certificates import Certificate, CertificateAuthority
from components.platform.definitions import KINDS, Definitions
from components.platform.gateway import Gateway, gateway_manifests
from components.platform.namespaces import PlatformNamespace, platform_metadata
from components.platform.routes import ROUTED_LABELS, ROUTED_PORT, Backend, Route, route_manifests
from components.platform.secrets import tls_secret
from images.definitions import custom_resource_definitions
from stacks.profile import load_profile

NAMESPACE, PART, NAME = "platform-echo", "echo", "echo"

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

authority = CertificateAuthority("authority", "Cloison tests")
definitions = Definitions("definitions", custom_resource_definitions(KINDS), on_cluster)
namespace = PlatformNamespace(NAMESPACE, PART, profile, on_cluster)
inside = pulumi.ResourceOptions(provider=cluster, depends_on=[namespace])

Gateway(
    "gateway",
    profile,
    gateway_manifests(profile, images, [NAMESPACE]),
    authority,
    pulumi.ResourceOptions(providers=[cluster], depends_on=[definitions, namespace]),
)

backend = Backend(NAME, NAMESPACE, profile.cluster.dns_domain, {"app.kubernetes.io/name": NAME})
metadata = platform_metadata(NAME, NAMESPACE, PART)
labels = {"app.kubernetes.io/name": NAME, **ROUTED_LABELS}
certificate = tls_secret(NAME, metadata, Certificate(NAME, authority, [backend.host]), inside)
server: DeploymentSpecArgsDict = {
    "selector": {"match_labels": labels},
    "template": {
        "metadata": {"labels": labels},
        "spec": {
            "automount_service_account_token": False,
            "security_context": {
                "run_as_non_root": True,
                "run_as_user": 65534,
                "seccomp_profile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": NAME,
                    "image": images["agnhost"],
                    "args": [
                        "netexec",
                        f"--http-port={ROUTED_PORT}",
                        "--udp-port=-1",
                        "--tls-cert-file=/certificate/tls.crt",
                        "--tls-private-key-file=/certificate/tls.key",
                    ],
                    "security_context": {
                        "allow_privilege_escalation": False,
                        "read_only_root_filesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volume_mounts": [{"name": "certificate", "mount_path": "/certificate", "read_only": True}],
                }
            ],
            "volumes": [{"name": "certificate", "secret": {"secret_name": NAME}}],
        },
    },
}
Deployment(
    NAME, metadata=metadata, spec=server, opts=pulumi.ResourceOptions(provider=cluster, depends_on=[certificate])
)
front: ServiceSpecArgsDict = {"selector": labels, "ports": [{"name": "https", "port": 443, "target_port": ROUTED_PORT}]}
Service(NAME, metadata=metadata, spec=front, opts=inside)
Route(
    NAME,
    route_manifests(NAME, backend, profile, ["/hostname", "/echo", "/header"]),
    authority,
    pulumi.ResourceOptions(providers=[cluster], depends_on=[namespace, definitions]),
)
pulumi.export("authority", authority.certificate)
pulumi.export("url", profile.gateway_url(NAME))
