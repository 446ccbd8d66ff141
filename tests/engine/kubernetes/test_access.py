"""Finding a cluster, proving who we are, and the provider's own configuration."""

import base64
import json
import stat
import sys

import pytest
import yaml

from engine.errors import InputError, Unreachable, Unsupported
from engine.kubernetes import KubernetesProvider, options
from engine.kubernetes.credentials import Credentials
from engine.kubernetes.kubeconfig import Cluster, find_cluster
from engine.provider import Changes
from engine.values import UNKNOWN
from tests.engine.kubernetes.scripted import Reply, refusal, serving


def kubeconfig(name="a", *, server="https://a.example", namespace="", user=None, **more):
    context = {"cluster": name, "user": name} | ({"namespace": namespace} if namespace else {})
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server} | more}],
        "users": [{"name": name, "user": user or {"token": f"token-{name}"}}],
        "contexts": [{"name": name, "context": context}],
    }


@pytest.fixture
def write(tmp_path):
    def to_file(content, name="config"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
        return path

    return to_file


def test_reads_the_files_that_the_environment_names_first_one_first(write, tmp_path):
    first, second = write(kubeconfig("a"), "one"), write(kubeconfig("b"), "two")
    environment = {"KUBECONFIG": f"{first}:{tmp_path / 'missing'}:{second}"}
    assert find_cluster({}, environment).user == {"token": "token-a"}
    assert find_cluster({"context": "b"}, environment).user == {"token": "token-b"}


def test_reads_the_home_folder_when_nothing_else_is_said(write, tmp_path):
    write(kubeconfig("home", namespace="mine"), ".kube/config")
    found = find_cluster({}, {"HOME": str(tmp_path)})
    assert (found.context, found.namespace, found.server) == ("home", "mine", "https://a.example")


@pytest.mark.parametrize("form", ["path", "yaml", "json"])
def test_takes_a_kubeconfig_as_content_or_path(write, form):
    content = kubeconfig("a")
    given = {"path": str(write(content)), "yaml": yaml.safe_dump(content), "json": json.dumps(content)}[form]
    assert find_cluster({"kubeconfig": given}, {}).context == "a"


@pytest.mark.parametrize(
    ("config", "expected"),
    [({}, "default"), ({"namespace": "given"}, "given")],
)
def test_knows_the_namespace_to_use(write, config, expected):
    assert find_cluster({"kubeconfig": str(write(kubeconfig()))} | config, {}).namespace == expected


def test_finds_files_beside_the_kubeconfig(write, tmp_path):
    (tmp_path / "token.txt").write_text("from a file\n")
    path = write(kubeconfig(user={"tokenFile": "token.txt"}))
    cluster = find_cluster({"kubeconfig": str(path)}, {})
    assert Credentials(cluster).headers() == {"Authorization": "Bearer from a file"}


@pytest.mark.parametrize(
    ("content", "config", "message"),
    [
        ("{", {}, "is not YAML"),
        ("a: b\n", {}, "is no kubeconfig: it has no clusters"),
        (yaml.safe_dump(kubeconfig("a")), {"context": "b"}, r"there is no context 'b' \(it has: a\)"),
        (yaml.safe_dump(kubeconfig("a")), {"cluster": "b"}, r"there is no cluster 'b' \(it has: a\)"),
        (yaml.safe_dump(kubeconfig("a", server="")), {}, "the cluster 'a' has no server"),
    ],
)
def test_says_what_is_wrong_with_a_kubeconfig(content, config, message):
    with pytest.raises(InputError, match=message):
        find_cluster({"kubeconfig": content + "\n"} | config, {})


def test_says_that_there_is_no_cluster(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.kubernetes.kubeconfig.LOCAL_PLATFORM", tmp_path / "none")
    with pytest.raises(InputError, match=r"set KUBECONFIG, write ~/\.kube/config, or start the local platform"):
        find_cluster({}, {"HOME": str(tmp_path)})
    with pytest.raises(InputError, match="missing does not exist; set KUBECONFIG"):
        find_cluster({}, {"KUBECONFIG": str(tmp_path / "missing")})


def test_falls_back_to_the_local_platform(write, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.kubernetes.kubeconfig.LOCAL_PLATFORM", write(kubeconfig("local")))
    assert find_cluster({}, {"HOME": str(tmp_path)}).context == "local"


def test_never_shows_credentials(write):
    assert "token-a" not in repr(find_cluster({"kubeconfig": str(write(kubeconfig()))}, {}))


def cluster(**user):
    return Cluster("test", {"server": "https://a.example"}, user)


def plugin(tmp_path, code):
    program = tmp_path / "login"
    program.write_text(f"#!{sys.executable}\n{code}")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "installHint": "buy one"}


def test_authenticates_with_a_name_and_a_password():
    header = Credentials(cluster(username="me", password="pass")).headers()["Authorization"]
    assert base64.b64decode(header.removeprefix("Basic ")) == b"me:pass"


def test_runs_a_credential_program_once_until_its_token_expires(tmp_path):
    code = """import json, os, pathlib
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
runs = pathlib.Path(__file__).with_name("runs")
runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
status = {"token": os.environ["WHO"] + info["kind"], "expirationTimestamp": os.environ["UNTIL"]}
print(json.dumps({"kind": "ExecCredential", "status": status}))
"""
    for until, runs in (("2999-01-01T00:00:00Z", "x"), ("2000-01-01T00:00:00Z", "xxx")):
        environment = [{"name": "WHO", "value": "me-"}, {"name": "UNTIL", "value": until}]
        credentials = Credentials(cluster(exec=plugin(tmp_path, code) | {"env": environment}))
        for _ in range(2):
            assert credentials.headers() == {"Authorization": "Bearer me-ExecCredential"}
        assert (tmp_path / "runs").read_text() == runs


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit('please sign in')", "failed: please sign in"),
        ("print('hello')", "gave no credential"),
        ("print('{}')", "gave no credential"),
    ],
)
def test_says_why_a_credential_program_gave_nothing(tmp_path, code, message):
    with pytest.raises(Unreachable, match=message):
        Credentials(cluster(exec=plugin(tmp_path, code))).headers()


