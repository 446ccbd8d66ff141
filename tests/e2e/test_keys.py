"""Keys on a real cluster: a Vault that the program installs and initialises, and what projects may do in it."""

import json
import os
import shutil
import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from ruamel.yaml import YAML

from components.keys import AUDIENCE, rights
from components.platform.vault import NAMESPACE
from components.vault_api import TOKEN_FILE_VARIABLE, KeyStoreError, VaultApi
from components.vault_operator import SHARES_VARIABLE, Custody, make_ready, open_up, read_shares
from local import waiting
from local.platform import Platform
from tests.e2e.project import load_images
from tests.samples import ROOT

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900)]

PROGRAM = Path(__file__).parent / "programs" / "keys"
PROJECTS = {"sleep": "active", "heart": "active"}
MARKER = "planted-marker-7f3a"


@dataclass
class Deployed:
    """The program of `programs/keys` on a platform, with an operator beside it."""

    folder: Path
    platform: Platform

    @property
    def custody(self) -> Custody:
        operator = self.folder.parent / f"{self.folder.name}-operator"
        return Custody(operator / "shares.json", operator / "token")

    def engine(self, verb: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the embedded engine."""
        command = [sys.executable, "-m", "engine", verb, "--stack", "test", "--cwd", str(self.folder), *options]
        held = {SHARES_VARIABLE: str(self.custody.shares), TOKEN_FILE_VARIABLE: str(self.custody.token)}
        environment = {**os.environ, "PULUMI_CONFIG_PASSPHRASE": "of the tests", **held, **variables}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=580)

    def succeed(self, verb: str, *options: str) -> str:
        """Run the engine to success; returns what it printed."""
        done = self.engine(verb, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def state(self, *options: str) -> str:
        """The stack's state as text."""
        return self.succeed("export", *options)

    def outputs(self) -> dict[str, Any]:
        resources = json.loads(self.state())["deployment"]["resources"]
        return next(each for each in resources if each["type"] == "pulumi:pulumi:Stack")["outputs"]

    def configure(self, **settings: Any) -> None:
        yaml, file = YAML(), self.folder / "Pulumi.test.yaml"
        content = yaml.load(file) if file.exists() else {"config": {}}
        content["config"] |= {f"keys:{key}": value for key, value in settings.items()}
        yaml.dump(content, file)

    def api(self, token: str = "") -> VaultApi:
        """The key store with a token; without one, as anybody reaches it."""
        address = f"https://vault.{NAMESPACE}.localhost:{self.platform.ports.tls}"
        return VaultApi(address, self.outputs()["authority"], lambda: token)

    def root(self) -> VaultApi:
        """The key store as only the holders of its shares can enter it."""
        return self.api(self.api().generate_root(read_shares(self.custody.shares or Path())))

    def service_account_token(self, project: str, *, account: str = "workspace", audience: str = AUDIENCE) -> str:
        """What a pod of a project would be given to show to the key store."""
        asked = ("create", "token", account, "-n", f"project-{project}", "--audience", audience, "--duration", "10m")
        return self.platform.kubectl(*asked).strip()

    def sign_in(self, project: str, role: str | None = None) -> VaultApi:
        """A project's identity, signed in as its pods do."""
        shown = {"role": f"project-{role or project}", "jwt": self.service_account_token(project)}
        return self.api(self.api().write("auth/kubernetes/login", shown)["auth"]["client_token"])


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, platform: Platform) -> Iterator[Deployed]:
    """The key store with two projects, up, and gone afterwards."""
    folder = tmp_path_factory.mktemp("keys")
    for file in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(PROGRAM / file, folder)
    _profile(folder, platform)
    deployed = Deployed(folder, platform)
    image = load_images(platform, ["vault"])["vault"]
    deployed.configure(profiles=str(folder), image=image, projects=PROJECTS)
    deployed.succeed("up", "--yes", "--skip-preview")
    yield deployed
    deployed.configure(projects=dict.fromkeys(PROJECTS, "ended"))
    deployed.succeed("up", "--yes", "--skip-preview")
    deployed.succeed("destroy", "--yes", "--skip-preview")


