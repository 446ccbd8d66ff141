"""Sign-in on a real cluster: Keycloak behind the gateway, its realm declared by the program."""

import contextlib
import json
import os
import secrets
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3
from ruamel.yaml import YAML

from components.platform.identity import NAMESPACE
from components.realm_api import SECRET_VARIABLE, AdministrationApi
from components.realm_settings import FAILURES
from local import waiting
from local.errors import PlatformError
from local.platform import Platform
from tests.e2e.browser import Page
from tests.e2e.project import load_images
from tests.e2e.sign_in import Authenticator, Client, Person, asked_for, claims, code_of
from tests.samples import ROOT

pytestmark = [pytest.mark.platform, pytest.mark.timeout(1200)]

PROGRAM = Path(__file__).parent / "programs" / "identity"
DOMAIN = "gateway.platform-gateway.localhost"
ADDRESS = f"keycloak.{NAMESPACE}.localhost"
PROJECTS = ["sleep", "heart"]
ADA, BEN, OUTSIDER = "ada@lab.example", "ben@sleep.example", "zoe@elsewhere.example"
ANY_OF_THE_REALM = "*dynamic/identity:*"
"""URNs of the resources in Keycloak, as the engine's `--target` takes them."""
REFUSED_SECONDS = 3
"""How long a connection that a policy drops is waited for."""


