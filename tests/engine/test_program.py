"""Whole programs, run by the real SDK in a process of their own."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError, LockedError, ProgramError, Unsupported
from engine.launcher import WAIT_LOOP_SHA256, wait_loop_hash
from engine.lock import stack_lock
from engine.session import read_deployment
from engine.values import Secret
from tests.engine.conftest import PASSPHRASE, Project

pytestmark = pytest.mark.slow

SHOP = """
    import pulumi
    from things import Thing

    config = pulumi.Config()

    class Shop(pulumi.ComponentResource):
        def __init__(self, name, args, opts=None):
            super().__init__("shop:index:Shop", name, args, opts)
            mine = pulumi.ResourceOptions(parent=self)
            self.till = Thing(f"{name}-till", mine, size=config.require_int("size"), tags=["a", None, 1.5, True])
            self.safe = Thing(
                f"{name}-safe",
                pulumi.ResourceOptions(parent=self, depends_on=[self.till], protect=False),
                code=config.require_secret("code"),
                beside=self.till.serial,
            )
            self.register_outputs({"serial": self.till.serial, "till": self.till})

    shop = Shop("corner", {"street": "High"})
    pulumi.log.info("open for business")
    print("printed")
    pulumi.export("serial", shop.till.serial)
    pulumi.export("code", shop.safe.code if hasattr(shop.safe, "code") else config.require_secret("code"))
    pulumi.export("shelves", config.require_object("shelves"))
    pulumi.export("dry", pulumi.runtime.is_dry_run())
"""
CONFIGURED = """
    config:
      shop:size: 3
      shop:code: {secure: SEALED}
      shop:shelves: [{wood: oak}]
    encryptionsalt: SALT
