"""What the key store holds of a project, before any key store is asked."""

import re

import pytest

from components.keys import key_manifests, rights
from components.vault_operator import RIGHTS, policy_text
from tests.samples import cohort, local_profile, workspace


def test_a_project_s_rights_name_its_own_paths_in_full() -> None:
    """A name that another's name begins with opens nothing of the other's: what varies stands behind a slash."""
    granted = rights("project-sleep")
    assert all(re.search(r"(^|/)project-sleep(/\*)?$", path) for path in granted)
    assert not [path for path in granted if path.startswith(("sys/", "auth/")) or "keys" in path or "export" in path]


def test_no_right_of_anybody_s_exports_a_key() -> None:
    for path, may in {**RIGHTS, **rights("project-sleep")}.items():
        assert not re.match(r"transit/(export|backup|restore)", path), path
        assert "patch" not in may


def test_the_operator_configures_and_has_no_right_to_a_value() -> None:
    assert not [
        path for path in RIGHTS if re.match(r"(kv/data|transit/(en|de)crypt|pki/(issue|sign)/|auth/token)", path)
    ]


def test_a_key_is_drawn_inside_and_destroyed_only_when_the_project_has_ended() -> None:
    active = key_manifests(workspace(cohort()), local_profile())
    ended = key_manifests(workspace(cohort() | {"state": "ended"}), local_profile())
    assert (active.key["exportable"], active.key["allow_plaintext_backup"]) == (False, False)
    assert (active.key["deletion_allowed"], active.protect) == (False, True)
    assert (ended.key["deletion_allowed"], ended.protect) == (True, False)


def test_certificates_are_for_servers_of_the_project_s_namespace() -> None:
    manifests = key_manifests(workspace(cohort()), local_profile())
    assert manifests.certificates["allowed_domains"] == ["project-sleep-study.svc.cluster.local"]
    loose = (
        "allow_bare_domains",
        "allow_glob_domains",
        "allow_wildcard_certificates",
        "allow_localhost",
        "allow_ip_sans",
    )
    assert not any(manifests.certificates[option] for option in loose)


def test_only_the_project_s_own_pods_sign_in() -> None:
    bound = key_manifests(workspace(cohort()), local_profile()).sign_in
    assert bound["bound_service_account_namespaces"] == ["project-sleep-study"]
    assert bound["bound_service_account_names"] == ["workspace"]
    assert bound["token_policies"] == ["project-sleep-study"]


def test_a_policy_is_written_as_vault_reads_it() -> None:
    assert policy_text({"a/b": ("read", "list")}) == 'path "a/b" { capabilities = ["read", "list"] }'


@pytest.mark.parametrize("field", ["sys/policies/acl/project-*", "auth/kubernetes/role/project-*"])
def test_what_the_operator_may_name_begins_like_a_project(field: str) -> None:
    assert field in RIGHTS
    assert key_manifests(workspace(cohort()), local_profile()).name.startswith("project-")