def _profile(folder: Path, platform: Platform) -> None:
    yaml = YAML()
    content = yaml.load(ROOT / "stacks" / "profiles" / "local.yaml")
    content["cluster"]["kubeconfig"] = str(platform.kubeconfig)
    content["keys"]["administration"] = f"https://vault.{NAMESPACE}.localhost:{platform.ports.tls}"
    yaml.dump(content, folder / "local.yaml")


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def _refused(call: Any, *arguments: Any) -> bool:
    try:
        call(*arguments)
    except KeyStoreError as error:
        return "may not" in str(error)
    return False


def test_a_second_run_changes_nothing(deployed: Deployed) -> None:
    deployed.succeed("up", "--yes", "--skip-preview", "--expect-no-changes")
    assert deployed.api().seal_status().initialized


def test_shares_and_token_are_the_operator_s_alone(deployed: Deployed) -> None:
    held = deployed.custody
    assert held.shares is not None
    assert held.token is not None
    handed = json.loads(held.shares.read_text())
    assert (len(handed["shares"]), handed["threshold"]) == (3, 2)
    assert {stat.S_IMODE(each.stat().st_mode) for each in (held.shares, held.token)} == {0o600}
    kept = deployed.state("--show-secrets") + "".join(
        file.read_text(errors="replace") for file in deployed.folder.rglob("*") if file.is_file()
    )
    assert not [secret for secret in (*handed["shares"], held.token.read_text()) if secret in kept]
    in_the_cluster = deployed.platform.kubectl("get", "secrets,configmaps", "-A", "-o", "json")
    assert not [secret for secret in handed["shares"] if _encoded(secret) in in_the_cluster or secret in in_the_cluster]


def test_every_request_is_on_record_and_no_secret_in_it(deployed: Deployed) -> None:
    project = deployed.sign_in("sleep")
    project.write("kv/data/project-sleep/a-secret", {"data": {"word": MARKER}})
    recorded = deployed.platform.kubectl("logs", "-n", NAMESPACE, "vault-0")
    assert '"path":"kv/data/project-sleep/a-secret"' in recorded
    assert MARKER not in recorded
    assert project.read("kv/data/project-sleep/a-secret") is not None


def test_the_operator_configures_and_reads_nothing(deployed: Deployed) -> None:
    deployed.sign_in("sleep").write("kv/data/project-sleep/unread", {"data": {"word": MARKER}})
    operator = deployed.api((deployed.custody.token or Path()).read_text())
    assert operator.read("transit/keys/project-sleep") is not None
    assert _refused(operator.read, "kv/data/project-sleep/unread")
    assert _refused(operator.write, "transit/encrypt/project-sleep", {"plaintext": _encoded("x")})
    assert _refused(operator.write, "transit/export/encryption-key/project-sleep", {})
    assert _refused(operator.write, "sys/policies/acl/another", {"policy": ""})


def test_a_project_uses_its_own_key_which_nobody_can_take_away(deployed: Deployed) -> None:
    project, root = deployed.sign_in("sleep"), deployed.root()
    made = project.write("transit/encrypt/project-sleep", {"plaintext": _encoded(MARKER)})["data"]["ciphertext"]
    read = project.write("transit/decrypt/project-sleep", {"ciphertext": made})["data"]["plaintext"]
    assert read == _encoded(MARKER)
    with pytest.raises(KeyStoreError, match="not exportable"):
        root.read("transit/export/encryption-key/project-sleep")
    with pytest.raises(KeyStoreError, match="deletion is not allowed"):
        root.delete("transit/keys/project-sleep")


