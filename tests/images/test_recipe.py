import datetime
from pathlib import Path

import pytest

from images.errors import RecipeError
from images.recipe import DebianInput, Recipe, ToolInput, base_of

FILE = Path("images/probe/Containerfile")


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("FROM scratch\n", None),
        ("# base\nFROM cloison.local/base\nRUN true\n", "base"),
        ("  from   cloison.local/r-base AS build\n", "r-base"),
        ("FROM scratch\nRUN echo \\\n  'not FROM anything'\n", None),
    ],
)
def test_from_names_the_base(text: str, base: str | None):
    assert base_of(text, FILE) == base


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RUN true\n", r"probe/Containerfile: has 0 FROM lines, not one"),
        ("FROM scratch\nFROM scratch\n", r"has 2 FROM lines, not one: give each stage an image folder of its own"),
        ("FROM debian:12\n", r"FROM debian:12: only `scratch` and `cloison.local/<folder>`"),
        ("FROM cloison.local/base:1.0\n", r"FROM cloison.local/base:1.0: only"),
    ],
)
def test_from_that_cannot_be_built_here_is_refused(text: str, message: str):
    with pytest.raises(RecipeError, match=message):
        base_of(text, FILE)


def test_inputs_and_date_are_read(image):
    settings = "date: 2026-11-22\ninputs:\n  server: {tool: agnhost}\n  root.tar: {debian: {suite: bookworm}}\n"
    recipe = Recipe.read(image("probe", image_yaml=settings))
    assert recipe.settings.date == datetime.date(2026, 11, 22)
    assert isinstance(recipe.settings.inputs["server"], ToolInput)
    assert isinstance(recipe.settings.inputs["root.tar"], DebianInput)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("inptus: {}\n", r"image.yaml: inptus: Extra inputs are not permitted"),
        ("inputs: {server: {binary: agnhost}}\n", r"inputs.server.*binary: Extra inputs"),
        ("date: someday\n", r"date: Input should be a valid date"),
        ("inputs: [\n", r"image.yaml: is no YAML"),
    ],
)
def test_settings_that_mean_nothing_are_refused(image, settings: str, message: str):
    with pytest.raises(RecipeError, match=message):
        Recipe.read(image("probe", image_yaml=settings))