@dataclass
class Deployed:
    """The program of `programs/identity` on a platform."""

    folder: Path
    platform: Platform
    administrator: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def engine(self, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the embedded engine."""
        command = [sys.executable, "-m", "engine", verb, "--stack", "test", "--cwd", str(self.folder), *options]
        secret = {"PULUMI_CONFIG_PASSPHRASE": "of the tests", SECRET_VARIABLE: self.administrator}
        return subprocess.run(
            command, env={**os.environ, **secret}, capture_output=True, text=True, check=False, timeout=580
        )

    def succeed(self, verb: str, *options: str) -> str:
        """Run the engine to success; returns what it printed."""
        done = self.engine(verb, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def state(self, *options: str) -> dict[str, Any]:
        """The stack as `pulumi stack import` takes it."""
        return json.loads(self.succeed("export", *options))["deployment"]

    def outputs(self) -> dict[str, Any]:
        """What the program exported, with its secrets."""
        resources = self.state("--show-secrets")["resources"]
        exported = next(each for each in resources if each["type"] == "pulumi:pulumi:Stack")["outputs"]
        return {key: _plain(value) for key, value in exported.items()}

    def recorded(self) -> dict[str, Any]:
        """What the state says of the resources in Keycloak, by URN."""
        resources = self.state("--show-secrets")["resources"]
        found = {each["urn"]: each["outputs"] for each in resources if "dynamic/identity:" in each["type"]}
        return {urn: {key: _plain(value) for key, value in each.items()} for urn, each in found.items()}

    def configure(self, **settings: Any) -> None:
        """Change the stack's configuration."""
        yaml, file = YAML(), self.folder / "Pulumi.test.yaml"
        content = yaml.load(file) if file.exists() else {"config": {}}
        content["config"] |= {f"identity:{key}": value for key, value in settings.items()}
        yaml.dump(content, file)

    @property
    def port(self) -> int:
        return self.platform.ports.tls

    @property
    def back_channel(self) -> str:
        """Keycloak's Service itself, as a hub reaches it."""
        return f"https://{ADDRESS}:{self.port}"

    def api(self) -> AdministrationApi:
        return AdministrationApi(self.back_channel, self.outputs()["authority"], self.administrator)

    def request(self, method: str, url: str, authority: str, **options: Any) -> urllib3.BaseHTTPResponse:
        context = ssl.create_default_context(cadata=authority)
        with urllib3.PoolManager(ssl_context=context, retries=False, timeout=60) as client:
            return client.request(method, url, **options)


def _plain(value: Any) -> Any:
    """An exported value without the envelopes of Pulumi's checkpoint."""
    if isinstance(value, dict):
        return json.loads(value["plaintext"]) if "plaintext" in value else {k: _plain(v) for k, v in value.items()}
    return value


def _profile(folder: Path, platform: Platform) -> None:
    """Write the local profile, pointed at the platform."""
    yaml = YAML()
    content = yaml.load(ROOT / "stacks" / "profiles" / "local.yaml")
    content["cluster"]["kubeconfig"] = str(platform.kubeconfig)
    content["exposure"]["gateway"]["port"] = platform.ports.tls
    content["identity"]["administration"] = f"https://{ADDRESS}:{platform.ports.tls}"
    yaml.dump(content, folder / "local.yaml")


@pytest.fixture(scope="module")
def images(platform: Platform) -> dict[str, str]:
    return load_images(platform, ("envoy", "envoy-gateway", "keycloak", "agnhost"))


@pytest.fixture(scope="module")
def deployed(
    tmp_path_factory: pytest.TempPathFactory, platform: Platform, images: dict[str, str]
) -> Iterator[Deployed]:
    """Keycloak with a realm, up, and gone afterwards."""
    folder = tmp_path_factory.mktemp("identity")
    for file in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(PROGRAM / file, folder)
    _profile(folder, platform)
    deployed = Deployed(folder, platform)
    deployed.configure(profiles=str(folder), images=images, projects=PROJECTS, outsider=OUTSIDER)
    deployed.succeed("up", "--yes", "--skip-preview")
    yield deployed
    deployed.succeed("destroy", "--yes", "--skip-preview")


@dataclass(frozen=True)
class World:
    """The issuer as people and tools see it."""

    deployed: Deployed
    authority: str
    issuer: str
    client_secrets: dict[str, str]
    first_passwords: dict[str, str]
    enrolled: dict[str, tuple[str, Authenticator]] = field(default_factory=dict)
    """Own password and authenticator app of those who have signed in, by address."""

    def client(self, project: str = "sleep") -> Client:
        host = f"https://jupyter-{project}.{DOMAIN}:{self.deployed.port}"
        return Client(self.issuer, f"jupyter-{project}", f"{host}/hub/oauth_callback")

    def enrol(self, email: str, client: Client) -> Page | None:
        """Have somebody sign in for the first time, unless that was before."""
        if email in self.enrolled:
            return None
        own = f"Correct-{secrets.token_urlsafe(12)}-7"
        answer, app = Person(self.authority).first_sign_in(client, email, self.first_passwords[email], own)
        self.enrolled[email] = (own, app)
        return answer

    def sign_in(self, email: str, client: Client) -> Page:
        """Have somebody sign in, with all that it takes."""
        if answer := self.enrol(email, client):
            return answer
        password, app = self.enrolled[email]
        person = Person(self.authority)
        return person.submit(person.password(client, email, password), otp=app.code())

    def token(self, client: Client, **form: str) -> tuple[int, dict[str, Any]]:
        """Ask the token endpoint on the back channel, as a hub does."""
        project = client.client_id.removeprefix("jupyter-")
        fields = {"client_id": client.client_id, "client_secret": self.client_secrets[project], **form}
        url = f"{self.deployed.back_channel}/realms/cloison/protocol/openid-connect/token"
        answer = self.deployed.request("POST", url, self.authority, fields=fields, encode_multipart=False)
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        return answer.status, json.loads(answer.data) if is_json else {"page": answer.data.decode()}

    def exchange(self, client: Client, answer: Page) -> dict[str, Any]:
        """Turn the end of a sign-in into tokens."""
        status, tokens = self.token(
            client,
            grant_type="authorization_code",
            code=code_of(answer),
            redirect_uri=client.redirect_uri,
            code_verifier=client.verifier,
        )
        assert status == 200, tokens
        return tokens


@pytest.fixture(scope="module")
def world(deployed: Deployed) -> World:
    exported = deployed.outputs()
    waiting.until(lambda: _reachable(deployed, exported), "an answer of the issuer at the gateway", 60)
    return World(
        deployed, exported["authority"], exported["issuer"], exported["client_secrets"], exported["first_passwords"]
    )


def _reachable(deployed: Deployed, exported: dict[str, Any]) -> bool:
    url = f"{exported['issuer']}/.well-known/openid-configuration"
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        return deployed.request("GET", url, exported["authority"]).status == 200
    return False


def test_a_second_up_changes_nothing(deployed: Deployed) -> None:
    deployed.succeed("up", "--yes", "--skip-preview", "--expect-no-changes")


def test_what_is_recorded_is_what_is_there(deployed: Deployed) -> None:
    before = deployed.recorded()
    deployed.succeed("refresh", "--yes", "--target", ANY_OF_THE_REALM)
    assert deployed.recorded() == before


def test_a_first_sign_in_asks_for_a_password_and_a_second_factor(world: World) -> None:
    client = world.client()
    tokens = world.exchange(client, world.sign_in(BEN, client))
    assert claims(tokens["id_token"])["iss"] == world.issuer


def test_afterwards_the_first_password_is_worth_nothing(world: World) -> None:
    world.enrol(BEN, world.client())
    page = Person(world.authority).password(world.client(), BEN, world.first_passwords[BEN])
    assert asked_for(page) == "password"


def test_a_password_alone_signs_nobody_in(world: World) -> None:
    world.enrol(BEN, world.client())
    page = Person(world.authority).password(world.client(), BEN, world.enrolled[BEN][0])
    assert asked_for(page) == "otp"


def test_a_code_is_good_for_one_sign_in(world: World) -> None:
    client = world.client()
    world.enrol(BEN, client)
    password, app = world.enrolled[BEN]
    first, second, code = Person(world.authority), Person(world.authority), app.code()
    code_of(first.submit(first.password(client, BEN, password), otp=code))
    assert asked_for(second.submit(second.password(client, BEN, password), otp=code)) == "otp"


def test_a_hub_learns_who_somebody_is_and_which_projects_are_theirs(world: World) -> None:
    client = world.client()
    tokens = world.exchange(client, world.sign_in(ADA, client))
    url = f"{world.deployed.back_channel}/realms/cloison/protocol/openid-connect/userinfo"
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    known = json.loads(world.deployed.request("GET", url, world.authority, headers=bearer).data)
    assert known["sub"] == claims(tokens["id_token"])["sub"]
    assert (known["email"], known["email_verified"], known["preferred_username"]) == (ADA, True, ADA)
    assert sorted(known["groups"]) == ["/projects/heart", "/projects/sleep"]


def test_somebody_of_no_project_has_no_group(world: World) -> None:
    client = world.client()
    tokens = world.exchange(client, world.sign_in(OUTSIDER, client))
    assert not claims(tokens["id_token"]).get("groups")


def test_no_client_takes_a_password_from_a_program(world: World) -> None:
    client = world.client()
    world.enrol(BEN, client)
    password, app = world.enrolled[BEN]
    form = {"grant_type": "password", "username": BEN, "password": password, "totp": app.code()}
    status, said = world.token(client, **form)
    assert (status, said["error"]) == (400, "unauthorized_client")
    status, said = world.token(client, **form, client_id="admin-cli")
    assert (status, "access_token" in said) == (401, False)


def test_nor_does_the_realm_for_a_client_that_would(world: World) -> None:
    """What somebody allows a client by hand is still refused by the flow."""
    api, client = world.deployed.api(), world.client("heart")
    world.enrol(ADA, client)
    password, app = world.enrolled[ADA]
    (found,) = api.get("/cloison/clients", clientId=client.client_id)
    api.put(f"/cloison/clients/{found['id']}", {**found, "directAccessGrantsEnabled": True})
    try:
        status, said = world.token(client, grant_type="password", username=ADA, password=password, totp=app.code())
        assert (status >= 400, "access_token" in str(said)) == (True, False), (status, said)
    finally:
        api.put(f"/cloison/clients/{found['id']}", found)


def test_a_code_cannot_be_used_by_who_did_not_ask_for_it(world: World) -> None:
    client = world.client()
    answer = world.sign_in(ADA, client)
    status, said = world.token(
        client,
        grant_type="authorization_code",
        code=code_of(answer),
        redirect_uri=client.redirect_uri,
        code_verifier=world.client().verifier,
    )
    assert (status, said["error"]) == (400, "invalid_grant")


def test_browsers_are_sent_back_to_the_tool_and_nowhere_else(world: World) -> None:
    stray = Client(world.issuer, "jupyter-sleep", "https://elsewhere.example/hub/oauth_callback")
    answer = Person(world.authority).open(stray.authorize_url())
    assert (answer.status, asked_for(answer)) == (400, "nothing")


def test_guessing_locks_an_account(world: World) -> None:
    """The owner's own password is then refused as well, for a while."""
    email = "ben@heart.example"
    world.enrol(email, world.client("heart"))
    for _ in range(FAILURES):
        Person(world.authority).password(world.client("heart"), email, "a guess")
    page = Person(world.authority).password(world.client("heart"), email, world.enrolled[email][0])
    assert asked_for(page) == "password"


@pytest.mark.parametrize(
    "path",
    ["/", "/admin/", "/admin/master/console/", "/realms/master", "/realms/cloison/clients-registrations/default",
     "/metrics", "/health"],
)  # fmt: skip
def test_the_gateway_leads_to_no_administration(world: World, path: str) -> None:
    url = f"https://identity.{DOMAIN}:{world.deployed.port}{path}"
    assert world.deployed.request("GET", url, world.authority).status == 404


def test_sign_ins_and_administration_are_recorded(world: World) -> None:
    world.enrol(BEN, world.client())
    api = world.deployed.api()
    assert any(event["details"]["username"] == BEN for event in api.get("/cloison/events", type="LOGIN"))
    assert {event["resourceType"] for event in api.get("/cloison/admin-events", max="500")} >= {"CLIENT", "USER"}
    assert 'type="LOGIN"' in world.deployed.platform.kubectl("logs", "-n", NAMESPACE, "keycloak-0", "--tail=500")


def test_no_credential_stands_in_the_state_in_plain_form(world: World) -> None:
    kept = "".join(file.read_text() for file in world.deployed.folder.rglob("*.json*"))
    assert "jupyter-sleep" in kept
    for secret in (world.deployed.administrator, *world.client_secrets.values(), *world.first_passwords.values()):
        assert secret not in kept


def _pod(name: str, namespace: str, labels: dict[str, str], image: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "probe", "image": image, "args": ["pause"]}],
        },
    }


