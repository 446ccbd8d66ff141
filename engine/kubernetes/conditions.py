"""What ``pulumi.com/waitFor`` says: conditions and JSONPath expressions that an object must satisfy.

The annotation holds one expression or a JSON list of them, each either ``condition=Type[=status]`` or
``jsonpath=EXPRESSION[=value]``, as in ``kubectl wait``. Of JSONPath, what selects fields is understood: names, quoted
names, indices, ``[*]``, and filters that compare one field with a string.
"""

import json
import re
from typing import Any

from engine.errors import InputError
from engine.kubernetes.readiness import READY, Check, Verdict, condition, waiting
from engine.values import Object

_STEP = re.compile(
    r"""\.?(?P<name>[\w$-]+(?:\\\.[\w$-]+)*)
      | \[ (?P<index>-?\d+|\*) \]
      | \[ ['"](?P<quoted>[^'"]+)['"] \]
      | \[ \?\(? \s* @\.(?P<field>[\w.-]+) \s* ==? \s* ['"](?P<value>[^'"]*)['"] \s* \)? \]""",
    re.VERBOSE,
)
_EXPRESSION = re.compile(r"^\{?(?P<path>(?:[^={}\[\]]|\[[^\]]*\])+)\}?(?:==?(?P<value>.+))?$")


def parse(annotation: str) -> Check:
    """Turn the annotation's value into a check.

    Raises:
        InputError: If it cannot be understood.
    """
    checks = [_parse_one(each) for each in _expressions(annotation)]

    def all_of(obj: Object) -> Verdict:
        verdicts = (check(obj) for check in checks)
        return next((verdict for verdict in verdicts if not verdict.ready), READY)

    return all_of


def _expressions(annotation: str) -> list[str]:
    try:
        loaded = json.loads(annotation)
    except ValueError:
        return [annotation]
    if not isinstance(loaded, list) or not loaded:
        raise InputError(f"pulumi.com/waitFor is {annotation!r}: give one expression or a JSON list of them")
    return [str(each) for each in loaded]


def _parse_one(expression: str) -> Check:
    prefix, _, rest = expression.partition("=")
    if prefix == "condition" and rest:
        return _condition(rest)
    if prefix == "jsonpath" and rest:
        return _json_path(rest.strip("'\""))
    raise InputError(f"pulumi.com/waitFor holds {expression!r}: it must begin with condition= or jsonpath=")


def _condition(text: str) -> Check:
    name, _, wanted = text.partition("=")

    def check(obj: Object) -> Verdict:
        status = str(condition(obj, name).get("status", "absent"))
        done = status.lower() == (wanted or "True").lower()
        return READY if done else waiting(f"the condition {name} is {status}, not {wanted or 'True'}")

    return check


def _json_path(text: str) -> Check:
    match = _EXPRESSION.match(text)
    if match is None:
        raise InputError(f"pulumi.com/waitFor holds the JSONPath {text!r}, which cannot be understood")
    steps, wanted = _steps(match["path"].removeprefix("$"), text), match["value"]

    def check(obj: Object) -> Verdict:
        found = [obj]
        for step in steps:
            found = [item for value in found for item in _select(value, step)]
        if any(wanted is None or _text(value) == wanted.strip("'\"") for value in found):
            return READY
        shown = ", ".join(map(_text, found)) or "absent"
        return waiting(f"{match['path']} is {shown}" + (f", not {wanted}" if wanted else ""))

    return check


def _steps(path: str, whole: str) -> list[re.Match[str]]:
    steps, position = [], 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise InputError(
                f"pulumi.com/waitFor holds the JSONPath {whole!r}: {path[position:]!r} cannot be understood"
            )
        steps.append(step)
        position = step.end()
    return steps


def _select(value: Any, step: re.Match[str]) -> list[Any]:
    name = step["quoted"] or (step["name"] or "").replace("\\.", ".")
    if name:
        return [value[name]] if isinstance(value, dict) and name in value else []
    items = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    if step["field"]:
        return [item for item in items if _text(_below(item, step["field"])) == step["value"]]
    if step["index"] == "*":
        return items
    index = int(step["index"])
    return items[index : index + 1 or None]


def _below(value: Any, field: str) -> Any:
    for key in field.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
