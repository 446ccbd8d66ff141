"""A project's hub on the tests' platform, with an issuer of the tests' own and without gateway or engine."""

import datetime as dt
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml

from components.certificates import CertificateAuthority
from components.hub_network import Destination
from components.hub_settings import host_label, hub_url
from components.hub_sign_in import SignIn
from components.hub_tls import PROXY_SECRET, identities
from components.issuing import KeyPair, issue_authority, issue_certificate
from components.jupyterhub import JupyterHub, hub_manifests
from components.naming import namespace_name
from components.partition import Partition
from local import waiting
from local.platform import Platform
from stacks.profile import PodSelector, Profile
from tests.components.rendering import Manifest, declared
from tests.e2e.browser import Browser, Page
from tests.samples import local_profile
from workspaces.model import Workspace

ISSUER_NAMESPACE = "test-issuer"
ISSUER = f"issuer.{ISSUER_NAMESPACE}"
GATEWAY_KINDS = {"HTTPRoute", "BackendTLSPolicy"}
START_SECONDS = 180


@dataclass
class Hub:
    """One project's hub, reached through the platform's forwarder."""

    platform: Platform
    project: Workspace
    images: Mapping[str, str]
    """References of the images jupyterhub and jupyterlab, present on the node."""
    people: Mapping[str, Mapping[str, object]]
    """Claims of everyone whom the issuer knows, by a name of the tests."""
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    client_secret: str = field(default_factory=secrets.token_urlsafe)
    pairs: dict[str, KeyPair] = field(default_factory=dict)
    """Certificate and key of each Secret that holds one: the same for every `apply`, as the engine keeps them."""
    drawn: dict[str, str] = field(default_factory=dict)
    """Values of the drawn secrets: the same for every `apply`, as the engine keeps them."""

    def __post_init__(self) -> None:
        self.authority = issue_authority("tests", self.now)
        self.namespace = namespace_name(self.project)

    @property
    def profile(self) -> Profile:
        """The local profile with the project's namespace as the gateway's domain: the forwarder is the gateway."""
        profile = local_profile()
        port = self.platform.ports.tls
        gateway = profile.exposure.gateway.model_copy(update={"domain": f"{self.namespace}.localhost", "port": port})
        return profile.model_copy(update={"exposure": profile.exposure.model_copy(update={"gateway": gateway})})

    @property
    def _host(self) -> str:
        return host_label(self.project)

    def url(self, path: str) -> str:
        return hub_url(self.project, self.profile, path)

    def start(self) -> None:
        """Bring issuer and hub up."""
        self.platform.kubectl.apply(yaml.safe_dump_all(self._issuer()))
        self.apply(self.project)
        self.platform.kubectl(
            "rollout", "status", "deployment/issuer", "-n", ISSUER_NAMESPACE, "--timeout=120s", timeout=130
        )

    def apply(self, project: Workspace) -> float:
        """Declare the project as it is now and wait for its hub; returns how many seconds the hub took."""
        self.project = project
        began = time.monotonic()
        manifests = [self._filled(each) for each in self._rendered() if each["kind"] not in GATEWAY_KINDS]
        self.platform.kubectl.apply(yaml.safe_dump_all([*manifests, self._front()]))
        self.rolled_out("proxy")
        self.rolled_out("hub")
        # A hub that is ready takes traffic only when the node's rules have followed.
        browser = Browser(self.authority.certificate)
        waiting.until(lambda: browser.get(self.url("/hub/health")).status == 200, "an answer of the hub", 30)
        return time.monotonic() - began

    def rolled_out(self, deployment: str) -> None:
        command = ("rollout", "status", f"deployment/{deployment}", "-n", self.namespace, f"--timeout={START_SECONDS}s")
        self.platform.kubectl(*command, timeout=START_SECONDS + 10)

    def delete(self) -> None:
        """Delete everything, without waiting for its end."""
        self.platform.kubectl("delete", "namespace", self.namespace, ISSUER_NAMESPACE, "--wait=false")

    def browser(self, person: str) -> Browser:
        """The browser of somebody who is signed in at the issuer."""
        browser = Browser(self.authority.certificate)
        issuer = f"https://{ISSUER}.localhost:{self.platform.ports.tls}"
        assert browser.get(f"{issuer}/session/{person}").text == "signed in"
        return browser

    def signed_in(self, person: str) -> Browser:
        browser = self.browser(person)
        page = browser.get(self.url("/hub/home"))
        assert (page.status, page.url) == (200, self.url("/hub/home")), page.text
        return browser

    def start_server(self, browser: Browser, member: str, seconds: float = START_SECONDS) -> float:
        """Start a member's server unless it runs, and wait until it is ready; returns how many seconds that took."""
        began = time.monotonic()
        if not self.ready(browser, member):
            answer = browser.send("POST", self.url(f"/hub/api/users/{member}/server"))
            assert answer.status in {201, 202}, answer.text
        waiting.until(lambda: self.ready(browser, member), f"the start of {member}'s server", seconds)
        assert browser.get(self.url(f"/user/{member}/lab")).status == 200
        return time.monotonic() - began

    def ready(self, browser: Browser, member: str) -> bool:
        servers = self._model(browser, member).json()["servers"]
        return bool(servers) and servers[""]["ready"]

    def _model(self, browser: Browser, member: str) -> Page:
        return browser.get(self.url(f"/hub/api/users/{member}"))

    def pods(self) -> dict[str, Manifest]:
        """The project's pods by name."""
        found = self.platform.kubectl.get("pods", "-n", self.namespace)["items"]
        return {each["metadata"]["name"]: each for each in found}

    def _rendered(self) -> list[Manifest]:
        def build() -> None:
            Partition(self.project.name, self.project, self.profile)
            manifests = hub_manifests(self.project, self.profile, self._sign_in(), self.images)
            authority = CertificateAuthority("authority", "tests")
            JupyterHub(self.project.name, self.project, manifests, authority, self.client_secret, authority)

        objects = [resource.inputs for resource in declared(build) if resource.type.startswith("kubernetes:")]
        return sorted(objects, key=lambda each: each["kind"] != "Namespace")

    def _sign_in(self) -> SignIn:
        back = f"https://{ISSUER}.svc.cluster.local"
        pods = PodSelector(namespace=ISSUER_NAMESPACE, pod_labels={"app": "issuer"})
        return SignIn(
            title="the issuer of the tests",
            client_id="jupyter",
            authorize_url=f"https://{ISSUER}.localhost:{self.platform.ports.tls}/authorize",
            token_url=f"{back}/token",
            userinfo_url=f"{back}/userinfo",
            group=f"/projects/{self.project.name}",
            destination=Destination(8443, pods=pods),
            own_authority=True,
        )

    def _filled(self, manifest: Manifest) -> Manifest:
        """A manifest with the values that the mocks keep back."""
        name = str(cast("Manifest", manifest["metadata"])["name"])
        if manifest["kind"] == "Secret":
            bare = {key: value for key, value in manifest.items() if key != "data"}
            return {**bare, "stringData": self._secret(name)}
        if manifest["kind"] == "ConfigMap" and name != "hub-settings":
            return {**manifest, "data": {"ca.crt": self.authority.certificate}}
        return manifest

    def _tls_pairs(self) -> dict[str, KeyPair]:
        for each in identities(self.project, self.profile):
            names = [each.host, *([self.profile.host(self._host)] if each.secret == PROXY_SECRET else [])]
            if each.secret not in self.pairs:
                self.pairs[each.secret] = self.issue(*names, client=each.client)
        return self.pairs

    def _secret(self, name: str) -> Manifest:
        if pair := self._tls_pairs().get(name):
            return tls_files(pair, self.authority)
        if name == "hub-client":
            return {"secret": self.client_secret}
        return {"secret": self.drawn.setdefault(name, secrets.token_hex(32))}

    def _front(self) -> Manifest:
        """The proxy's Service under the name by which the forwarder looks for the host."""
        metadata = {"name": self._host, "namespace": self.namespace}
        selector = {"cloison/project": self.project.name, "app.kubernetes.io/component": "proxy"}
        spec = {"selector": selector, "ports": [{"port": 443, "targetPort": 8443}]}
        return cast("Manifest", {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})

    def issue(self, *names: str, client: bool = False) -> KeyPair:
        """A certificate of the stack's authority."""
        return issue_certificate(names, client=client, authority=self.authority, now=self.now)

    def _issuer(self) -> list[object]:
        pair = self.issue(f"{ISSUER}.svc.cluster.local", f"{ISSUER}.localhost")
        client = {"id": "jupyter", "secret": self.client_secret, "redirect": self.url("/hub/oauth_callback")}
        files = {
            "issuer.py": Path(__file__).with_name("issuer_pod.py").read_text(),
            "people.json": json.dumps(self.people),
            "client.json": json.dumps(client),
            "tls.crt": pair.certificate,
            "tls.key": pair.private_key,
        }
        metadata = {"name": "issuer", "namespace": ISSUER_NAMESPACE}
        labels = {"app": "issuer"}
        container = {
            "name": "issuer",
            "image": self.images["jupyterhub"],
            "args": ["python", "/etc/issuer/issuer.py"],
            "volumeMounts": [{"name": "files", "mountPath": "/etc/issuer"}],
            "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
        }
        pod = {"containers": [container], "volumes": [{"name": "files", "secret": {"secretName": "issuer"}}]}
        template = {"metadata": {"labels": labels}, "spec": pod}
        workload = {"selector": {"matchLabels": labels}, "template": template}
        front = {"selector": labels, "ports": [{"port": 443, "targetPort": 8443}]}
        return [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ISSUER_NAMESPACE}},
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": files},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": workload},
            {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": front},
        ]


def tls_files(pair: KeyPair, authority: KeyPair) -> Manifest:
    """A Secret's content, as `tls_secret` has it."""
    return {"tls.crt": pair.certificate, "tls.key": pair.private_key, "ca.crt": authority.certificate}
