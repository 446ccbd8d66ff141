"""What the components are told: rendered from the layout, never touching what lies outside of it."""

import tomllib
from pathlib import Path

import pytest

from local import components, identities, network, ports, settings
from local.certificates import KeyPair
from local.components import Component, Context
from local.errors import RefusedError
from local.identities import Servers
from local.paths import Layout

NAMES = list(Servers.__dataclass_fields__)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setattr(Layout, "state", property(lambda self: tmp_path / "state" / self.name))
    monkeypatch.setattr(Layout, "run", property(lambda self: tmp_path / "run" / self.name))
    return Layout("a")


def context_of(layout: Layout) -> Context:
    """A platform's command lines, with key pairs that need not exist."""
    servers = Servers(**{name: KeyPair(layout.pki / f"{name}.crt", layout.pki / f"{name}.key") for name in NAMES})
    return Context(layout, servers, lambda name: Path("tools") / name)


@pytest.fixture
def context(layout: Layout) -> Context:
    return context_of(layout)


def command(context: Context, name: str) -> dict[str, str]:
    words = components.components(context)[name].command
    return dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--"))


def test_every_component_has_its_place_in_the_order(context: Context) -> None:
    assert tuple(components.components(context)) == components.START_ORDER


def test_the_api_server_knows_nobody_without_a_certificate_or_token(context: Context) -> None:
    flags = command(context, "kube-apiserver")
    assert flags["anonymous-auth"] == "false"
    assert flags["authorization-mode"] == "Node,RBAC"
    assert "NodeRestriction" in flags["enable-admission-plugins"]
    assert flags["advertise-address"] == network.NODE_ADDRESS


@pytest.mark.parametrize("flag", ["encryption-provider-config", "audit-policy-file", "audit-log-path"])
def test_the_api_server_encrypts_and_records(context: Context, flag: str) -> None:
    assert command(context, "kube-apiserver")[flag].startswith(str(context.layout.state))


def test_etcd_listens_on_loopback_and_asks_for_certificates(context: Context) -> None:
    flags = command(context, "etcd")
    assert flags["listen-client-urls"] == "https://127.0.0.1:2379"
    assert flags["client-cert-auth"] == flags["peer-client-cert-auth"] == "true"


def test_two_platforms_share_no_file(context: Context) -> None:
    assert not _files(context) & _files(context_of(Layout("b")))


def _files(context: Context) -> set[str]:
    flags = [command(context, name) for name in components.START_ORDER]
    return {value for each in flags for value in each.values() if value.startswith("/")}


def test_a_changed_file_or_setting_restarts_a_component(tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text("a")
    first = Component("x", ("run",), (file,)).fingerprint
    assert Component("x", ("run",), (file,), {"A": "b"}).fingerprint != first
    file.write_text("b")
    assert Component("x", ("run",), (file,)).fingerprint != first


def test_components_find_programs_in_their_environment_and_nothing_of_the_callers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLANTED", "secret")
    assert set(components.environment(Component("x", ("run",)))) == {"PATH", "HOME"}


def test_secrets_are_encrypted_first_and_readable_in_clear_second() -> None:
    rendered = settings.encryption(b"k" * 32)["resources"]
    assert rendered[0]["resources"] == ["secrets"]
    assert [list(provider) for provider in rendered[0]["providers"]] == [["secretbox"], ["identity"]]


def test_the_audit_policy_never_keeps_what_a_secret_holds() -> None:
    rules = settings.audit_policy()["rules"]
    about_secrets = [rule for rule in rules if "secrets" in str(rule.get("resources"))]
    first_with_content = next(index for index, rule in enumerate(rules) if rule["level"].startswith("Request"))
    assert [rule["level"] for rule in about_secrets] == ["Metadata"]
    assert rules.index(about_secrets[0]) < first_with_content
    assert rules[-1] == {"level": "Metadata"}


def test_unlabelled_namespaces_are_held_to_baseline() -> None:
    (plugin,) = settings.admission()["plugins"]
    assert plugin["configuration"]["defaults"]["enforce"] == "baseline"
    assert not any(plugin["configuration"]["exemptions"].values())


def test_the_kubelet_trusts_nobody_and_never_deletes_an_image(layout: Layout) -> None:
    rendered = settings.kubelet(layout, KeyPair(Path("c"), Path("k")))
    assert rendered["authentication"]["anonymous"] == {"enabled": False}
    assert rendered["authorization"] == {"mode": "Webhook"}
    assert rendered["imageGCHighThresholdPercent"] == 100
    assert rendered["cgroupRoot"] == "/cloison/a"


def test_kube_proxy_leaves_the_machines_connection_tracking_alone(layout: Layout) -> None:
    rendered = settings.kube_proxy(layout)
    assert rendered["mode"] == "nftables"
    assert {str(value) for value in rendered["conntrack"].values()} == {"0", "0s"}


def test_pods_are_routed_not_bridged(layout: Layout) -> None:
    (plugin,) = settings.cni(layout)["plugins"]
    assert (plugin["type"], plugin["ipMasq"]) == ("ptp", False)


def test_containerd_writes_under_the_platform_alone(layout: Layout) -> None:
    rendered = tomllib.loads(settings.containerd(layout, "cloison.local/pause:1", "/tools/shim"))
    runtime = rendered["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"] is runtime["netns_mounts_under_state_dir"] is True
    assert rendered["plugins"]["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == "cloison.local/pause:1"
    places = [value for value in _values(rendered) if isinstance(value, str) and value.startswith("/")]
    outside = [place for place in places if not place.startswith((str(layout.state), str(layout.run)))]
    assert sorted(outside) == ["/tools/shim"]


def test_the_socket_of_a_shim_fits_for_the_longest_name() -> None:
    """Containerd refuses a folder of more than 42 characters: a socket's path has 108 at most."""
    assert len(str(Layout("a" * 12).run / "s")) <= 42


def _values(tree: object) -> list[object]:
    if isinstance(tree, dict):
        return [value for branch in tree.values() for value in _values(branch)]
    return [tree]


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a.b", "../a", "abcdefghijklm"])
def test_a_name_that_cannot_be_an_interface_is_refused(name: str) -> None:
    with pytest.raises(RefusedError, match=r"platform name .*: use at most 12 lower-case letters"):
        Layout(name)


def test_each_identity_is_made_once_with_its_kubeconfig(layout: Layout) -> None:
    ways_in = ports.proposed("a")
    first = identities.ensure(layout, ways_in)
    content = {path: path.read_bytes() for path in layout.state.rglob("*") if path.is_file()}
    assert identities.ensure(layout, ways_in) == first
    assert {path: path.read_bytes() for path in layout.state.rglob("*") if path.is_file()} == content
    assert {path.stat().st_mode & 0o777 for path in content} == {0o600}
    assert f"https://127.0.0.1:{ways_in.api}" in layout.kubeconfig.read_text()


def test_the_encryption_key_is_made_once(layout: Layout) -> None:
    key = identities.encryption_key(layout)
    assert len(key) == 32
    assert identities.encryption_key(layout) == key