def test_hubs_reach_it_and_other_pods_do_not(world: World, images: dict[str, str]) -> None:
    platform, hub = world.deployed.platform, {"app.kubernetes.io/name": "jupyterhub"}
    labelled = {"name": "probes", "labels": {"cloison/project": "probes"}}
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": labelled},
        _pod("hub", "probes", {**hub, "app.kubernetes.io/component": "hub"}, images["agnhost"]),
        _pod("proxy", "probes", {**hub, "app.kubernetes.io/component": "proxy"}, images["agnhost"]),
        _pod("server", "probes", {}, images["agnhost"]),
    ]
    platform.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    try:
        platform.kubectl("wait", "-n", "probes", "--for=condition=Ready", "pod", "--all", "--timeout=60s")
        assert {name: _connects(platform, name) for name in ("hub", "proxy", "server")} == {
            "hub": True,
            "proxy": False,
            "server": False,
        }
    finally:
        platform.kubectl("delete", "namespace", "probes", "--wait=false")


def _connects(platform: Platform, pod: str) -> bool:
    target = f"keycloak.{NAMESPACE}.svc.cluster.local:443"
    command = ["/agnhost", "connect", target, f"--timeout={REFUSED_SECONDS}s"]
    try:
        platform.kubectl("exec", "-n", "probes", pod, "--", *command)
    except PlatformError:
        return False
    return True


