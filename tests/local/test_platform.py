"""The running platform, seen from the machine and from its pods."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import build, network, settings, versions, waiting
from local.errors import PlatformError
from local.image import ProgramImage
from local.platform import Platform
from tests.local import samples

pytestmark = pytest.mark.platform

SPACE = "seen"


@pytest.fixture(scope="module")
def workload(platform: Platform) -> Iterator[Platform]:
    """A platform with one restricted pod behind a Service, on a volume of each class."""
    samples.apply(
        platform,
        samples.namespace(SPACE),
        samples.claim("own", SPACE, "local-rwo", "ReadWriteOnce"),
        samples.claim("shared", SPACE, "local-rwx", "ReadWriteMany"),
        *samples.web("web", SPACE, samples.agnhost(platform), ("own", "shared")),
    )
    samples.wait_ready(platform, "web", SPACE)
    yield platform
    platform.kubectl("delete", "namespace", SPACE, "--wait=true", timeout=120)


def curl(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["curl", "--silent", "--max-time", "5", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def shell(platform: Platform, pod: str, *command: str) -> str:
    return platform.kubectl("exec", f"--namespace={SPACE}", pod, "--", *command)


def answers(platform: Platform, body: str) -> bool:
    return curl(platform.url("web", SPACE, "/hostname")).stdout == body


def test_a_restricted_pod_answers_the_machines_curl_through_its_service(workload: Platform) -> None:
    waiting.until(lambda: answers(workload, "web"), "an answer of the Service", 10)


def test_the_forwarder_says_which_service_it_cannot_find(workload: Platform) -> None:
    assert "no Service answers to nothing.seen.localhost" in curl(workload.url("nothing", SPACE)).stdout


def test_the_forwarder_tells_a_wrong_name_from_an_unknown_service(workload: Platform) -> None:
    said = curl("--header", "Host: example.org", f"http://127.0.0.1:{workload.ports.http}/").stdout
    assert '"example.org" does not read <service>.<namespace>.localhost' in said


def test_tls_is_led_to_the_service_of_its_server_name(platform: Platform) -> None:
    address = f"https://kubernetes.default.localhost:{platform.ports.tls}/livez"
    authority = platform.layout.pki / "cluster.crt"
    # The answer comes from the API server itself: its certificate does not carry this name, but it is its own.
    said = curl("--verbose", "--cacert", str(authority), address)
    assert "no alternative certificate subject name matches" in said.stderr
    assert curl("--insecure", "--output", "/dev/null", "--write-out", "%{http_code}", address).stdout == "401"


@pytest.mark.parametrize(("claim", "mode"), [("own", "ReadWriteOnce"), ("shared", "ReadWriteMany")])
def test_a_claim_of_each_class_is_bound_to_a_folder_of_this_node(workload: Platform, claim: str, mode: str) -> None:
    found = workload.kubectl.get("pvc", claim, f"--namespace={SPACE}")
    volume = workload.kubectl.get("pv", found["spec"]["volumeName"])["spec"]
    assert found["status"] == {"phase": "Bound", "accessModes": [mode], "capacity": {"storage": "1Gi"}}
    assert volume["local"]["path"].startswith(str(workload.layout.volumes))
    terms = volume["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert terms[0]["matchExpressions"][0]["values"] == [workload.layout.node]


@pytest.mark.parametrize("claim", ["own", "shared"])
def test_a_pod_that_is_not_root_writes_into_its_volumes(workload: Platform, claim: str) -> None:
    shell(workload, "web", "/agnhost", "mounttest", f"--new_file_0644=/{claim}/written")
    volume = workload.kubectl.get("pvc", claim, f"--namespace={SPACE}")["spec"]["volumeName"]
    written = workload.layout.volumes / volume / "written"
    assert (written.stat().st_uid, written.read_text()) == (1000, "mount-tester new file\n")


def test_two_pods_share_a_volume_of_the_shared_class(workload: Platform) -> None:
    shell(workload, "web", "/agnhost", "mounttest", "--new_file_0644=/shared/seen-by-both")
    samples.apply(workload, samples.web("reader", SPACE, samples.agnhost(workload), ("shared",))[0])
    samples.wait_ready(workload, "reader", SPACE)
    read = shell(workload, "reader", "/agnhost", "mounttest", "--file_content=/shared/seen-by-both")
    assert "mount-tester new file" in read
    workload.kubectl("delete", f"--namespace={SPACE}", "pod/reader")


def test_a_service_accounts_token_is_bound_and_ends(platform: Platform) -> None:
    token = platform.kubectl("create", "token", "default")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["iss"] == claims["aud"][0] == "https://kubernetes.default.svc.cluster.local"
    assert claims["exp"] - claims["iat"] <= 3607
    assert claims["kubernetes.io"]["serviceaccount"]["name"] == "default"


def test_a_class_refuses_the_other_classs_access_mode(workload: Platform) -> None:
    wrong = samples.claim("wrong", SPACE, "local-rwo", "ReadWriteMany")
    pod = samples.web("waits", SPACE, samples.agnhost(workload), ("wrong",))[0]
    samples.apply(workload, wrong, pod)

    def refused() -> bool:
        events = workload.kubectl("events", f"--namespace={SPACE}", "--for=persistentvolumeclaim/wrong")
        return "storage class local-rwo grants ReadWriteOnce, not ReadWriteMany" in events

    waiting.until(refused, "a refusal", 30)
    workload.kubectl("delete", f"--namespace={SPACE}", "pod/waits", "pvc/wrong")


def test_a_pod_finds_services_by_name_and_nothing_outside(workload: Platform) -> None:
    assert "kubernetes.default" not in shell(workload, "web", "/agnhost", "connect", "kube-dns.kube-system:53")
    with pytest.raises(PlatformError, match=r"DNS"):
        shell(workload, "web", "/agnhost", "connect", "example.org:443", "--timeout=5s")


def test_the_namespace_has_no_way_out(workload: Platform) -> None:
    routes = network.run([*network.enter(workload.layout), "ip", "route", "show"])
    assert "default" not in routes
    with pytest.raises(PlatformError, match=r"unreachable|TIMEOUT"):
        shell(workload, "web", "/agnhost", "connect", "192.0.2.1:443", "--timeout=2s")


def test_nobody_is_anonymous(platform: Platform) -> None:
    server = f"https://127.0.0.1:{platform.ports.api}"
    for path in ("/livez", "/version", "/api"):
        said = curl("--insecure", "--output", "/dev/null", "--write-out", "%{http_code}", server + path)
        assert said.stdout == "401"


def test_secrets_are_encrypted_in_etcd(platform: Platform) -> None:
    platform.kubectl("create", "secret", "generic", "planted", "--from-literal=word=correct-horse-battery")
    try:
        stored = b"".join(path.read_bytes() for path in (platform.layout.state / "etcd").rglob("*") if path.is_file())
        assert b"k8s:enc:secretbox:v1:key1:" in stored
        assert b"correct-horse-battery" not in stored
    finally:
        platform.kubectl("delete", "secret", "planted")


def test_the_audit_log_names_who_did_what_but_no_secret(platform: Platform) -> None:
    platform.kubectl("create", "secret", "generic", "audited", "--from-literal=word=never-in-a-log")
    platform.kubectl("delete", "secret", "audited")
    text = platform.layout.audit_log.read_text()
    events = [json.loads(line) for line in text.splitlines() if '"audited"' in line]
    assert {event["verb"] for event in events} >= {"create", "delete"}
    assert {event["user"]["username"] for event in events} == {"cloison-administrator"}
    assert "never-in-a-log" not in text


def test_a_namespace_that_says_nothing_still_refuses_a_privileged_pod(platform: Platform) -> None:
    pod = samples.web("privileged", "default", "none")[0]
    pod["spec"]["hostNetwork"] = True
    with pytest.raises(PlatformError, match="violates PodSecurity"):
        samples.apply(platform, pod)


def test_a_node_may_not_speak_for_another(platform: Platform) -> None:
    node = json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "another"}})
    identity = (f"--as=system:node:{platform.layout.node}", "--as-group=system:nodes")
    with pytest.raises(PlatformError, match='is not allowed to modify node "another"'):
        platform.kubectl("create", "--filename=-", "--dry-run=server", *identity, stdin=node)


def test_the_running_programs_are_the_pinned_ones(platform: Platform) -> None:
    node = platform.kubectl.get("node", platform.layout.node)["status"]["nodeInfo"]
    assert node["kubeletVersion"] == f"v{versions.KUBERNETES}"
    assert node["containerRuntimeVersion"].startswith("containerd://")


def local(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", arguments[0], "--name", platform.layout.name, *arguments[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_status_is_ready_for_people_and_for_programs(platform: Platform) -> None:
    told = json.loads(local(platform, "status", "--json").stdout)[0]
    assert (told["ready"], told["message"], told["name"]) == (True, "", platform.layout.name)
    assert all(component["pid"] for component in told["components"])
    assert f".localhost:{platform.ports.http}/" in local(platform, "status").stdout


def test_kubectl_passes_its_words_on(platform: Platform) -> None:
    assert local(platform, "kubectl", "get", "nodes", "-o", "name").stdout == f"node/{platform.layout.node}\n"


def test_logs_shows_the_end_of_a_components_log(platform: Platform) -> None:
    assert local(platform, "logs", "audit", "--lines=1").stdout.startswith('{"kind":"Event"')
    assert local(platform, "logs", "mayor").returncode == 2


def test_load_prints_the_name_of_the_image(platform: Platform, tmp_path: Path) -> None:
    image = ProgramImage(build.tool("pause"))
    archive = tmp_path / "pause.tar"
    archive.write_bytes(image.archive())
    assert local(platform, "load", str(archive)).stdout.split() == [image.reference]
    archive.write_bytes(b"no image")
    refused = local(platform, "load", str(archive))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "pause.tar is not an image archive that containerd takes" in refused.stderr


def test_components_are_told_nothing_secret_in_their_arguments(platform: Platform) -> None:
    key = (platform.layout.pki / "encryption.key").read_bytes()
    secret = json.dumps(settings.encryption(key)).split('"secret": "')[1].split('"')[0]
    arguments = b"".join(
        (process / "cmdline").read_bytes()
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and (process / "cmdline").exists()
    )
    assert secret.encode() not in arguments
