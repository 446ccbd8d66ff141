"""X.509 certificates as text: an authority, and what it signs for servers inside the cluster.

Keys are on the curve P-256, which every TLS library in use here knows. Both halves are PEM.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = dt.timedelta(days=3650)
CERTIFICATE_LIFE = dt.timedelta(days=180)

CERTIFICATE_RENEWAL = dt.timedelta(days=30)
"""A certificate with less time left than this is issued anew."""

AUTHORITY_RENEWAL = CERTIFICATE_LIFE + CERTIFICATE_RENEWAL
"""The same for an authority: nothing that it signs outlives it."""

CLOCK_SKEW = dt.timedelta(minutes=5)
"""Certificates begin this much earlier, for peers whose clocks are late."""

ORGANISATION = "Cloison"


@dataclass(frozen=True)
class KeyPair:
    """A certificate and the private key that belongs to it, both PEM."""

    certificate: str
    private_key: str

    @property
    def serial(self) -> str:
        """Serial number in hexadecimal, as browsers and OpenSSL show it."""
        return f"{_loaded(self.certificate).serial_number:x}"

    @property
    def not_after(self) -> str:
        """Moment of expiry, ISO 8601 with its time zone."""
        return _loaded(self.certificate).not_valid_after_utc.isoformat()


def issue_authority(common_name: str, now: dt.datetime, private_key: str | None = None) -> KeyPair:
    """Make a certificate authority.

    Args:
        common_name: how people recognise it, at most 64 characters.
        now: time of issue.
        private_key: key of the authority that this one renews: what the old one signed stays valid under the new.
    """
    key = _loaded_key(private_key) if private_key else ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    builder = (
        _builder(name, name, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    return KeyPair(_text(builder.sign(key, hashes.SHA256())), _key_text(key))


def issue_certificate(dns_names: Sequence[str], client: bool, authority: KeyPair, now: dt.datetime) -> KeyPair:
    """Make a server's certificate with a key of its own.

    Args:
        dns_names: every name the server answers to; a wildcard stands for one label.
        client: whether the server also shows the certificate where it is a client itself.
        authority: who signs.
        now: time of issue.
    """
    issuer, key = _loaded(authority.certificate), ec.generate_private_key(ec.SECP256R1())
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if client else [])]
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in dns_names])
    builder = (
        _builder(_name(None), issuer.subject, key.public_key(), now, CERTIFICATE_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(names, critical=False)
        .add_extension(_issuer_identifier(issuer), critical=False)
    )
    return KeyPair(_text(builder.sign(_loaded_key(authority.private_key), hashes.SHA256())), _key_text(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: dt.datetime, life: dt.timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _name(common_name: str | None) -> x509.Name:
    """Servers have no common name: what counts are the alternative names, which may be longer (RFC 9525)."""
    own = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION), *own])


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _issuer_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _loaded(certificate: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.encode())


def _loaded_key(private_key: str) -> ec.EllipticCurvePrivateKey:
    return cast("ec.EllipticCurvePrivateKey", serialization.load_pem_private_key(private_key.encode(), password=None))


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    private = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()).decode()
