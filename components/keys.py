"""A project's own keys: what the hub holds of it, and the provider does not (design D7; SecNumCloud 3.2 §10.1.b).

One key that encrypts for the project and never leaves the key store, one folder of secrets, one role of the authority
for the names of its servers, and one identity: the pods of its namespace, by their service accounts. The identity's
policy names the project's own paths in full, so that it opens nothing of another's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.naming import namespace_name
from components.partition import SERVICE_ACCOUNT
from components.vault_objects import SecretFolder, TransitKey
from components.vault_operator import policy_text
from components.vault_resource import KeyStoreObject, KeyStoreServer
from stacks.profile import Profile
from workspaces.model import Workspace

AUDIENCE = "vault"
"""Whom a pod's token must be made out to, to be good for signing in (RFC 7519 §4.1.3)."""
ROTATION_SECONDS = 90 * 24 * 3600
"""How often a project's key gets a new version; older ones still decrypt. Ninety days, well inside the two years after
which NIST SP 800-57 part 1 §5.3.6 wants a symmetric key renewed."""
CERTIFICATE_SECONDS = 72 * 3600
"""Longest life of a certificate of a project's server; servers renew theirs themselves."""
TOKEN_SECONDS = 15 * 60
"""How long a pod's session with the key store lasts without being renewed: what it was lent ends with it."""
SECRET_VERSIONS = 10

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class KeyManifests:
    """What a key store holds of a project, by path."""

    name: str
    """Of its key, roles and policy: what is the project's begins with it."""
    key: Settings
    folder: Settings
    certificates: Settings
    rights: Mapping[str, Sequence[str]]
    sign_in: Settings
    protect: bool
    """Whether its key must not be destroyed: until the project has ended."""


def key_manifests(workspace: Workspace, profile: Profile) -> KeyManifests:
    """Build what a key store holds of a project.

    Args:
        workspace: the project.
        profile: the provider's capabilities.
    """
    name, namespace = f"project-{workspace.name}", namespace_name(workspace)
    ended = workspace.state == "ended"
    return KeyManifests(
        name=name,
        key=_key(deletion_allowed=ended),
        folder={"custom_metadata": {"project": workspace.name}, "max_versions": SECRET_VERSIONS},
        certificates=_certificates(f"{namespace}.svc.{profile.cluster.dns_domain}"),
        rights=rights(name),
        sign_in=_sign_in(name, namespace),
        protect=not ended,
    )


def rights(name: str) -> dict[str, Sequence[str]]:
    """What a project's identity may do, by path; `name` is the project's in the key store."""
    use = {f"transit/{verb}/{name}": ("update",) for verb in ("encrypt", "decrypt", "rewrap", "datakey/plaintext")}
    return {
        **use,
        f"pki/issue/{name}": ("update",),
        f"kv/data/{name}/*": ("create", "read", "update", "delete"),
        f"kv/metadata/{name}/*": ("list", "read", "delete"),
    }


def _key(*, deletion_allowed: bool) -> Settings:
    return {
        "type": "aes256-gcm96",
        "exportable": False,
        "allow_plaintext_backup": False,
        "auto_rotate_period": ROTATION_SECONDS,
        "deletion_allowed": deletion_allowed,
    }


def _certificates(domain: str) -> Settings:
    """Servers of the project's namespace and no other: exact subdomains, on the curve that the stack uses elsewhere."""
    return {
        "allowed_domains": [domain],
        "allow_subdomains": True,
        "allow_bare_domains": False,
        "allow_glob_domains": False,
        "allow_wildcard_certificates": False,
        "allow_localhost": False,
        "allow_ip_sans": False,
        "require_cn": False,
        "server_flag": True,
        "client_flag": False,
        "key_type": "ec",
        "key_bits": 256,
        "ttl": CERTIFICATE_SECONDS,
        "max_ttl": CERTIFICATE_SECONDS,
    }


def _sign_in(policy: str, namespace: str) -> Settings:
    return {
        "bound_service_account_names": [SERVICE_ACCOUNT],
        "bound_service_account_namespaces": [namespace],
        "audience": AUDIENCE,
        "alias_name_source": "serviceaccount_uid",
        "token_policies": [policy],
        "token_period": TOKEN_SECONDS,
    }


class ProjectKeys(pulumi.ComponentResource):
    """What the key store holds of one project."""

    def __init__(
        self,
        name: str,
        manifests: KeyManifests,
        server: KeyStoreServer,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it.

        Args:
            name: logical name of the component, unique in the stack.
            manifests: what `key_manifests` built.
            server: the key store.
            opts: usual resource options; they make it wait for the key store's engines.
        """
        super().__init__("cloison:index:ProjectKeys", name, {"name": manifests.name}, opts)
        child = pulumi.ResourceOptions(parent=self)
        kept = pulumi.ResourceOptions(parent=self, protect=manifests.protect)
        own = manifests.name
        TransitKey(f"{name}-key", server, f"transit/keys/{own}", manifests.key, kept)
        SecretFolder(f"{name}-secrets", server, f"kv/metadata/{own}", manifests.folder, kept)
        KeyStoreObject(f"{name}-certificates", server, f"pki/roles/{own}", manifests.certificates, child)
        policy = {"policy": policy_text(manifests.rights)}
        granted = KeyStoreObject(f"{name}-policy", server, f"sys/policies/acl/{own}", policy, child)
        # After its policy: for a moment without it the identity would sign in to nothing.
        after = pulumi.ResourceOptions(parent=self, depends_on=[granted])
        KeyStoreObject(f"{name}-sign-in", server, f"auth/kubernetes/role/{own}", manifests.sign_in, after)
        self.register_outputs({"name": own})
