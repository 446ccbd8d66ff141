"""What a provider's cluster can do, as plain data that components ask.

No component knows which provider it runs on: it reads a capability here. The fields are those of the capability
record in the design's decision D3; a profile holds facts of one provider and nothing of any project.
"""

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from documents import InvalidDocumentsError, Problem, read_document, refused, validate


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)


class PodSelector(_Part):
    """Pods of the platform that workspaces exchange traffic with."""

    namespace: str = Field(description="Name of their namespace, matched by the label kubernetes.io/metadata.name.")
    pod_labels: dict[str, str] = Field(min_length=1, description="Labels that all of them carry.")


class PodSecurity(_Part):
    """Pod Security level that every project namespace enforces."""

    level: Literal["restricted"] = "restricted"
    version: str = Field(
        pattern=r"v1\.\d+", description="Version of the standard, pinned so that upgrades change none."
    )


class ApiServer(_Part):
    """Where pods find the Kubernetes API, as network policies see it: behind its Service, not at it."""

    cidrs: list[str] = Field(min_length=1, description="Address ranges of the API servers.")
    port: int = Field(ge=1, le=65535)


class Cluster(_Part):
    """Facts of the cluster itself."""

    kubeconfig: str | None = Field(
        description="File that says how to reach the cluster; null for the one that kubectl would use."
    )
    dns_domain: str = Field(description="Domain of the cluster's services.")
    dns: PodSelector = Field(description="The cluster's DNS servers.")
    pod_security: PodSecurity
    api_server: ApiServer


class VolumeClass(_Part):
    """A kind of volume the cluster provides."""

    storage_class: str = Field(description="Name of the StorageClass.")


class Storage(_Part):
    """Volumes by access mode."""

    rwo: VolumeClass = Field(description="Volumes that one node mounts at a time.")


class GatewayService(_Part):
    """The Service in front of the gateway's proxies."""

    type: Literal["ClusterIP", "LoadBalancer", "NodePort"]
    annotations: dict[str, str] = Field(
        default_factory=dict, description="What the provider's load balancer wants to be told."
    )
    replicas: int = Field(default=2, ge=1, le=9, description="Proxies behind the Service.")


class Gateway(_Part):
    """The way in from the outside: one gateway for the cluster, one host for each tool."""

    class_name: str | None = Field(description="The provider's own GatewayClass; null to install Envoy Gateway.")
    entry: PodSelector | None = Field(
        default=None,
        description="Pods that the provider's gateway sends from; null for those of Envoy Gateway, or where traffic "
        "enters on the pod's own node, which Kubernetes always admits.",
    )
    domain: str = Field(description="Hosts are one label below: <host>.<domain>.")
    port: int = Field(default=443, ge=1, le=65535, description="Port that browsers write.")
    service: GatewayService = GatewayService(type="LoadBalancer")
    certificate_secret: str | None = Field(
        default=None,
        description="Secret of type kubernetes.io/tls in the gateway's namespace, for *.<domain>, that something else "
        "keeps (an ACME client); null for a certificate of the stack's own authority.",
    )


class Exposure(_Part):
    """How a browser reaches the tools of a project."""

    gateway: Gateway


class Issuer(_Part):
    """An OpenID Connect issuer that somebody else runs."""

    title: str = Field(description="What the sign-in button says.")
    authorize_url: str = Field(pattern=r"https://.+", description="Where browsers are sent to sign in.")
    token_url: str = Field(pattern=r"https://.+", description="Where a hub exchanges a code for tokens.")
    userinfo_url: str = Field(pattern=r"https://.+", description="Where a hub asks who signed in.")
    sign_out_url: str | None = Field(
        default=None,
        pattern=r"https://.+",
        description="Where browsers end their session (OpenID Connect RP-Initiated Logout 1.0); null if it has no such "
        "page: who signs out of a hub is then still signed in at the issuer.",
    )
    groups_claim: str = Field(default="groups", description="Claim with the groups that somebody is a member of.")
    cidrs: list[str] = Field(min_length=1, description="Address ranges that hubs reach the issuer at.")
    port: int = Field(default=443, ge=1, le=65535)


