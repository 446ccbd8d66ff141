"""Pulumi.yaml, the stacks' files and typed configuration."""

from pathlib import Path

import pytest

from engine.errors import InputError, Unsupported
from engine.project import load_configuration, load_project, read_stack_salt, write_stack_salt

PROJECT = """
name: shop
runtime: {name: python, options: {virtualenv: venv}}
stackConfigDir: stacks
config:
  size: {type: integer, description: beds, default: 4}
  open: {type: boolean}
  tags: {type: array, items: {type: string}, default: []}
  code: {type: string, secret: true, default: none}
  cloud:region: {value: paris}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    (tmp_path / "stacks").mkdir()
    return tmp_path


def _configured(folder: Path, text: str) -> dict[str, str]:
    (folder / "stacks/Pulumi.dev.yaml").write_text(text)
    return dict(load_configuration(load_project(folder), "dev", lambda sealed: f"opened {sealed}").values)


def test_values_reach_the_program_as_text(folder: Path) -> None:
    assert _configured(folder, "config: {shop:open: true, shop:tags: [a, 1], other: {deep: {secure: x}}}") == {
        "shop:size": "4",
        "shop:open": "true",
        "shop:tags": '["a",1]',
        "shop:code": "none",
        "shop:other": '{"deep":"opened x"}',
        "cloud:region": "paris",
    }


def test_secure_values_and_secret_options_are_secret(folder: Path) -> None:
    (folder / "stacks/Pulumi.dev.yaml").write_text("config: {shop:open: true, a: {secure: x}, b: {c: [{secure: y}]}}")
    configuration = load_configuration(load_project(folder), "dev", str)
    assert configuration.secret_keys == {"shop:a", "shop:b", "shop:code"}
    assert configuration.namespace("cloud") == {"region": "paris"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config: {}", "missing configuration value 'shop:open'"),
        ("config: {open: maybe}", "'shop:open' must be of type 'boolean', not 'maybe'"),
        ("config: {open: true, size: large}", r"'shop:size' \(beds\) must be of type 'integer', not 'large'"),
        ("config: {open: true, tags: x}", "'shop:tags' must be of type 'array'"),
        ("config: {open: true, code: plain}", "'shop:code' must be encrypted"),
        ("config: [", r"Pulumi\.dev\.yaml"),
        ("- a", "must be a mapping, not a list"),
    ],
)
def test_bad_configuration_is_told_by_key_and_value(folder: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _configured(folder, text)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("runtime: python", InputError, "name: missing"),
        ("name: a\nruntime: nodejs", Unsupported, "runtime: 'nodejs'"),
    ],
)
def test_bad_projects_are_refused(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    (tmp_path / "Pulumi.yaml").write_text(text)
    with pytest.raises(error, match=message):
        load_project(tmp_path)


def test_the_project_is_found_from_below_and_missed_by_name(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert load_project(folder / "stacks").folder == folder
    with pytest.raises(InputError, match=r"no Pulumi\.yaml project file found"):
        load_project(tmp_path_factory.mktemp("empty"))


def test_the_salt_is_written_without_disturbing_the_file(folder: Path) -> None:
    path = folder / "stacks/Pulumi.dev.yaml"
    path.write_text("# why\nconfig:\n  shop:open: true # now\n")
    project = load_project(folder)
    write_stack_salt(project, "dev", "v1:a:v1:b:c")
    assert path.read_text() == "# why\nconfig:\n  shop:open: true # now\nencryptionsalt: v1:a:v1:b:c\n"
    assert read_stack_salt(project, "dev") == "v1:a:v1:b:c"


def test_other_secrets_providers_are_refused(folder: Path) -> None:
    (folder / "stacks/Pulumi.dev.yaml").write_text("secretsprovider: awskms://x\n")
    with pytest.raises(Unsupported, match="secrets provider 'awskms://x'"):
        read_stack_salt(load_project(folder), "dev")
