import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any, cast

import kubernetes_validate
import pytest

from components import hub_sign_in
from components.hub_network import Destination
from components.hub_settings import as_kubernetes, contacts
from components.hub_tls import identities
from stacks.profile import Issuer
from tests.components.consistency import at, inconsistencies, of_kind, text
from tests.components.hub_rendering import hub_settings, rendered_hub
from tests.components.rendering import Manifest, Plain
from tests.samples import cohort, local_profile, workspace

SCHEMA_VERSION = "1.36"


def _hub(**changes: object) -> list[Manifest]:
    return rendered_hub(workspace({**cohort(), **changes}), local_profile())


@pytest.mark.parametrize("tool", [{"jupyterlab": {}}, {"rstudio": {}}], ids=lambda tool: next(iter(tool)))
def test_the_pod_that_a_hub_starts_fits_the_published_schema(tool: dict[str, object]) -> None:
    """The hub passes it on as it stands: nothing else would find a misspelt field."""
    pod = {"apiVersion": "v1", "kind": "Pod", **_pod(tool, data_class="synthetic")}
    assert kubernetes_validate.validate(pod, SCHEMA_VERSION, strict=True) == SCHEMA_VERSION


def test_each_member_has_a_volume_before_any_server_starts() -> None:
    claims = {text(each, "metadata", "name") for each in of_kind(_hub(), "PersistentVolumeClaim")}
    assert claims == {"hub", "home-ada"}


def test_other_settings_are_another_hub() -> None:
    """Members, state and permit take effect when `up` ends, not when a mounted file is refreshed."""
    assert _template(_hub()) != _template(_hub(state="frozen"))
    assert _template(_hub()) == _template(_hub())


def _template(manifests: list[Manifest], deployment: str = "hub") -> Plain:
    return at(_only(manifests, deployment), "spec", "template")


def _only(manifests: list[Manifest], deployment: str) -> Manifest:
    (found,) = [each for each in of_kind(manifests, "Deployment") if text(each, "metadata", "name") == deployment]
    return found


def test_forbidden_terminals_are_switched_off_in_the_server() -> None:
    switch = "--ServerApp.terminals_enabled=False"
    assert switch in _arguments({"jupyterlab": {"terminals": False}})
    assert switch not in _arguments({"jupyterlab": {"terminals": True}})


def test_the_server_is_told_what_the_project_forbids() -> None:
    def told(**settings: bool) -> str | None:
        tools: dict[str, object] = {"jupyterlab": settings}
        environment = _pod(tools, data_class="synthetic")["spec"]["containers"][0]["env"]
        return {each["name"]: each["value"] for each in environment}.get("CLOISON_FORBIDDEN")

    assert told() == "downloads uploads"
    assert told(terminals=False, uploads=True) == "downloads terminals"
    assert told(downloads=True, uploads=True) is None


def _pod(tools: dict[str, object], **changes: object) -> Any:
    (server,) = hub_settings(workspace({**cohort(), **changes, "tools": tools}), local_profile())["servers"]
    return server["pod"]


def _arguments(tools: dict[str, object]) -> list[str]:
    return _pod(tools)["spec"]["containers"][0]["args"]


def test_a_workspace_s_allow_list_is_the_servers_only_way_out() -> None:
    allowed = {"cidr": "192.0.2.10/32", "port": 443, "reason": "reference data"}
    (policy,) = _policies(_hub(data_class="synthetic", egress=[allowed]), "servers")
    blocks = [
        peer for rule in cast("list[Any]", at(policy, "spec", "egress")) for peer in rule["to"] if "ipBlock" in peer
    ]
    assert blocks == [{"ipBlock": {"cidr": "192.0.2.10/32"}}]


def test_only_the_hub_reaches_the_api_server() -> None:
    manifests = _hub()
    reaching = [name for name in ("hub", "proxy", "servers") if "10.10.0.1/32" in str(_policies(manifests, name))]
    assert reaching == ["hub"]


def _policies(manifests: list[Manifest], name: str) -> list[Manifest]:
    return [each for each in of_kind(manifests, "NetworkPolicy") if text(each, "metadata", "name") == name]


def test_the_hub_may_do_nothing_but_start_pods() -> None:
    (role,) = of_kind(_hub(), "Role")
    assert [(rule["resources"], rule["verbs"]) for rule in cast("list[Any]", role["rules"])] == [
        (["pods"], ["get", "list", "watch", "create", "delete"]),
        (["events"], ["get", "list", "watch"]),
    ]


def test_leads_are_whom_to_ask_and_all_members_where_there_is_none() -> None:
    members = [
        {"name": "ada", "email": "ada@lab.example", "role": "researcher"},
        {"name": "ben", "email": "ben@lab.example", "role": "lead"},
    ]
    assert contacts(workspace({**cohort(), "members": members})) == ["ben@lab.example"]
    assert contacts(workspace({**cohort(), "members": members[:1]})) == ["ada@lab.example"]


def test_people_sign_in_at_the_stack_s_own_keycloak() -> None:
    asked = hub_sign_in.sign_in(workspace(cohort()), local_profile())
    assert asked.token_url.startswith("https://keycloak.platform-identity.svc.cluster.local/realms/cloison/")
    assert (asked.client_id, asked.group) == ("jupyter-sleep-study", "/projects/sleep-study")
    assert asked.own_authority