def test_what_somebody_changed_by_hand_is_seen_and_put_right(deployed: Deployed) -> None:
    api = deployed.api()
    api.put("/cloison", {"bruteForceProtected": False})
    deployed.succeed("refresh", "--yes", "--target", ANY_OF_THE_REALM)
    assert deployed.engine("preview", "--expect-no-changes").returncode != 0
    deployed.succeed("up", "--yes", "--skip-preview")
    assert api.get("/cloison")["bruteForceProtected"] is True


def test_people_outlive_the_pod(world: World) -> None:
    client, platform = world.client(), world.deployed.platform
    world.enrol(BEN, client)
    platform.kubectl("delete", "pod", "-n", NAMESPACE, "keycloak-0")
    platform.kubectl("rollout", "status", "-n", NAMESPACE, "statefulset/keycloak", "--timeout=240s", timeout=250)
    exported = world.deployed.outputs()
    waiting.until(lambda: _reachable(world.deployed, exported), "an answer of the issuer at the gateway", 60)
    code_of(world.sign_in(BEN, client))


def test_a_project_that_is_gone_leaves_nothing_and_takes_nothing_else(deployed: Deployed) -> None:
    api = deployed.api()
    before = {client["clientId"]: client["id"] for client in api.get("/cloison/clients")}
    deployed.configure(projects=["sleep"])
    deployed.succeed("up", "--yes", "--skip-preview")
    after = {client["clientId"]: client["id"] for client in api.get("/cloison/clients")}
    assert before.items() - after.items() == {("jupyter-heart", before["jupyter-heart"])}
    (projects,) = api.get("/cloison/groups")
    assert [group["name"] for group in api.get(f"/cloison/groups/{projects['id']}/children")] == ["sleep"]
