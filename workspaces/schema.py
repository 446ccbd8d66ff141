"""The JSON schema of a workspace file, for editors; `python -m workspaces.schema` writes it."""

import json
from pathlib import Path

from workspaces.model import Workspace

SCHEMA_FILE = Path(__file__).with_name("workspace.schema.json")


def schema_text() -> str:
    """The schema as the file holds it."""
    return json.dumps(Workspace.model_json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
