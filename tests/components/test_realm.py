import base64
import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest
from pulumi.dynamic import Config, ConfigureRequest
from pulumi.dynamic.dynamic import serialize_provider

from components.access import ProjectAccess, SignInRealm, ToolAddresses, demonstration_accounts, group_path
from components.realm import FlowBindingProvider, FlowProvider, RealmProvider
from components.realm_accounts import (
    FIRST_SIGN_IN,
    PASSWORD_CHARACTERS,
    GroupProvider,
    MembershipProvider,
    UserProvider,
    first_password,
)
from components.realm_api import AdministrationError
from components.realm_client import ClientProvider, client_representation
from components.realm_resource import (
    MARK,
    SECRET_KEY,
    SECRET_VARIABLE,
    Administration,
    ObjectProvider,
    adopted,
)
from components.realm_settings import (
    PASSWORD_AND_CODE,
    PASSWORD_POLICY,
    REFUSED,
    realm_settings,
    required_actions,
    user_profile,
)
from components.remote_objects import projected
from tests.components.rendering import Declared, declared
from tests.samples import cohort, workspace

SERVER = Administration("https://keycloak.example", "PEM of the authority")
PROVIDERS = (
    RealmProvider,
    FlowProvider,
    FlowBindingProvider,
    GroupProvider,
    ClientProvider,
    UserProvider,
    MembershipProvider,
)
SETTINGS = realm_settings("Cloison")
LIMITS: Mapping[str, tuple[float, float]] = {
    "failureFactor": (1, 10),
    "waitIncrementSeconds": (60, 24 * 3600),
    "ssoSessionIdleTimeout": (60, dt.timedelta(minutes=30).total_seconds()),
    "clientSessionIdleTimeout": (60, dt.timedelta(minutes=30).total_seconds()),
    "offlineSessionIdleTimeout": (60, dt.timedelta(minutes=30).total_seconds()),
    "ssoSessionMaxLifespan": (60, dt.timedelta(hours=12).total_seconds()),
    "clientSessionMaxLifespan": (60, dt.timedelta(hours=12).total_seconds()),
    "offlineSessionMaxLifespan": (60, dt.timedelta(hours=12).total_seconds()),
    "accessTokenLifespan": (60, 600),
    "eventsExpiration": (dt.timedelta(days=183).total_seconds(), dt.timedelta(days=366).total_seconds()),
}
"""Bounds of the control catalogue (IAM-02, IAM-09) and of CNIL 2021-122 on logs."""
SWITCHES = {
    "sslRequired": "all",
    "registrationAllowed": False,
    "duplicateEmailsAllowed": False,
    "verifyEmail": True,
    "rememberMe": False,
    "resetPasswordAllowed": False,
    "editUsernameAllowed": False,
    "bruteForceProtected": True,
    "eventsEnabled": True,
    "adminEventsEnabled": True,
    "offlineSessionMaxLifespanEnabled": True,
    "otpPolicyCodeReusable": False,
}


@pytest.mark.parametrize("setting", LIMITS)
def test_the_realm_keeps_within_the_bounds_of_the_catalogue(setting: str) -> None:
    least, most = LIMITS[setting]
    assert least <= SETTINGS[setting] <= most


@pytest.mark.parametrize("setting", SWITCHES)
def test_the_realm_is_closed_where_it_can_be(setting: str) -> None:
    assert SETTINGS[setting] == SWITCHES[setting]


def test_everybody_is_asked_for_a_second_factor() -> None:
    (form,) = [step for step in PASSWORD_AND_CODE if "steps" in step]
    assert [(each["authenticator"], each["requirement"]) for each in form["steps"]] == [
        ("auth-username-password-form", "REQUIRED"),
        ("auth-otp-form", "REQUIRED"),
    ]
    assert required_actions()["CONFIGURE_TOTP"] == {"enabled": True, "defaultAction": True}


def test_no_other_step_signs_anybody_in() -> None:
    assert [step.get("authenticator", "form") for step in PASSWORD_AND_CODE] == ["auth-cookie", "form"]
    assert [step["authenticator"] for step in REFUSED] == ["deny-access-authenticator"]


def test_nobody_changes_the_address_a_hub_knows_them_by() -> None:
    editors = {each["name"]: each["permissions"]["edit"] for each in user_profile(MARK)["attributes"]}
    assert editors["email"] == editors["username"] == editors[MARK] == ["admin"]


def test_a_client_signs_people_in_by_browser_only() -> None:
    client = client_representation("jupyter-x", "X", ["https://x.example/hub/oauth_callback"], ["https://x.example/"])
    ways = {
        key: value for key, value in client.items() if key.endswith(("FlowEnabled", "GrantsEnabled", "AccountsEnabled"))
    }
    assert [way for way, on in ways.items() if on] == ["standardFlowEnabled"]
    assert client["attributes"]["pkce.code.challenge.method"] == "S256"
    assert not any("*" in uri for uri in client["redirectUris"])
    assert client["publicClient"] is client["fullScopeAllowed"] is False


def test_first_passwords_differ_and_obey_the_policy() -> None:
    passwords = {first_password() for _ in range(50)}
    assert len(passwords) == 50
    for password in passwords:
        assert len(password) >= 14
        assert all(set(password) & set(characters) for characters in PASSWORD_CHARACTERS)
    assert "length(14)" in PASSWORD_POLICY


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_state_keeps_no_more_of_a_provider_than_where_it_is_found(provider: type[ObjectProvider]) -> None:
    kept = base64.b64decode(serialize_provider(provider()))
    assert provider.__module__.encode() in kept
    assert len(kept) < 100


