import base64
import datetime as dt
import ssl
import tempfile
from typing import Any

import dill
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from pulumi.dynamic import ResourceProvider
from pulumi.dynamic.dynamic import serialize_provider

from components import certificates
from components.certificates import AuthorityProvider, Certificate, CertificateAuthority, CertificateProvider
from components.issuing import (
    AUTHORITY_LIFE,
    AUTHORITY_RENEWAL,
    CERTIFICATE_LIFE,
    CERTIFICATE_RENEWAL,
    KeyPair,
    issue_authority,
    issue_certificate,
)
from tests.components.rendering import declared

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
HUB = "hub.project-cohort.svc.cluster.local"
AUTHORITY = issue_authority("Cloison test", NOW)


def _x509(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.encode())


def _extension(pair: KeyPair, kind: type) -> Any:
    return _x509(pair).extensions.get_extension_for_class(kind).value


def _later(monkeypatch: pytest.MonkeyPatch, moment: dt.datetime) -> None:
    monkeypatch.setattr(certificates, "current_time", lambda: moment)


def _asked(**changes: object) -> dict[str, Any]:
    return {
        "dns_names": [HUB],
        "client": False,
        "authority_certificate": AUTHORITY.certificate,
        "authority_private_key": AUTHORITY.private_key,
        **changes,
    }


def test_a_certificate_is_signed_by_its_authority_for_its_names() -> None:
    pair = issue_certificate([HUB, "hub"], False, AUTHORITY, NOW)
    _x509(pair).verify_directly_issued_by(_x509(AUTHORITY))
    assert _extension(pair, x509.SubjectAlternativeName).get_values_for_type(x509.DNSName) == [HUB, "hub"]


def test_a_certificate_belongs_to_its_key() -> None:
    pair = issue_certificate([HUB], False, AUTHORITY, NOW)
    key: Any = serialization.load_pem_private_key(pair.private_key.encode(), password=None)
    assert key.public_key() == _x509(pair).public_key()
    assert key.curve.name == "secp256r1"


def test_an_authority_signs_certificates_and_no_other_authority() -> None:
    constraints = _extension(AUTHORITY, x509.BasicConstraints)
    assert (constraints.ca, constraints.path_length) == (True, 0)
    assert _extension(issue_certificate([HUB], False, AUTHORITY, NOW), x509.BasicConstraints).ca is False


@pytest.mark.parametrize(("client", "purposes"), [(False, {"serverAuth"}), (True, {"serverAuth", "clientAuth"})])
def test_a_certificate_says_what_it_may_be_used_for(client: bool, purposes: set[str]) -> None:
    usage = _extension(issue_certificate([HUB], client, AUTHORITY, NOW), x509.ExtendedKeyUsage)
    assert {purpose._name for purpose in usage} == purposes


def test_a_renewed_authority_vouches_for_what_the_old_one_signed() -> None:
    old = issue_certificate([HUB], False, AUTHORITY, NOW)
    renewed = issue_authority("Cloison test", NOW + dt.timedelta(days=3000), AUTHORITY.private_key)
    _x509(old).verify_directly_issued_by(_x509(renewed))
    assert renewed.certificate != AUTHORITY.certificate


def test_nothing_outlives_its_authority() -> None:
    assert AUTHORITY_RENEWAL > CERTIFICATE_LIFE


def test_openssl_accepts_what_is_issued() -> None:
    """An in-memory handshake with a client that verifies chain and name strictly."""
    authority = issue_authority("Cloison test", dt.datetime.now(dt.UTC))
    pair = issue_certificate([f"*.{HUB}"], False, authority, dt.datetime.now(dt.UTC))
    assert _handshake(authority, pair, f"jupyter.{HUB}") == "TLSv1.3"


def test_openssl_refuses_another_name() -> None:
    authority = issue_authority("Cloison test", dt.datetime.now(dt.UTC))
    pair = issue_certificate([HUB], False, authority, dt.datetime.now(dt.UTC))
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        _handshake(authority, pair, "hub.project-other.svc.cluster.local")


