"""The platform's own certificate authorities and one certificate for each component.

Nothing here is shared between platforms. A certificate is kept until it comes close to its end, its authority changes
or what it must say changes; then it is made anew, and the component that uses it is restarted.
"""

import datetime as dt
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = dt.timedelta(days=3650)
CERTIFICATE_LIFE = dt.timedelta(days=365)

RENEW_BEFORE = dt.timedelta(days=30)
"""A certificate with less time left than this is made anew at the next `up`."""


@dataclass(frozen=True)
class Identity:
    """Who a certificate speaks for.

    Attributes:
        name: common name; Kubernetes takes it as the user.
        groups: organisations; Kubernetes takes them as the user's groups.
        addresses: DNS names and IP addresses of a server; a certificate without them is a client's.
        peer: a server that also presents its certificate as a client.
    """

    name: str
    groups: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    peer: bool = False


@dataclass(frozen=True)
class KeyPair:
    """The two files of a certificate."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority kept in a folder, made on first use."""

    def __init__(self, folder: Path, name: str) -> None:
        self.files = KeyPair(folder / f"{name}.crt", folder / f"{name}.key")
        if not self._usable():
            self._make(name)
        self.certificate = x509.load_pem_x509_certificate(self.files.certificate.read_bytes())
        self._key = serialization.load_pem_private_key(self.files.key.read_bytes(), password=None)

    def issue(self, folder: Path, file_name: str, identity: Identity) -> KeyPair:
        """The key pair of an identity: the one in the folder while it is good, else a new one."""
        files = KeyPair(folder / f"{file_name}.crt", folder / f"{file_name}.key")
        if not (files.key.exists() and self._good(files.certificate, identity)):
            self._issue(files, identity)
        return files

    def _usable(self) -> bool:
        return self.files.key.exists() and self.files.certificate.exists() and lasts(self.files.certificate)

    def _make(self, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = _key_usage(certificates=True)
        builder = (
            _builder(subject, subject, key.public_key(), AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        _write(self.files, builder.sign(key, hashes.SHA256()), key)

    def _good(self, path: Path, identity: Identity) -> bool:
        if not path.exists() or not lasts(path):
            return False
        found = x509.load_pem_x509_certificate(path.read_bytes())
        try:
            found.verify_directly_issued_by(self.certificate)
        except Exception:
            return False
        return found.subject == _subject(identity) and _addresses(found) == sorted(identity.addresses)

    def _issue(self, files: KeyPair, identity: Identity) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(_subject(identity), self.certificate.subject, key.public_key(), CERTIFICATE_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(_purposes(identity)), critical=False)
            .add_extension(_authority_identifier(self.certificate), critical=False)
        )
        if identity.addresses:
            names = x509.SubjectAlternativeName([_general_name(address) for address in identity.addresses])
            builder = builder.add_extension(names, critical=False)
        _write(files, builder.sign(self._key, hashes.SHA256()), key)  # pyright: ignore[reportArgumentType]


def lasts(certificate: Path, now: dt.datetime | None = None) -> bool:
    """Whether a certificate is valid for longer than the time before which it is renewed."""
    ends = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return ends - (now or dt.datetime.now(dt.UTC)) > RENEW_BEFORE


def signing_key(folder: Path, name: str) -> KeyPair:
    """A bare key pair, for the tokens of service accounts; made on first use, then kept."""
    files = KeyPair(folder / f"{name}.pub", folder / f"{name}.key")
    if not (files.key.exists() and files.certificate.exists()):
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_private(files.key, _pem(key))
        write_private(files.certificate, public)
    return files


def write_private(path: Path, content: bytes) -> bool:
    """Write a file that only root may read, whole or not at all; tells whether the content is new."""
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    scratch.replace(path)
    return True


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, life: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    # Five minutes back: a clock that is set right just after the first start must not refuse what was issued before.
    begins = now - dt.timedelta(minutes=5)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(now + life)
    )


def _write(files: KeyPair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    # The key goes first: a certificate without its key would be taken for a whole pair after an interruption.
    files.certificate.unlink(missing_ok=True)
    write_private(files.key, _pem(key))
    write_private(files.certificate, certificate.public_bytes(serialization.Encoding.PEM))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _subject(identity: Identity) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in identity.groups]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, identity.name)])


def _purposes(identity: Identity) -> list[x509.ObjectIdentifier]:
    server = [ExtendedKeyUsageOID.SERVER_AUTH] if identity.addresses else []
    client = [ExtendedKeyUsageOID.CLIENT_AUTH] if identity.peer or not identity.addresses else []
    return server + client


def _key_usage(certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=certificates, crl_sign=certificates, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _authority_identifier(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _general_name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _addresses(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return sorted(str(name.value) for name in names)