def test_says_that_a_credential_program_is_missing(tmp_path):
    missing = {"command": str(tmp_path / "missing"), "installHint": "buy one"}
    with pytest.raises(Unreachable, match="missing' is missing; buy one"):
        Credentials(cluster(exec=missing)).headers()


def test_refuses_what_has_left_kubernetes():
    with pytest.raises(InputError, match="the auth-provider 'gcp' has left Kubernetes; use an exec plugin"):
        Credentials(cluster(**{"auth-provider": {"name": "gcp"}}))


def test_reads_its_options_as_pulumi_passes_them():
    config = {"enableSecretMutable": "true", "upsertExistingObjects": True, "namespace": "n", "version": "4.34.2"}
    parsed = options.parse(config, {"PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE": "true"})
    assert (parsed.mutable_secrets, parsed.mutable_config_maps, parsed.upsert) == (True, True, True)
    assert (parsed.patch_force, parsed.delete_unreachable) == (False, False)
    assert parsed.location == {"namespace": "n"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"enableServerSideApply": "false"}, "client-side apply"),
        ({"renderYamlToDirectory": "out"}, "renderYamlToDirectory"),
        ({"helmReleaseSettings": "{}"}, "helmReleaseSettings"),
        ({"skipUpdateUnreachable": "true"}, "skipUpdateUnreachable"),
    ],
)
def test_refuses_options_it_does_not_have_by_name(config, message):
    with pytest.raises(Unsupported, match=message):
        options.parse(config, {})
    failures = KubernetesProvider(print).check_config(config).failures
    assert message in failures[0].reason
    assert "use the Pulumi CLI" in failures[0].reason


