"""Certificates of the platform's own: an authority for each stack and what it signs for servers in the cluster.

They are resources like any other: shown in the preview, kept in the state with their keys encrypted, and renewed by
the first `up` after their time has come. Providers are written for Pulumi's dynamic host, which finds them by their
import path; they hold nothing and import what they need when they are called.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult


class AuthorityProvider(ResourceProvider):
    """Issues certificate authorities; a renewed one keeps its key, so what it signed stays valid."""

    serialize_as_secret_always = False

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Another name is another authority; time alone renews."""
        from components.issuing import AUTHORITY_RENEWAL

        renamed = _olds["common_name"] != _news["common_name"]
        ends = ends_within(_olds["not_after"], AUTHORITY_RENEWAL)
        return DiffResult(changes=renamed or ends, replaces=["common_name"] if renamed else [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make an authority with a new key."""
        outputs = self._issue(props, None)
        return CreateResult(outputs["serial"], outputs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Renew an authority with the key it has."""
        return UpdateResult(self._issue(_news, _olds["private_key"]))

    def _issue(self, props: dict[str, Any], private_key: str | None) -> dict[str, Any]:
        from components.issuing import issue_authority

        pair = issue_authority(props["common_name"], current_time(), private_key)
        return {"common_name": props["common_name"], **_outputs(pair)}


class CertificateProvider(ResourceProvider):
    """Issues server certificates; each issue has a new key."""

    serialize_as_secret_always = False

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Another name, purpose or authority is issued anew in place, as is what nears its end."""
        from components.issuing import CERTIFICATE_RENEWAL

        asked = ("dns_names", "client", "authority_certificate")
        changed = any(_olds[key] != _news[key] for key in asked)
        return DiffResult(changes=changed or ends_within(_olds["not_after"], CERTIFICATE_RENEWAL))

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Issue a certificate."""
        outputs = self._issue(props)
        return CreateResult(outputs["serial"], outputs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Issue it anew."""
        return UpdateResult(self._issue(_news))

    def _issue(self, props: dict[str, Any]) -> dict[str, Any]:
        from components.issuing import KeyPair, issue_certificate

        authority = KeyPair(props["authority_certificate"], props["authority_private_key"])
        pair = issue_certificate(props["dns_names"], props["client"], authority, current_time())
        # What signed it is not repeated among the outputs: whoever reads this certificate's key learns no more.
        return {key: props[key] for key in ("dns_names", "client", "authority_certificate")} | _outputs(pair)


def current_time() -> dt.datetime:
    """The time by which certificates are issued and renewed."""
    return dt.datetime.now(dt.UTC)


def ends_within(not_after: str, time_left: dt.timedelta) -> bool:
    """Whether a moment, ISO 8601, is nearer than that."""
    return dt.datetime.fromisoformat(not_after) - current_time() < time_left


def _outputs(pair: Any) -> dict[str, Any]:
    return {
        "certificate": pair.certificate,
        "private_key": pair.private_key,
        "serial": pair.serial,
        "not_after": pair.not_after,
    }


class CertificateAuthority(Resource, module="certificates", name="CertificateAuthority"):
    """A certificate authority that signs for servers and nothing else."""

    certificate: pulumi.Output[str]
    """PEM; what clients trust."""
    private_key: pulumi.Output[str]
    """PEM; secret."""
    not_after: pulumi.Output[str]
    """Moment of expiry, ISO 8601."""

    def __init__(self, name: str, common_name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare an authority.

        Args:
            name: logical name, unique in the stack.
            common_name: how people recognise it, at most 64 characters. Another name makes another authority.
            opts: usual resource options.
        """
        super().__init__(AuthorityProvider(), name, {"common_name": common_name, **_NOT_YET}, _with_secret_key(opts))
        self.private_key = pulumi.Output.secret(self.private_key)


class Certificate(Resource, module="certificates", name="Certificate"):
    """A server's certificate."""

    certificate: pulumi.Output[str]
    """PEM."""
    private_key: pulumi.Output[str]
    """PEM; secret."""
    authority_certificate: pulumi.Output[str]
    """PEM of the authority that signed it; what its clients trust."""
    not_after: pulumi.Output[str]
    """Moment of expiry, ISO 8601."""

    def __init__(
        self,
        name: str,
        authority: CertificateAuthority,
        dns_names: Sequence[str],
        client: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a certificate.

        Args:
            name: logical name, unique in the stack.
            authority: who signs it.
            dns_names: every name the server answers to; a wildcard stands for one label.
            client: whether the server also shows it where it is a client itself (mutual TLS).
            opts: usual resource options.
        """
        asked = {
            "dns_names": list(dns_names),
            "client": client,
            "authority_certificate": authority.certificate,
            "authority_private_key": authority.private_key,
        }
        super().__init__(CertificateProvider(), name, {**asked, **_NOT_YET}, _with_secret_key(opts))
        self.private_key = pulumi.Output.secret(self.private_key)


_NOT_YET = {"certificate": None, "private_key": None, "not_after": None}
"""Outputs are declared as inputs without a value: that is how a dynamic resource gets its attributes."""


def _with_secret_key(opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["private_key"]))