def test_or_at_the_issuer_that_the_profile_names() -> None:
    issuer = Issuer(
        title="the university",
        authorize_url="https://login.example/authorize",
        token_url="https://login.example/token",
        userinfo_url="https://login.example/userinfo",
        groups_claim="roles",
        cidrs=["192.0.2.0/28"],
    )
    profile = local_profile()
    named = profile.model_copy(update={"identity": profile.identity.model_copy(update={"issuer": issuer})})
    asked = hub_sign_in.sign_in(workspace(cohort()), named)
    assert (asked.token_url, asked.groups_claim, asked.own_authority) == (issuer.token_url, "roles", False)
    assert asked.destination.peers() == [{"ip_block": {"cidr": "192.0.2.0/28"}}]


def test_a_destination_without_peers_is_refused() -> None:
    with pytest.raises(ValueError, match="at port 443 names neither pods nor addresses: give one of them"):
        Destination(443).peers()


@pytest.mark.parametrize(
    ("deployment", "secrets"),
    [("hub", ["hub-tls"]), ("proxy", ["proxy-tls", "proxy-api-tls"])],
)
def test_renewed_certificates_are_another_pod(deployment: str, secrets: list[str]) -> None:
    annotations = cast("dict[str, str]", at(_template(_hub(), deployment), "metadata", "annotations"))
    assert {key: value for key, value in annotations.items() if "certificate-ends" in key} == {
        f"cloison/certificate-ends.{secret}": f"end of sleep-study-{secret}" for secret in secrets
    }


def test_every_address_inside_a_project_is_https_and_named_in_a_certificate() -> None:
    project, profile = workspace(cohort()), local_profile()
    told = hub_settings(project, profile)
    hosts = {each.host for each in identities(project, profile)}
    for address in (told["hub_url"], told["proxy_api_url"], told["server_url"].format(unescaped_username="ada")):
        scheme, _, rest = address.partition("://")
        assert (scheme, rest.partition(":")[0] in hosts) == ("https", True), address
    proxy = str(_only(_hub(), "proxy"))
    assert f"--default-target={told['hub_url']}" in proxy
    assert "http://" not in proxy


def test_a_member_who_left_has_no_certificate_and_no_server_to_name() -> None:
    members = [
        {"name": "ada", "email": "ada@lab.example", "role": "lead"},
        {"name": "ben", "email": "ben@lab.example", "role": "researcher", "left": True},
    ]
    manifests = _hub(members=members)
    named = [text(each, "metadata", "name") for kind in ("Secret", "Service") for each in of_kind(manifests, kind)]
    assert [name for name in named if name.startswith("server-")] == ["server-tls-ada", "server-ada"]


def test_names_are_spelt_as_the_api_does_and_labels_stay() -> None:
    given = {
        "run_as_user": 1,
        "exec_": {},
        "labels": {"app.kubernetes.io/part-of": "x"},
        "items": [{"read_only": True}],
    }
    assert as_kubernetes(given) == {
        "runAsUser": 1,
        "exec": {},
        "labels": {"app.kubernetes.io/part-of": "x"},
        "items": [{"readOnly": True}],
    }


def _policy(manifests: list[Manifest], name: str) -> dict[str, Any]:
    (policy,) = _policies(manifests, name)
    return cast("dict[str, Any]", policy["spec"])


def _edit_pod(manifests: list[Manifest], edit: Callable[[dict[str, Any]], object]) -> None:
    """Change the pod that the hub would start."""
    (settings_map,) = [each for each in of_kind(manifests, "ConfigMap") if at(each, "data", "settings.json")]
    data = cast("dict[str, str]", settings_map["data"])
    content = json.loads(data["settings.json"])
    edit(content["servers"][0]["pod"])
    data["settings.json"] = json.dumps(content)


SPOILERS: dict[str, Callable[[list[Manifest]], object]] = {
    "NetworkPolicy servers protects no pods": lambda m: _edit_pod(m, lambda pod: pod["metadata"].update(labels={})),
    "jupyterlab of ada may run as root": lambda m: _edit_pod(m, lambda pod: pod["spec"].update(securityContext={})),
    "jupyterlab of ada mounts a token": lambda m: _edit_pod(
        m, lambda pod: pod["spec"].update(automountServiceAccountToken=True)
    ),
    "jupyterlab of ada refers to": lambda m: _edit_pod(m, lambda pod: pod["spec"].update(serviceAccountName="root")),
    "Service hub selects 2 pod templates": lambda m: _edit_pod(
        m, lambda pod: pod["metadata"].update(labels=at(_only(m, "hub"), "spec", "template", "metadata", "labels"))
    ),
    "NetworkPolicy servers opens an address range": lambda m: _policy(m, "servers")["egress"].append(
        {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}
    ),
    "NetworkPolicy proxy names no pods": lambda m: _policy(m, "proxy")["egress"].append({"ports": [{"port": 443}]}),
    "Service server-ada selects 0 pod templates": lambda m: _edit_pod(
        m, lambda pod: pod["metadata"]["labels"].pop("cloison/member")
    ),
    "Deployment hub refers to": lambda m: m.remove(
        next(each for each in of_kind(m, "Secret") if text(each, "metadata", "name") == "hub-cookie")
    ),
}


@pytest.mark.parametrize("complaint", SPOILERS)
def test_the_checker_sees_each_spoiled_hub(complaint: str) -> None:
    manifests = deepcopy(_hub())
    SPOILERS[complaint](manifests)
    assert any(complaint in problem for problem in inconsistencies(manifests))


def test_a_member_whose_subject_is_known_is_told_to_the_hub_by_it() -> None:
    ada = {"name": "ada", "email": "ada@lab.example", "role": "lead"}
    members = [ada | {"subject": "8d1c"}, {"name": "ben", "email": "ben@lab.example", "role": "reviewer"}]
    told = hub_settings(workspace({**cohort(), "members": members}), local_profile())["members"]
    assert told == [ada | {"subject": "8d1c"}, members[1]]
