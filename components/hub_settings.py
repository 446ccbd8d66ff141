"""What a project's hub is told: plain data for a ConfigMap, read by the code in images/jupyterhub."""

import json
import re
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlencode

from components.hub_network import HUB_PORT, PROXY_API_PORT
from components.hub_sign_in import SignIn
from components.naming import service_host
from components.servers import MEMBER_FIELD, PORT, ServerKind, server_name
from stacks.profile import Profile
from workspaces.model import Member, Workspace

CALLBACK = "/hub/oauth_callback"
"""Where the issuer sends browsers back to; the client at the issuer must name it."""


def settings_json(workspace: Workspace, profile: Profile, sign_in: SignIn, kinds: list[ServerKind]) -> str:
    """The settings file, the same text for the same workspace.

    Args:
        workspace: the project.
        profile: the provider's capabilities.
        sign_in: its issuer.
        kinds: what its members may start.
    """
    content = {
        "project": workspace.name,
        "title": workspace.title,
        "state": workspace.state,
        "permit": {"reference": workspace.permit.reference, "expires": workspace.permit.expires.isoformat()},
        "contacts": contacts(workspace),
        "members": [_member(each) for each in workspace.working],
        "sign_in": {
            "title": sign_in.title,
            "client_id": sign_in.client_id,
            "authorize_url": sign_in.authorize_url,
            "token_url": sign_in.token_url,
            "userinfo_url": sign_in.userinfo_url,
            "callback_url": hub_url(workspace, profile, CALLBACK),
            "sign_out_url": _sign_out_url(workspace, profile, sign_in),
            "groups_claim": sign_in.groups_claim,
            "group": sign_in.group,
            "own_authority": sign_in.own_authority,
        },
        "servers": [{"name": kind.name, "title": kind.title, "pod": as_kubernetes(kind.pod)} for kind in kinds],
        "idle_minutes": workspace.idle_timeout_minutes,
        "public_url": hub_url(workspace, profile, "/"),
        "hub_url": f"https://{service_host('hub', workspace, profile)}:{HUB_PORT}",
        "proxy_api_url": f"https://{service_host('proxy-api', workspace, profile)}:{PROXY_API_PORT}",
        "server_url": f"https://{service_host(server_name(MEMBER_FIELD), workspace, profile)}:{PORT}",
    }
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _sign_out_url(workspace: Workspace, profile: Profile, sign_in: SignIn) -> str | None:
    """Where signing out of the hub leads: to the issuer, and back (OpenID Connect RP-Initiated Logout 1.0, §2)."""
    if sign_in.sign_out_url is None:
        return None
    back = {"client_id": sign_in.client_id, "post_logout_redirect_uri": hub_url(workspace, profile, "/")}
    return f"{sign_in.sign_out_url}?{urlencode(back)}"


def _member(member: Member) -> dict[str, str]:
    known = {"subject": member.subject} if member.subject else {}
    return {"name": member.name, "email": member.email, "role": member.role, **known}


def host_label(workspace: Workspace) -> str:
    """First label of the host under which browsers reach a project's hub."""
    return f"jupyter-{workspace.name}"


def hub_url(workspace: Workspace, profile: Profile, path: str) -> str:
    """Address of a page of a project's hub as a browser writes it."""
    return profile.gateway_url(host_label(workspace), path)


def contacts(workspace: Workspace) -> list[str]:
    """Whom somebody asks who is turned away: the project's leads, or all members where it names no lead."""
    leads = [member.email for member in workspace.working if member.role == "lead"]
    return leads or [member.email for member in workspace.members]


def as_kubernetes(node: object) -> object:
    """The typed arguments of an object as the Kubernetes API spells them: `run_as_user` is `runAsUser`.

    So is `exec_` `exec`, whose name Python keeps to itself. Keys of labels and annotations pass as they are, since none
    of them has an underscore before a letter.
    """
    if isinstance(node, Mapping):
        fields = cast("Mapping[str, object]", node)
        return {_spelled(key): as_kubernetes(value) for key, value in fields.items()}
    if isinstance(node, list):
        return [as_kubernetes(item) for item in cast("list[object]", node)]
    return node


def _spelled(key: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), key).removesuffix("_")