def test_what_was_encrypted_stays_readable_after_the_key_was_rotated(deployed: Deployed) -> None:
    project, root = deployed.sign_in("sleep"), deployed.root()
    encrypt, decrypt = "transit/encrypt/project-sleep", "transit/decrypt/project-sleep"
    before = project.write(encrypt, {"plaintext": _encoded(MARKER)})["data"]["ciphertext"]
    root.write("transit/keys/project-sleep/rotate", {})
    after = project.write("transit/rewrap/project-sleep", {"ciphertext": before})["data"]["ciphertext"]
    assert after.split(":")[1] != before.split(":")[1]
    for ciphertext in (before, after):
        assert project.write(decrypt, {"ciphertext": ciphertext})["data"]["plaintext"] == _encoded(MARKER)


def test_one_project_s_identity_opens_no_path_of_another_s(deployed: Deployed) -> None:
    """Every path that A's own policy names, with every verb, with B's token; and A's own token as the control."""
    owner, stranger = deployed.sign_in("sleep"), deployed.sign_in("heart")
    owner.write("kv/data/project-sleep/kept", {"data": {"word": MARKER}})
    encrypted = owner.write("transit/encrypt/project-sleep", {"plaintext": _encoded("x")})["data"]["ciphertext"]
    bodies = {"transit/decrypt/project-sleep": {"ciphertext": encrypted}}
    paths = [path.replace("*", "kept") for path in rights("project-sleep")]
    administration = [path.format("project-sleep") for path in ADMINISTRATION]
    opened = [
        (verb, path)
        for path in [*paths, *administration]
        for verb, call in _verbs(stranger, bodies.get(path, {})).items()
        if not _refused(call, path)
    ]
    assert opened == []
    assert owner.read("kv/data/project-sleep/kept") is not None
    assert owner.write("transit/decrypt/project-sleep", {"ciphertext": encrypted})["data"]["plaintext"]


ADMINISTRATION = (
    "transit/keys/{}",
    "transit/export/encryption-key/{}",
    "transit/backup/{}",
    "kv/metadata/{}",
    "kv/data/{}",
    "pki/roles/{}",
    "pki/sign/{}",
    "sys/policies/acl/{}",
    "auth/kubernetes/role/{}",
)
"""What else in the key store is called like a project."""


def _verbs(api: VaultApi, body: dict[str, Any]) -> dict[str, Any]:
    return {"read": api.read, "list": api.names, "write": lambda path: api.write(path, body), "delete": api.delete}


@pytest.mark.parametrize(
    ("account", "namespace", "audience", "role"),
    [
        ("workspace", "heart", AUDIENCE, "sleep"),
        ("default", "sleep", AUDIENCE, "sleep"),
        ("workspace", "sleep", "https://kubernetes.default.svc", "sleep"),
    ],
    ids=["another project's", "another account's", "made out to somebody else"],
)
def test_a_token_that_is_not_the_project_s_own_signs_in_to_nothing(
    deployed: Deployed, account: str, namespace: str, audience: str, role: str
) -> None:
    shown = deployed.service_account_token(namespace, account=account, audience=audience)
    assert _refused(deployed.api().write, "auth/kubernetes/login", {"role": f"project-{role}", "jwt": shown})
    assert deployed.sign_in(role).read("auth/token/lookup-self")


def test_a_project_gets_certificates_for_its_own_servers_alone(deployed: Deployed) -> None:
    project = deployed.sign_in("sleep")
    own = "postgresql.project-sleep.svc.cluster.local"
    issued = project.write("pki/issue/project-sleep", {"common_name": own})["data"]["certificate"]
    signed_by = x509.load_pem_x509_certificate(deployed.outputs()["signs"].encode())
    x509.load_pem_x509_certificate(issued.encode()).verify_directly_issued_by(signed_by)
    others = (
        "postgresql.project-heart.svc.cluster.local",
        "*.project-sleep.svc.cluster.local",
        "x.example",
    )
    for other in others:
        with pytest.raises(KeyStoreError, match=r"not allowed|may not"):
            project.write("pki/issue/project-sleep", {"common_name": other})


