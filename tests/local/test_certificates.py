import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local import certificates
from local.certificates import Authority, Identity, KeyPair

SERVER = Identity("server", addresses=("server.example", "10.0.0.1"))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ca")


def read(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes())


def purposes(pair: KeyPair) -> list[x509.ObjectIdentifier]:
    return list(read(pair).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_keys_and_certificates_are_for_root_alone(tmp_path: Path, authority: Authority) -> None:
    authority.issue(tmp_path, "server", SERVER)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_client_is_its_name_and_groups(tmp_path: Path, authority: Authority) -> None:
    pair = authority.issue(tmp_path, "client", Identity("system:node:n", ("system:nodes",)))
    subject = read(pair).subject
    assert [each.value for each in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["system:node:n"]
    assert [each.value for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["system:nodes"]
    assert purposes(pair) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_server_is_its_addresses_and_no_client(tmp_path: Path, authority: Authority) -> None:
    pair = authority.issue(tmp_path, "server", SERVER)
    names = read(pair).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["server.example", "10.0.0.1"]
    assert purposes(pair) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_no_certificate_but_the_authoritys_may_sign(tmp_path: Path, authority: Authority) -> None:
    for pair, signs in ((authority.files, True), (authority.issue(tmp_path, "server", SERVER), False)):
        assert read(pair).extensions.get_extension_for_class(x509.BasicConstraints).value.ca is signs


def test_a_good_certificate_is_kept(tmp_path: Path, authority: Authority) -> None:
    first = authority.issue(tmp_path, "server", SERVER).certificate.read_bytes()
    again = Authority(tmp_path, "ca").issue(tmp_path, "server", SERVER).certificate.read_bytes()
    assert again == first


@pytest.mark.parametrize(
    "other",
    [Identity("another", addresses=SERVER.addresses), Identity("server", addresses=("10.0.0.2",))],
    ids=["another name", "another address"],
)
def test_another_identity_gets_another_certificate(tmp_path: Path, authority: Authority, other: Identity) -> None:
    first = authority.issue(tmp_path, "server", SERVER).certificate.read_bytes()
    assert authority.issue(tmp_path, "server", other).certificate.read_bytes() != first


def test_a_new_authority_replaces_what_the_old_one_signed(tmp_path: Path, authority: Authority) -> None:
    first = authority.issue(tmp_path, "server", SERVER).certificate.read_bytes()
    authority.files.certificate.unlink()
    renewed = Authority(tmp_path, "ca")
    second = renewed.issue(tmp_path, "server", SERVER)
    assert second.certificate.read_bytes() != first
    read(second).verify_directly_issued_by(renewed.certificate)


@pytest.mark.parametrize(("days_left", "good"), [(31, True), (29, False), (-1, False)])
def test_a_certificate_is_renewed_before_its_end(
    tmp_path: Path, authority: Authority, days_left: int, good: bool
) -> None:
    pair = authority.issue(tmp_path, "server", SERVER)
    now = read(pair).not_valid_after_utc - dt.timedelta(days=days_left)
    assert certificates.lasts(pair.certificate, now) is good


def test_a_short_lived_certificate_is_made_anew(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "CERTIFICATE_LIFE", dt.timedelta(days=3))
    first = authority.issue(tmp_path, "server", SERVER).certificate.read_bytes()
    monkeypatch.undo()
    assert authority.issue(tmp_path, "server", SERVER).certificate.read_bytes() != first


def test_a_key_without_its_certificate_is_replaced_whole(tmp_path: Path, authority: Authority) -> None:
    pair = authority.issue(tmp_path, "server", SERVER)
    pair.certificate.unlink()
    again = authority.issue(tmp_path, "server", SERVER)
    key = certificates.serialization.load_pem_private_key(again.key.read_bytes(), password=None)
    assert key.public_key() == read(again).public_key()


def test_a_signing_key_is_made_once(tmp_path: Path) -> None:
    first = certificates.signing_key(tmp_path, "tokens").key.read_bytes()
    assert certificates.signing_key(tmp_path, "tokens").key.read_bytes() == first


def test_writing_the_same_again_is_no_change(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    assert [certificates.write_private(path, content) for content in (b"a", b"a", b"b")] == [True, False, True]
    assert path.read_bytes() == b"b"
