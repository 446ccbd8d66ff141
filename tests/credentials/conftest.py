"""A Vault for all tests of the room, as the platform would set it up for one research project."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import packages
from local.certificates import Identity
from local.progress import Progress
from tests.credentials.agent import Agent, settings_for
from tests.credentials.database import OWNER, Database
from tests.credentials.reviewer import ACCOUNT, NAMESPACE, Reviewer, service_account_token
from tests.credentials.vault import LOOPBACK, Vault, VaultRefusalError
from tests.credentials.waiting import until

DATABASE_PASSWORD = "first-password-of-vault"
POLICY = """
path "database/creds/*" { capabilities = ["read"] }
path "pki/issue/*" { capabilities = ["update"] }
path "kv/data/cohort/*" { capabilities = ["create", "update", "read"] }
path "kv/metadata/cohort/*" { capabilities = ["delete"] }
path "transit/*" { capabilities = ["update"] }
"""
USER = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"


@pytest.fixture(scope="session")
def workroom() -> Iterator[Path]:
    """A folder that a user other than root can reach."""
    folder = Path(tempfile.mkdtemp(prefix="credentials-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def vault(workroom: Path) -> Iterator[Vault]:
    folder = workroom / "vault"
    folder.mkdir()
    vault = Vault(folder)
    reviewer = Reviewer(vault.authority.issue(folder, "reviewer", Identity("reviewer", addresses=LOOPBACK)))
    try:
        set_up(vault, reviewer)
        yield vault
    finally:
        vault.kill()
        reviewer.close()


def set_up(vault: Vault, reviewer: Reviewer) -> None:
    vault.call("POST", "sys/auth/kubernetes", {"type": "kubernetes"})
    authority = vault.authority.files.certificate.read_text()
    access = {"kubernetes_host": reviewer.address, "kubernetes_ca_cert": authority, "token_reviewer_jwt": "reviewer"}
    vault.call("POST", "auth/kubernetes/config", access)
    vault.call("PUT", "sys/policies/acl/notebook", {"policy": POLICY})
    log_in_for(vault, 60)
    for path, kind in {"pki": "pki", "transit": "transit", "database": "database"}.items():
        vault.call("POST", f"sys/mounts/{path}", {"type": kind})
    vault.call("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}})
    until(lambda: takes_notes(vault))
    vault.call("POST", "pki/root/generate/internal", {"common_name": "cohort", "ttl": "24h"})
    vault.call("POST", "pki/roles/server", {"allow_any_name": True, "key_type": "ec", "key_bits": 256})


def takes_notes(vault: Vault) -> bool:
    """Whether the KV engine is ready: it says no for a moment after it was mounted."""
    with contextlib.suppress(VaultRefusalError):
        return bool(vault.call("POST", "kv/data/cohort/first", {"data": {"text": "ready"}}))
    return False


def log_in_for(vault: Vault, seconds: int, limit: int = 0) -> None:
    """How long a token of the role lives, and its limit with all renewals."""
    role = {"bound_service_account_names": ACCOUNT, "bound_service_account_namespaces": NAMESPACE}
    times = {"token_ttl": seconds, "token_max_ttl": limit}
    vault.call("POST", "auth/kubernetes/role/notebook", role | times | {"token_policies": ["notebook"]})


@pytest.fixture(scope="session")
def database(workroom: Path, vault: Vault) -> Iterator[Database]:
    packages.ensure(Progress(), ["postgresql-15"])
    folder = workroom / "database"
    folder.mkdir()
    shutil.chown(folder, OWNER)
    database = Database(folder, DATABASE_PASSWORD)
    try:
        lend(vault, database)
        yield database
    finally:
        database.close()


def lend(vault: Vault, database: Database) -> None:
    """Have Vault make users of a database: one role's live for seconds, the other's for hours."""
    connection = {"plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "username": "vault"}
    secret = {"password": DATABASE_PASSWORD, "connection_url": database.address}
    vault.call("POST", "database/config/cohort", connection | secret)
    reader = {"db_name": "cohort", "creation_statements": USER, "default_ttl": 4, "max_ttl": 7}
    vault.call("POST", "database/roles/reader", reader)
    vault.call("POST", "database/roles/steady", reader | {"default_ttl": 3600, "max_ttl": 7200})


@pytest.fixture
def folder(workroom: Path) -> Path:
    """The folder of one test, with the service account's token."""
    folder = Path(tempfile.mkdtemp(dir=workroom))
    folder.chmod(0o755)
    (folder / "token").write_text(service_account_token())
    return folder


@pytest.fixture
def agent(folder: Path, vault: Vault) -> Iterator[Agent]:
    """An agent that a test gives sections to and starts; gone afterwards."""
    agent = Agent(folder, settings_for(folder, vault))
    yield agent
    agent.end()
