"""Certificates inside a project: every connection is TLS, both ends show one, and clients verify the host's name.

| from | to | the client verifies | the server verifies |
| --- | --- | --- | --- |
| gateway | proxy | authority, `proxy.<namespace>` | nothing: people sign in |
| proxy | hub, its pages and API | authority, `hub.<namespace>` | authority |
| proxy | a member's server | authority, `server-<member>.<namespace>` | authority |
| hub | the proxy's API | authority, `proxy-api.<namespace>` | authority, and the token |
| hub | a member's server | authority, `server-<member>.<namespace>` | authority |
| a member's server | hub | authority, `hub.<namespace>` | authority, and the server's token |

The authority is the stack's own and no other. It signs for all projects, so a client must verify the name, and a
server that verifies the authority alone keeps out who has no certificate of the stack, no more: who may connect at all
is the network policies' matter, and what a connection may do the tokens'. This is JupyterHub's internal TLS without its
own authorities: those would lie on the hub's volume, and the hub would need rights on Secrets and Services.

A member's code runs as the same user as their server and can read its key. With it they can be no more than they are.
"""

from dataclasses import dataclass

from pulumi_kubernetes.core.v1 import KeyToPathArgsDict, ServiceSpecArgsDict, VolumeArgsDict, VolumeMountArgsDict

from components import servers
from components.manifests import Manifest
from components.naming import MEMBER_LABEL, namespace_name, service_host
from components.probes import TlsFiles
from stacks.profile import Profile
from workspaces.model import Workspace

HUB_SECRET, PROXY_SECRET, PROXY_API_SECRET = "hub-tls", "proxy-tls", "proxy-api-tls"
"""Names of Secrets."""

HUB_FOLDER = "/run/secrets/internal-ssl"
HUB_AUTHORITY = f"{HUB_FOLDER}/hub-ca/hub-ca.crt"
HUB_CERTIFICATE = TlsFiles(
    f"{HUB_FOLDER}/hub-internal/hub-internal.crt", f"{HUB_FOLDER}/hub-internal/hub-internal.key", HUB_AUTHORITY
)
_HUB_LAYOUT: list[KeyToPathArgsDict] = [
    {"key": "tls.key", "path": "hub-internal/hub-internal.key"},
    {"key": "tls.crt", "path": "hub-internal/hub-internal.crt"},
    {"key": "ca.crt", "path": "hub-ca/hub-ca.crt"},
]
"""As JupyterHub's own internal TLS lays its folder out: the idle culler reads these paths and no others."""


@dataclass(frozen=True)
class Identity:
    """One certificate of a project, in a Secret of its own."""

    secret: str
    host: str
    """The name it is for."""
    client: bool
    """Whether its holder also connects with it."""


def identities(workspace: Workspace, profile: Profile) -> list[Identity]:
    """Every certificate of a project; a member who left has none."""
    return [
        Identity(HUB_SECRET, service_host("hub", workspace, profile), client=True),
        Identity(PROXY_SECRET, service_host("proxy", workspace, profile), client=False),
        Identity(PROXY_API_SECRET, service_host("proxy-api", workspace, profile), client=True),
        *(_of_server(member.name, workspace, profile) for member in workspace.working),
    ]


def _of_server(member: str, workspace: Workspace, profile: Profile) -> Identity:
    host = service_host(servers.server_name(member), workspace, profile)
    return Identity(servers.secret_name(member), host, client=True)


def server_services(workspace: Workspace) -> list[Manifest[ServiceSpecArgsDict]]:
    """The name of each member's server: an address changes with each start, and no certificate could name it."""
    return [_server_service(workspace, member.name) for member in workspace.working]


def _server_service(workspace: Workspace, member: str) -> Manifest[ServiceSpecArgsDict]:
    labels = {**servers.server_labels(workspace), MEMBER_LABEL: member}
    return Manifest(
        {"name": servers.server_name(member), "namespace": namespace_name(workspace), "labels": labels},
        {
            "type": "ClusterIP",
            "selector": labels,
            "ports": [{"name": "main", "port": servers.PORT, "target_port": servers.PORT, "protocol": "TCP"}],
            # The node's rules follow a pod's readiness by up to a second, which whoever pressed Start would wait.
            "publish_not_ready_addresses": True,
        },
    )


def hub_volume(mode: int) -> VolumeArgsDict:
    """The hub's certificate as JupyterHub looks for it."""
    return {
        "name": "internal-ssl",
        "secret": {"secret_name": HUB_SECRET, "default_mode": mode, "items": _HUB_LAYOUT},
    }


HUB_MOUNT: VolumeMountArgsDict = {"name": "internal-ssl", "mount_path": HUB_FOLDER, "read_only": True}