@pytest.mark.parametrize("value", ["yes", "1", "{"])
def test_refuses_an_option_that_is_neither_true_nor_false(value):
    with pytest.raises(InputError, match=r"enableSecretMutable of kubernetes\.Provider must be true or false"):
        options.parse({"enableSecretMutable": value}, {})


def test_refuses_an_argument_that_does_not_exist():
    with pytest.raises(InputError, match=r"kubernetes\.Provider has no argument kubecofnig"):
        options.parse({"kubecofnig": "x"}, {})


def same_user(server):
    return yaml.safe_dump(kubeconfig(server=server))


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        ({"kubeconfig": same_user("https://a")}, {"kubeconfig": same_user("https://a") + "\n"}, ()),
        ({"kubeconfig": same_user("https://a")}, {"kubeconfig": same_user("https://b")}, ("kubeconfig",)),
        ({"kubeconfig": same_user("https://a")}, {"kubeconfig": UNKNOWN}, ("kubeconfig",)),
        ({"namespace": "a"}, {"namespace": "b"}, ()),
        (
            {"clusterIdentifier": "x", "kubeconfig": same_user("https://a")},
            {"clusterIdentifier": "x", "kubeconfig": same_user("https://b")},
            (),
        ),
        ({"clusterIdentifier": "x"}, {"clusterIdentifier": "y"}, ("clusterIdentifier",)),
    ],
)
def test_replaces_everything_only_when_the_cluster_is_another(old, new, replaces):
    found = KubernetesProvider(print).diff_config(old, new)
    assert found.changes is Changes.SOME
    assert found.replaces == replaces


def test_finds_no_change_in_the_same_configuration():
    assert KubernetesProvider(print).diff_config({"context": "a"}, {"context": "a"}).changes is Changes.NONE


def configured(server, **config):
    provider = KubernetesProvider(print)
    content = kubeconfig(server=server.cluster.server)
    provider.configure({"kubeconfig": json.dumps(content)} | config)
    return provider


def test_contacts_the_cluster_before_anything_else():
    with serving() as server:
        server.script("GET", "/version", refusal(401, "Unauthorized"), Reply(body={"gitVersion": "v1.36.3"}))
        with pytest.raises(
            Unreachable, match="refuses the credentials of context 'a': wrong or expired; sign in again"
        ):
            configured(server)
        configured(server)


def test_says_that_what_answers_is_no_cluster():
    with serving() as server, pytest.raises(Unreachable, match="does not answer as a Kubernetes API server"):
        configured(server)


def test_plans_offline_while_the_cluster_is_still_to_be_made():
    provider = KubernetesProvider(print)
    provider.configure({"kubeconfig": UNKNOWN})
    urn = "urn:pulumi:s::p::kubernetes:core/v1:Namespace::n"
    checked = provider.check(urn, None, {"metadata": {"name": "n"}}, random_seed=b"")
    assert checked.inputs["metadata"] == {"name": "n"}
    id_, planned = provider.create(urn, checked.inputs, timeout=None, preview=True)
    assert (id_, planned["metadata"]["uid"]) == ("", UNKNOWN)
    with pytest.raises(Unreachable, match="its kubeconfig comes from another resource"):
        provider.create(urn, checked.inputs, timeout=None, preview=False)


def test_forgets_the_objects_of_a_cluster_that_is_gone_when_told_to(monkeypatch):
    monkeypatch.setattr("engine.kubernetes.provider._CONFIGURE_PATIENCE", 0.05)
    with serving() as server:
        pass
    provider = configured(server, deleteUnreachable="true")
    urn = "urn:pulumi:s::p::kubernetes:core/v1:ConfigMap::n"
    inputs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n", "namespace": "x"}}
    assert provider.read(urn, "x/n", inputs, inputs) is None
    provider.delete(urn, "x/n", inputs, inputs, timeout=None)
    with pytest.raises(Unreachable, match="cannot be reached"):
        provider.create(urn, inputs, timeout=None, preview=False)
