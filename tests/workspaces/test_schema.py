from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.samples import ROOT, cohort
from workspaces.schema import SCHEMA_FILE, schema_text

SCHEMA = yaml.safe_load(schema_text())


def test_the_committed_schema_is_current() -> None:
    assert SCHEMA_FILE.read_text() == schema_text(), "run `make schema`"


@pytest.mark.parametrize("file", sorted((ROOT / "workspaces").glob("*.yaml")), ids=lambda file: file.stem)
def test_an_example_names_the_schema_and_fits_it(file: Path) -> None:
    text = file.read_text()
    assert text.startswith(f"# yaml-language-server: $schema={SCHEMA_FILE.name}\n")
    content = yaml.safe_load(text)
    content["permit"]["expires"] = content["permit"]["expires"].isoformat()
    jsonschema.validate(content, SCHEMA)


def test_the_schema_refuses_what_the_model_refuses() -> None:
    content = cohort() | {"permit": {"reference": "DR", "expires": "2027-01-01"}}
    jsonschema.validate(content, SCHEMA)
    for spoiled in ({"name": "Sleep Study"}, {"titel": "x"}, {"tools": {"jupyterlab": {"size": "huge"}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(content | spoiled, SCHEMA)
