"""Checkpoints: Pulumi's format in both directions, encryption, export and import."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import crypto
from engine.api import outputs
from engine.crypto import Crypter, passphrase_from
from engine.errors import InputError, PassphraseError, StateError
from engine.resource import Resource
from engine.run import Options, up
from engine.session import Place
from engine.state import (
    Deployment,
    StackFiles,
    load_deployment,
    parse_deployment,
    render_deployment,
    sort_by_dependency,
)
from engine.transfer import export_stack, import_stack
from engine.values import UNKNOWN, Reference, Secret, reveal
from engine.wire import from_struct, to_struct
from tests.engine.conftest import PASSPHRASE, Project

URN = "urn:pulumi:dev::shop::cloud:index:Thing::"
STACK_URN = "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"
PROVIDER_URN = "urn:pulumi:dev::shop::pulumi:providers:cloud::default"


def cli_export(crypter: Crypter) -> dict[str, Any]:
    """What the Pulumi CLI writes, by hand to the published schema, with fields this engine does not know."""
    secret = {
        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
        "ciphertext": crypter.encrypt('"hunter2"'),
    }
    return {
        "version": 3,
        "deployment": {
            "manifest": {"time": "2026-01-02T03:04:05.678Z", "magic": "x", "version": "v3.260.0"},
            "secrets_providers": {"type": "passphrase", "state": {"salt": crypter.salt_line}},
            "resources": [
                {
                    "urn": STACK_URN,
                    "custom": False,
                    "type": "pulumi:pulumi:Stack",
                    "outputs": {"url": "http://x", "password": secret},
                    "created": "2026-01-02T03:04:05.678Z",
                    "sourcePosition": "project:///__main__.py",
                },
                {
                    "urn": PROVIDER_URN,
                    "custom": True,
                    "id": "4e1f",
                    "type": "pulumi:providers:cloud",
                },
                {
                    "urn": URN + "a",
                    "custom": True,
                    "id": "a-1",
                    "type": "cloud:index:Thing",
                    "inputs": {"name": "a-1", "size": 1.5, "password": secret},
                    "outputs": {"name": "a-1", "size": 1.5, "serial": 7, "password": secret},
                    "parent": STACK_URN,
                    "protect": True,
                    "provider": f"{PROVIDER_URN}::4e1f",
                    "propertyDependencies": {"size": []},
                    "customTimeouts": {"create": 90},
                    "taint": True,
                },
            ],
            "metadata": {},
        },
    }


@pytest.fixture
def imported(project: Project) -> Project:
    import_stack(project.place, json.dumps(cli_export(Crypter.new(PASSPHRASE))))
    return project


def test_a_stack_of_the_cli_is_taken_over_and_goes_on(imported: Project) -> None:
    imported.cloud.objects["a-1"] = {"name": "a-1", "size": 1.5, "password": "hunter2", "serial": 7}
    imported.write(
        """
        import pulumi
        from things import Thing
        Thing("a", pulumi.ResourceOptions(protect=True), size=1.5, password=pulumi.Output.secret("hunter2"))
        """
    )
    done = imported.up()
    assert done.succeeded, imported.messages
    assert done.changes["same"] == 3
    assert imported.cloud.calls == []


def test_an_export_carries_everything_back(imported: Project) -> None:
    given = cli_export(Crypter.new(PASSPHRASE))["deployment"]["resources"]
    document = export_stack(imported.place, show_secrets=True)
    back = document["deployment"]["resources"]
    assert document["version"] == 3
    assert back[0]["outputs"]["password"]["plaintext"] == '"hunter2"'
    assert back[2]["inputs"]["size"] == 1.5
    for before, after in zip(given, back, strict=True):
        plain = {
            key: value for key, value in before.items() if key not in ("inputs", "outputs", "propertyDependencies")
        }
        assert {key: after.get(key) for key in plain} == plain


def test_the_manifest_has_the_magic_that_import_asks_for(imported: Project) -> None:
    manifest = export_stack(imported.place, show_secrets=False)["deployment"]["manifest"]
    assert manifest["magic"] == hashlib.sha256(manifest["version"].encode()).hexdigest()


def test_outputs_that_are_not_secret_need_no_passphrase(imported: Project) -> None:
    place = Place("dev", imported.folder, environment={})
    assert outputs(Options(place)) == {"url": "http://x"}
    ciphertext = export_stack(place, show_secrets=False)["deployment"]["resources"][0]["outputs"]["password"]
    assert ciphertext["ciphertext"].startswith("v1:")
    with pytest.raises(PassphraseError, match="passphrase must be set"):
        outputs(Options(place), show_secrets=True)
    assert outputs(imported.options(), show_secrets=True) == {"url": "http://x", "password": "hunter2"}


def test_a_wrong_passphrase_is_one_line(imported: Project) -> None:
    wrong = Place("dev", imported.folder, environment={"PULUMI_CONFIG_PASSPHRASE": "nope"})
    with pytest.raises(PassphraseError, match=r"^incorrect passphrase"):
        outputs(Options(wrong), show_secrets=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not an export"), ('{"version": 2, "deployment": {}}', "version 2"), ("[]", "not an export")],
)
def test_what_is_no_export_is_refused(project: Project, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        import_stack(project.place, text)


def test_an_export_of_another_project_is_refused(project: Project) -> None:
    text = json.dumps(cli_export(Crypter.new(PASSPHRASE))).replace("::shop::", "::other::")
    with pytest.raises(InputError, match="of project 'other'"):
        import_stack(project.place, text)


def test_the_passphrase_format_is_pulumis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert crypto._ITERATIONS == 1_000_000
    # Made by Pulumi for the passphrase "password": pkg/secrets/passphrase/manager_test.go of pulumi/pulumi.
    salt = "v1:fozI5u6B030=:v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQHqC5mMRIQ=="
    Crypter(salt, lambda: "password").unlock()
    with pytest.raises(PassphraseError):
        Crypter(salt, lambda: "passw0rd").unlock()


def test_encryption_round_trips_and_is_stable_within_a_run() -> None:
    crypter = Crypter.new("p")
    sealed = crypter.encrypt("é")
    assert crypter.encrypt("é") == sealed
    again = Crypter(crypter.salt_line, lambda: "p")
    assert again.decrypt(sealed) == "é"
    assert again.encrypt("é") == sealed
    with pytest.raises(StateError, match="damaged"):
        again.decrypt(sealed[:-6] + "AAAA==")


def test_the_passphrase_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from file\n")
    assert passphrase_from({"PULUMI_CONFIG_PASSPHRASE_FILE": str(file)}) == "from file"
    assert passphrase_from({"PULUMI_CONFIG_PASSPHRASE": "", "PULUMI_CONFIG_PASSPHRASE_FILE": str(file)}) == ""
    with pytest.raises(PassphraseError, match="cannot read"):
        passphrase_from({"PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "none")})


def test_resources_come_after_what_they_refer_to() -> None:
    child = Resource(URN + "child", True, parent=URN + "parent", dependencies=(URN + "friend",))
    parent, friend = Resource(URN + "parent", False), Resource(URN + "friend", True)
    old = Resource(URN + "friend", True, id="1", delete=True)
    assert sort_by_dependency([old, child, parent, friend]) == [friend, old, parent, child]


def test_state_files_are_for_their_owner_alone(imported: Project) -> None:
    imported.write("pass")
    imported.up()
    root = imported.folder / ".engine"
    modes = {
        path.relative_to(root).as_posix(): path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_file()
    }
    assert set(modes.values()) == {0o600}
    assert root.stat().st_mode & 0o777 == 0o700


def test_a_checkpoint_that_is_not_json_is_named(project: Project) -> None:
    files = StackFiles(project.folder / ".engine", "shop", "dev")
    files.make_folders()
    files.checkpoint.write_text("{")
    with pytest.raises(StateError, match=r"dev\.json is not JSON"):
        load_deployment(files, Crypter.new("p"))


def test_secrets_of_another_provider_are_refused() -> None:
    with pytest.raises(StateError, match="'service'"):
        parse_deployment({"secrets_providers": {"type": "service"}}, Crypter.new("p"))


def test_the_salt_may_stay_out_of_the_stacks_file(project: Project) -> None:
    project.write("import pulumi\npulumi.export('x', pulumi.Output.secret(1))\n")
    options = project.options(skip_preview=True)
    up(replace(options, place=replace(options.place, salt_in_state=True)))
    assert not (project.folder / "Pulumi.dev.yaml").exists()
    assert outputs(project.options(), show_secrets=True) == {"x": 1}
    project.up()
    assert "encryptionsalt: v1:" in (project.folder / "Pulumi.dev.yaml").read_text()


def test_a_reference_to_what_is_not_created_yet_is_not_known() -> None:
    given = {"a": Reference(URN + "a", UNKNOWN), "b": Reference(URN + "b"), "c": Reference(URN + "c", "id")}
    assert from_struct(to_struct(given)) == given
    assert reveal(given) == {"a": UNKNOWN, "b": URN + "b", "c": "id"}


def test_rendering_keeps_secrets_sealed() -> None:
    crypter = Crypter.new("p")
    resource = Resource(URN + "a", True, inputs={"deep": [{"x": Secret({"y": "hunter2"})}]})
    assert "hunter2" not in json.dumps(render_deployment(Deployment([resource]), crypter))