def test_a_sealed_key_store_says_so_and_shares_open_it_again(deployed: Deployed) -> None:
    """Killed, it comes back sealed with all that it held."""
    deployed.sign_in("sleep").write("kv/data/project-sleep/outlives", {"data": {"word": MARKER}})
    before = deployed.platform.kubectl("get", "pod", "vault-0", "-n", NAMESPACE, "-o", "jsonpath={.metadata.uid}")
    deployed.platform.kubectl("delete", "pod", "vault-0", "-n", NAMESPACE, "--force", "--grace-period=0")
    waiting.until(lambda: _pod(deployed) not in ("", before), "another pod of the key store", 60)
    deployed.platform.kubectl("wait", "pod/vault-0", "-n", NAMESPACE, "--for=condition=Ready", "--timeout=90s")
    assert deployed.api().seal_status().sealed
    with pytest.raises(KeyStoreError, match="is sealed"):
        deployed.sign_in("sleep")
    unable = deployed.engine("refresh", "--yes", **{SHARES_VARIABLE: ""})
    assert unable.returncode != 0
    assert "sealed" in unable.stdout + unable.stderr
    open_up(deployed.api(), deployed.custody)
    assert deployed.sign_in("sleep").read("kv/data/project-sleep/outlives") is not None


def _pod(deployed: Deployed) -> str:
    uid = ("get", "pod", "vault-0", "-n", NAMESPACE, "--ignore-not-found", "-o", "jsonpath={.metadata.uid}")
    return deployed.platform.kubectl(*uid)


def test_one_share_too_few_opens_nothing(deployed: Deployed, tmp_path: Path) -> None:
    held = json.loads((deployed.custody.shares or Path()).read_text())
    few = tmp_path / "few.json"
    few.write_text(json.dumps({"threshold": 1, "shares": held["shares"][:1]}))
    with pytest.raises(KeyStoreError, match="1 shares do not suffice: give 2"):
        deployed.api().generate_root(read_shares(few))


def test_what_is_initialised_is_never_initialised_again(deployed: Deployed, tmp_path: Path) -> None:
    empty = Custody(tmp_path / "shares.json", tmp_path / "token")
    make_ready(deployed.api(), 3, 2, opens_itself=False, custody=empty)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyStoreError, match="already initialized"):
        deployed.api().initialize(3, 2, opens_itself=False)


def test_a_lost_token_is_issued_anew_with_the_shares_and_nothing_else(deployed: Deployed) -> None:
    token = deployed.custody.token or Path()
    former = token.read_text()
    token.unlink()
    unable = deployed.engine("refresh", "--yes", **{SHARES_VARIABLE: ""})
    assert "token is missing" in unable.stdout + unable.stderr
    open_up(deployed.api(), deployed.custody)
    assert token.read_text() != former
    assert deployed.api(token.read_text()).read("transit/keys/project-sleep") is not None


def test_an_ended_project_s_key_is_destroyed_and_nothing_reads_what_it_encoded(deployed: Deployed) -> None:
    deployed.configure(projects={**PROJECTS, "gone": "active"})
    deployed.succeed("up", "--yes", "--skip-preview")
    project, root = deployed.sign_in("gone"), deployed.root()
    made = project.write("transit/encrypt/project-gone", {"plaintext": _encoded(MARKER)})["data"]["ciphertext"]
    project.write("kv/data/project-gone/deep/secret", {"data": {"word": MARKER}})
    deployed.configure(projects=PROJECTS)
    kept = deployed.engine("up", "--yes", "--skip-preview")
    assert kept.returncode != 0
    assert "protect" in kept.stdout + kept.stderr
    assert root.read("transit/keys/project-gone") is not None
    deployed.configure(projects={**PROJECTS, "gone": "ended"})
    deployed.succeed("up", "--yes", "--skip-preview")
    deployed.configure(projects=PROJECTS)
    deployed.succeed("up", "--yes", "--skip-preview")
    assert root.read("transit/keys/project-gone") is None
    assert root.names("kv/metadata/project-gone") == []
    with pytest.raises(KeyStoreError):
        root.write("transit/decrypt/project-gone", {"ciphertext": made})