def test_the_administrators_secret_comes_from_the_configuration() -> None:
    assert _configured({SECRET_KEY: "planted"})._secret == "planted"


def test_or_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, "of the environment")
    assert _configured({})._secret == "of the environment"


def test_without_it_nothing_is_contacted_and_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    with pytest.raises(AdministrationError, match=f"pulumi config set --secret {SECRET_KEY}"):
        _configured({}).create({"server": {"address": "https://nowhere.example", "authority": ""}})


def _configured(values: dict[str, str], provider: type[ObjectProvider] = GroupProvider) -> ObjectProvider:
    configured = provider()
    configured.configure(ConfigureRequest(Config(values, "cloison")))
    return configured


def test_a_preview_compares_what_is_asked_with_what_was_recorded() -> None:
    recorded = {"realm": "cloison", "email": "ada@lab.example", "enabled": True, "first_password": "drawn"}
    asked = {**recorded, "first_password": None, "__provider": "code"}
    assert UserProvider().diff("1", recorded, asked).changes is False
    assert UserProvider().diff("1", recorded, {**asked, "enabled": False}).replaces == []
    changed = UserProvider().diff("1", recorded, {**asked, "email": "ada@other.example"})
    assert (changed.changes, changed.replaces, changed.delete_before_replace) == (True, ["email"], True)


def test_a_changed_flow_stands_before_the_old_one_goes() -> None:
    recorded = {"realm": "cloison", "alias": "browser-1", "steps": PASSWORD_AND_CODE}
    changed = FlowProvider().diff("1", recorded, {**recorded, "alias": "browser-2", "steps": REFUSED})
    assert changed.replaces == ["alias", "steps"]
    assert changed.delete_before_replace is False


@pytest.mark.parametrize("mark", ["true", ["true"]])
def test_what_an_interrupted_run_left_is_taken_up(mark: str | list[str]) -> None:
    assert adopted({"id": "7", "attributes": {MARK: mark}}, "the group x") == "7"


@pytest.mark.parametrize("attributes", [None, {}, {MARK: ["false"]}])
def test_what_somebody_else_made_is_not(attributes: dict[str, Any] | None) -> None:
    with pytest.raises(AdministrationError, match="the group x exists already and is not this program's"):
        adopted({"id": "7", "attributes": attributes}, "the group x")


@pytest.mark.parametrize(
    ("asked", "found", "expected"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, {"a": 1}),
        ({"a": 1}, {}, {"a": None}),
        (["x", "y"], ["y", "x"], ["x", "y"]),
        (["x"], ["x", "y"], ["x", "y"]),
        ([{"a": 1}], [{"a": 2, "id": 7}], [{"a": 2}]),
    ],
)
def test_only_what_was_asked_counts_as_drift(asked: object, found: object, expected: object) -> None:
    assert projected(asked, found) == expected


def _access() -> list[Declared]:
    other = workspace({**cohort(), "name": "second-study", "title": "Second"})
    projects = [workspace(cohort()), other]

    def build() -> None:
        realm = SignInRealm("cloison", SERVER, "Cloison", protect=True)
        accounts = demonstration_accounts(realm, projects)
        for project in projects:
            host = f"https://jupyter-{project.name}.example"
            ProjectAccess(realm, project, ToolAddresses(f"{host}/hub/oauth_callback", f"{host}/"), accounts)

    return declared(build)


def _of_kind(resources: list[Declared], kind: str) -> list[Declared]:
    return [each for each in resources if each.type == f"pulumi-python:dynamic/identity:{kind}"]


def test_somebody_in_two_projects_has_one_account() -> None:
    resources = _access()
    assert [each.name for each in _of_kind(resources, "User")] == ["ada@lab.example"]
    assert len(_of_kind(resources, "Membership")) == 2


def test_each_project_has_a_client_and_a_group_of_its_own() -> None:
    resources = _access()
    clients = {str(each.inputs["client_id"]) for each in _of_kind(resources, "Client")}
    assert clients == {"jupyter-sleep-study", "jupyter-second-study"}
    assert {str(each.inputs["name"]) for each in _of_kind(resources, "Group")} == {
        "projects",
        "sleep-study",
        "second-study",
    }
    assert group_path(workspace(cohort())) == "/projects/sleep-study"


def test_the_realm_uses_the_flows_that_are_declared() -> None:
    resources = _access()
    aliases = {each.name: each.inputs["alias"] for each in _of_kind(resources, "Flow")}
    (binding,) = _of_kind(resources, "FlowBinding")
    assert binding.inputs["flows"] == {
        "browserFlow": aliases["cloison-browser"],
        "directGrantFlow": aliases["cloison-direct-grant"],
    }


def test_no_input_holds_a_credential() -> None:
    for resource in _access():
        assert not {"secret", "first_password", "password"} & {key for key, value in resource.inputs.items() if value}


def test_a_new_account_asks_for_a_password_and_a_second_factor() -> None:
    assert FIRST_SIGN_IN == ["UPDATE_PASSWORD", "CONFIGURE_TOTP"]