"""


@pytest.fixture
def shop(project: Project) -> Project:
    from engine.crypto import Crypter

    crypter = Crypter.new(PASSPHRASE)
    text = CONFIGURED.replace("SALT", crypter.salt_line).replace("SEALED", crypter.encrypt("1234"))
    project.write(text, "Pulumi.dev.yaml")
    project.write(SHOP)
    return project


def test_an_ordinary_program_from_preview_to_destroy(shop: Project) -> None:
    plan = shop.preview()
    assert plan.changes == {"create": 5}
    assert not shop.cloud.calls
    done = shop.up()
    assert done.succeeded
    assert done.outputs == {"serial": 1, "code": Secret("1234"), "shelves": [{"wood": "oak"}], "dry": False}
    assert shop.cloud.made("create") == ["corner-till", "corner-safe"]
    assert {"open for business", "printed"} <= set(shop.messages)
    till = next(item for key, item in shop.cloud.objects.items() if key.startswith("corner-till"))
    assert till["tags"] == ["a", None, 1.5, True]
    assert till["size"] == 3
    assert isinstance(till["size"], int)
    assert "1234" not in json.dumps(shop.events)
    assert shop.up().changes == {"same": 5}
    assert shop.destroy().changes == {"delete": 5}
    assert shop.cloud.objects == {}


def test_dependencies_parents_and_secrets_are_recorded_as_pulumi_does(shop: Project) -> None:
    shop.up()
    deployment, _ = read_deployment(shop.place, show_secrets=True)
    by_name = {item.urn.rpartition("::")[2]: item for item in deployment.resources}
    safe, till = by_name["corner-safe"], by_name["corner-till"]
    assert safe.urn == "urn:pulumi:dev::shop::shop:index:Shop$cloud:index:Thing::corner-safe"
    assert safe.parent == till.parent == by_name["corner"].urn
    assert safe.property_dependencies == {"beside": (till.urn,)}
    assert safe.dependencies == (till.urn,)
    assert safe.inputs["code"] == Secret("1234")
    assert by_name["corner"].outputs["serial"] == 1
    assert by_name["default"].urn == "urn:pulumi:dev::shop::pulumi:providers:cloud::default"


def test_the_untouched_sdk_does_the_same(shop: Project) -> None:
    assert shop.up(untouched_sdk=True).succeeded
    assert shop.cloud.made("create") == ["corner-till", "corner-safe"]


def test_the_sdk_still_has_the_wait_loop_that_the_launcher_replaces() -> None:
    assert wait_loop_hash() == WAIT_LOOP_SHA256, (
        "compare the SDK's new wait_for_rpcs with launcher.py, then update both"
    )


def test_a_failing_program_is_told_by_its_own_traceback_and_deletes_nothing(shop: Project) -> None:
    shop.up()
    shop.write("import pulumi\nfrom things import Thing\nThing('new')\n\ndef broken():\n    return 1 / 0\n\nbroken()\n")
    done = shop.up()
    assert not done.succeeded
    message = next(message for message in shop.messages if "ZeroDivisionError" in message)
    assert message.splitlines()[2].strip().startswith(f'File "{shop.folder}/__main__.py", line 8')
    assert "launcher" not in message
    assert shop.cloud.made("delete") == []
    assert isinstance(done.fatal, ProgramError)


def test_an_error_that_the_program_raises_on_purpose_is_one_line(shop: Project) -> None:
    shop.write("import pulumi\nraise pulumi.RunError('the permit has expired')\n")
    assert shop.preview().errors == ("the permit has expired",)


def test_a_program_that_leaves_early_is_still_finished(project: Project) -> None:
    project.write("from things import Thing\nThing('a')\n")
    project.up()
    project.write("import sys\nsys.exit(0)\n")
    assert project.up().changes["delete"] == 2
    assert project.cloud.objects == {}


def test_an_apply_that_fails_ends_the_run(shop: Project) -> None:
    shop.write(
        """
        import pulumi
        from things import Thing
        pulumi.export("x", Thing("a").serial.apply(lambda serial: serial / 0))
        """
    )
    done = shop.up()
    assert any("ZeroDivisionError" in error for error in done.errors)
    assert shop.up().changes.get("delete") is None


REFUSED = {
    "import_": ("The resource option import_", "Thing('a', pulumi.ResourceOptions(import_='x'))"),
    "deleted_with": (
        "The resource option deleted_with",
        "Thing('b', pulumi.ResourceOptions(deleted_with=Thing('a')))",
    ),
    "transforms": (
        "The resource option transforms",
        "Thing('a', pulumi.ResourceOptions(transforms=[lambda args: None]))",
    ),
    "stack transforms": (
        "register_resource_transform",
        "pulumi.runtime.register_resource_transform(lambda args: None); Thing('a')",
    ),
    "hooks": (
        "The resource option hooks",
        "Thing('a', pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_create=[lambda args: None])))",
    ),
    "stack reference": ("StackReference", "pulumi.StackReference('organization/a/b')"),
    "get": (
        "Reading a resource",
        "pulumi.CustomResource('cloud:index:Thing', 'a', {}, pulumi.ResourceOptions(id='x'))",
    ),
    "invoke": ("The provider function cloud:index:find", "pulumi.runtime.invoke('cloud:index:find', {})"),
    "remote": (
        "Remote components",
        "pulumi.ComponentResource('cloud:index:Far', 'a', {}, remote=True)",
    ),
    "package": ("The provider package 'azure'", "pulumi.CustomResource('azure:index:Thing', 'a', {})"),
    "assets": ("Assets", "Thing('a', file=pulumi.StringAsset('x'))"),
    "version": ("require_pulumi_version", "pulumi.require_pulumi_version('>=3.0.0')"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_supported_is_refused_by_name_before_anything_changes(project: Project, case: str) -> None:
    feature, line = REFUSED[case]
    project.write(f"import pulumi\nfrom things import Thing\nThing('before')\n{line}\n")
    done = project.planned_up()
    assert isinstance(done.fatal, Unsupported), done
    assert feature in str(done.fatal)
    assert "use the Pulumi CLI" in str(done.fatal)
    assert project.cloud.calls == []
    assert len(done.errors) == 1


def test_a_package_without_a_provider_can_be_previewed(project: Project) -> None:
    project.write("import pulumi\npulumi.CustomResource('azure:index:Thing', 'a', {'size': 1})\n")
    assert project.preview().changes == {"create": 3}


def test_aliases_and_options_arrive(project: Project) -> None:
    program = """
        import pulumi
        from things import Thing
        options = pulumi.ResourceOptions(
            aliases=[pulumi.Alias(name="old")],
            ignore_changes=["size"],
            replace_on_changes=["zone"],
            retain_on_delete=True,
            delete_before_replace=True,
            additional_secret_outputs=["serial"],
            custom_timeouts=pulumi.CustomTimeouts(create="1m30s", delete="2h"),
        )
        Thing("NAME", options, size=SIZE, zone=1, name="n")
    """
    project.write(program.replace("NAME", "old").replace("SIZE", "1"))
    project.up()
    project.write(program.replace("NAME", "new").replace("SIZE", "2"))
    done = project.up()
    assert done.succeeded
    assert project.operations == []
    deployment, _ = read_deployment(project.place, show_secrets=True)
    new = next(item for item in deployment.resources if item.urn.endswith("::new"))
    assert new.aliases == ("urn:pulumi:dev::shop::cloud:index:Thing::old",)
    assert new.timeouts == {"create": 90.0, "delete": 7200.0}
    assert new.outputs["serial"] == Secret(1)
    assert new.inputs["size"] == 1


def test_ctrl_c_finishes_what_is_in_flight_and_saves(project: Project) -> None:
    project.write("from things import Thing\na = Thing('a')\nThing('b', beside=a.serial)\n")

    def interrupt(method: str, name: str) -> None:
        if (method, name) == ("create", "a"):
            os.kill(os.getpid(), signal.SIGINT)
            deadline = time.monotonic() + 10
            while not project.cloud.cancelled and time.monotonic() < deadline:
                time.sleep(0.01)

    project.cloud.before = interrupt
    done = project.up()
    assert done.cancelled
    assert project.cloud.made("create") == ["a"]
    project.cloud.before = lambda *_: None
    assert project.up().changes == {"same": 3, "create": 1}


def test_two_runs_at_once_are_refused(project: Project) -> None:
    project.write("pass")
    project.up()
    lock = project.place.files(project.place.project()).lock
    with stack_lock(lock, "up"), pytest.raises(LockedError, match=f"`up` by .*, process {os.getpid()}, since"):
        project.up()
    assert project.up().succeeded


def test_the_program_ends_with_the_engine(project: Project, tmp_path: Path) -> None:
    import subprocess
    import sys

    marker = tmp_path / "pid"
    project.write(
        f"import os, time, pathlib\npathlib.Path({str(marker)!r}).write_text(str(os.getpid()))\ntime.sleep(60)\n"
    )
    code = "import sys; from engine.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["up", "--stack", "dev", "--yes", "--cwd", str(project.folder)]
    engine = subprocess.Popen([sys.executable, "-c", code, *arguments], env=dict(project.place.environment))
    pid = int(_eventually(lambda: marker.read_text() if marker.exists() else ""))
    engine.kill()
    engine.wait()
    _eventually(lambda: not Path(f"/proc/{pid}").exists() or "(zombie)" in Path(f"/proc/{pid}/status").read_text())


def _eventually(probe: Any) -> Any:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := probe():
            return found
        time.sleep(0.02)
    raise AssertionError("it never happened")


def test_main_names_another_folder(project: Project) -> None:
    project.write("name: shop\nruntime: python\nmain: src\n", "Pulumi.yaml")
    project.write(
        "from pathlib import Path\nimport pulumi\npulumi.export('here', Path.cwd().name)\n", "src/__main__.py"
    )
    assert project.up().outputs == {"here": "src"}


def test_a_component_used_as_a_value_is_looked_up_again(shop: Project) -> None:
    shop.write(
        """
        import pulumi
        from things import Thing
        a = Thing("a")
        Thing("b", friend=a)
        """
    )
    assert shop.up().succeeded
    b = next(item for key, item in shop.cloud.objects.items() if key.startswith("b-"))
    assert b["friend"].startswith("a-")


def test_missing_configuration_is_told_with_its_description(project: Project) -> None:
    project.write("name: shop\nruntime: python\nconfig: {size: {type: integer, description: beds}}\n", "Pulumi.yaml")
    with pytest.raises(InputError, match=r"missing configuration value 'shop:size' \(beds\)"):
        project.up()