class Identity(_Part):
    """Who says who somebody is."""

    issuer: Issuer | None = Field(description="The issuer of the stack; null to install Keycloak.")
    administration: str | None = Field(
        default=None,
        pattern=r"https://[^/]+",
        description="Address of the installed Keycloak's admin API as the machine that runs the program reaches it, "
        "never through the gateway; its certificate is made for that name.",
    )
    demonstration_accounts: bool = Field(
        default=False, description="Whether the members of workspaces get accounts. Never where people are real."
    )

    @model_validator(mode="after")
    def _administered(self) -> Self:
        if self.issuer is None and self.administration is None:
            raise refused("names neither an issuer nor how to administer Keycloak", "give `administration`")
        return self


class Seal(_Part):
    """What opens the key store when it starts (Vault and OpenBao: `seal`)."""

    type: Literal["shamir", "kmip", "transit", "pkcs11", "azurekeyvault", "awskms", "gcpckms", "ocikms"] = Field(
        description="shamir: the operators' shares, given by `cloison unseal`; every other opens it by itself."
    )
    settings: dict[str, str] = Field(default_factory=dict, description="The seal's own settings; nothing secret.")
    environment_secret: str | None = Field(
        default=None,
        description="Secret in the key store's namespace, kept by the operator, whose entries become variables of the "
        "server: what the seal needs and a file must not hold.",
    )
    cidrs: list[str] = Field(default_factory=list, description="Address ranges of what the seal asks, if it asks.")
    port: int = Field(default=443, ge=1, le=65535)
    shares: int = Field(default=5, ge=1, le=20, description="Shares that are handed out when it is initialised.")
    threshold: int = Field(default=3, ge=1, le=20, description="How many of them open it, or recover it.")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.threshold > self.shares:
            raise refused(
                f"asks for more shares than the {self.shares} there are",
                "lower it, or raise `shares`",
                at=("threshold",),
            )
        if self.shares > 1 and self.threshold == 1:
            raise refused("lets each holder of a share open it alone", "write 2 or more", at=("threshold",))
        if self.type == "shamir" and (self.settings or self.cidrs or self.environment_secret):
            raise refused("has settings, but `shamir` asks nobody", "remove them, or name the seal they are for")
        return self


class Keys(_Part):
    """Where the projects' keys are: a Vault that the program installs."""

    administration: str = Field(
        pattern=r"https://[^/]+",
        description="Address of its API as the machine that runs the program reaches it, never through the gateway; "
        "its certificate is made for that name.",
    )
    seal: Seal


class Registry(_Part):
    """Where the cluster finds the images that this project builds."""

    prefix: str = Field(description="Registry host and path, before the image's name.")


class Profile(_Part):
    """One provider."""

    name: str
    title: str
    cluster: Cluster
    storage: Storage
    exposure: Exposure
    identity: Identity
    keys: Keys
    registry: Registry

    def host(self, name: str) -> str:
        """Host name below the gateway's domain."""
        return f"{name}.{self.exposure.gateway.domain}"

    def gateway_url(self, name: str, path: str = "") -> str:
        """Address of a host of the gateway as a browser writes it.

        Args:
            name: the host's first label.
            path: begins with a slash, or nothing.
        """
        port = self.exposure.gateway.port
        return f"https://{self.host(name)}{'' if port == 443 else f':{port}'}{path}"


def load_profile(folder: Path, name: str) -> Profile:
    """Read one provider's profile.

    Args:
        folder: where the ``<name>.yaml`` files are.
        name: name of the provider.

    Raises:
        InvalidDocumentsError: there is no such profile, or it says something impossible.
    """
    file = folder / f"{name}.yaml"
    if not file.exists():
        known = ", ".join(sorted(profile.stem for profile in folder.glob("*.yaml")))
        raise InvalidDocumentsError([Problem(file, 0, "", "", "there is no such profile", f"use one of: {known}")])
    result = validate(Profile, read_document(file), {})
    if isinstance(result, Profile):
        return result
    raise InvalidDocumentsError(result)
