"""The engine's table of what is supported names only tests that exist, and every option is documented."""

import re
from pathlib import Path

import pytest

from engine.cli import _parser
from engine.monitor import _REFUSED

PAGE = (Path(__file__).parents[2] / "docs/engine.md").read_text()
NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)


def test_the_page_names_tests() -> None:
    assert len(NAMED) > 30


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_test_that_is_named_exists(file: str, name: str) -> None:
    assert f"def {name}(" in (Path(__file__).parent / file).read_text()


def test_every_command_line_option_is_on_the_page() -> None:
    assert {option for option in re.findall(r"--[a-z-]+", _all_help()) if option not in PAGE} == {"--help"}


def _all_help() -> str:
    actions = [action for action in _parser()._actions if action.choices]
    return "".join(command.format_help() for command in dict(actions[0].choices or {}).values())


def test_every_refused_option_is_on_the_page() -> None:
    options = [text.removeprefix("The resource option ") for text in _REFUSED.values() if "option" in text]
    assert [option for option in options if f"`{option}`" not in PAGE] == []