def _handshake(authority: KeyPair, pair: KeyPair, name: str) -> str | None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.create_default_context(cadata=authority.certificate)
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    client = trusting.wrap_bio(to_client, to_server, server_hostname=name)
    server = _server_context(pair).wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return client.version()


def _server_context(pair: KeyPair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(pair.certificate + pair.private_key)
        file.flush()
        context.load_cert_chain(file.name)
    return context


@pytest.mark.parametrize(("left", "changes"), [(dt.timedelta(1), False), (-dt.timedelta(1), True)])
def test_a_certificate_is_renewed_thirty_days_before_its_end(
    monkeypatch: pytest.MonkeyPatch, left: dt.timedelta, changes: bool
) -> None:
    created = CertificateProvider().create(_asked()).outs or {}
    ends = dt.datetime.fromisoformat(created["not_after"])
    _later(monkeypatch, ends - CERTIFICATE_RENEWAL - left)
    assert CertificateProvider().diff("", created, _asked()).changes is changes


@pytest.mark.parametrize(
    "change", [{"dns_names": [HUB, "hub"]}, {"client": True}, {"authority_certificate": "another"}], ids=str
)
def test_a_certificate_is_issued_anew_in_place_when_asked_for_something_else(change: dict[str, object]) -> None:
    created = CertificateProvider().create(_asked()).outs or {}
    result = CertificateProvider().diff("", created, _asked(**change))
    assert (result.changes, result.replaces) == (True, None)


def test_a_certificate_at_rest_does_not_change() -> None:
    created = CertificateProvider().create(_asked()).outs or {}
    assert CertificateProvider().diff("", created, _asked()).changes is False


def test_a_certificate_issued_anew_has_another_key() -> None:
    created = CertificateProvider().create(_asked()).outs or {}
    updated = CertificateProvider().update("", created, _asked()).outs or {}
    assert updated["private_key"] != created["private_key"]


def test_the_authoritys_key_is_no_output_of_a_certificate() -> None:
    created = CertificateProvider().create(_asked()).outs or {}
    assert AUTHORITY.private_key not in str(created.values())


def test_an_authority_renews_with_the_key_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    created = AuthorityProvider().create({"common_name": "Cloison test"}).outs or {}
    _later(monkeypatch, dt.datetime.now(dt.UTC) + AUTHORITY_LIFE - AUTHORITY_RENEWAL + dt.timedelta(days=1))
    assert AuthorityProvider().diff("", created, {"common_name": "Cloison test"}).changes is True
    updated = AuthorityProvider().update("", created, {"common_name": "Cloison test"}).outs or {}
    assert updated["private_key"] == created["private_key"]
    assert updated["certificate"] != created["certificate"]


def test_an_authority_of_another_name_replaces_it() -> None:
    created = AuthorityProvider().create({"common_name": "Cloison test"}).outs or {}
    assert AuthorityProvider().diff("", created, {"common_name": "Another"}).replaces == ["common_name"]


@pytest.mark.parametrize("provider", [AuthorityProvider(), CertificateProvider()], ids=lambda p: type(p).__name__)
def test_a_provider_is_stored_by_its_import_path(provider: ResourceProvider) -> None:
    """Byte code in the state would tie it to one release of Python and rewrite it with every change."""
    stored = base64.b64decode(serialize_provider(provider))
    assert len(stored) < 200
    assert type(dill.loads(stored)) is type(provider)  # noqa: S301 - made two lines above


def test_keys_are_declared_secret() -> None:
    def build() -> None:
        authority = CertificateAuthority("authority", "Cloison test")
        Certificate("hub", authority, [HUB])

    authority, hub = declared(build)
    assert authority.type == "pulumi-python:dynamic/certificates:CertificateAuthority"
    assert hub.type == "pulumi-python:dynamic/certificates:Certificate"
    assert hub.inputs["authority_private_key"] == "<secret>"
    assert hub.inputs["dns_names"] == [HUB]
