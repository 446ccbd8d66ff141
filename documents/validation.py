"""Check a document against a pydantic model and say what to do about each problem."""

import difflib
from collections.abc import Mapping
from typing import TypeVar, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from documents.problems import Problem
from documents.reading import Document, Location

Model = TypeVar("Model", bound=BaseModel)

_REMEDIES: Mapping[str, str] = {
    "missing": "add it",
    "literal_error": "use one of the values named",
    "enum": "use one of the values named",
    "greater_than_equal": "choose a value in the range",
    "less_than_equal": "choose a value in the range",
    "date_from_datetime_parsing": "write a date as YYYY-MM-DD",
    "date_parsing": "write a date as YYYY-MM-DD",
    "date_type": "write a date as YYYY-MM-DD",
    "too_short": "add at least one",
}


def refused(message: str, remedy: str, at: Location = ()) -> PydanticCustomError:
    """The error a model's validator raises.

    Args:
        message: what is wrong; taken as it is, braces in it are no placeholders.
        remedy: what to do.
        at: the field that is meant, seen from what is validated, where that is not the whole of it.
    """
    return PydanticCustomError("refused", "{message}", {"message": message, "remedy": remedy, "at": at})


def validate(model: type[Model], document: Document, context: Mapping[str, object]) -> Model | list[Problem]:
    """The document as a model, or everything that is wrong with it.

    Args:
        model: the pydantic model of the document.
        document: what `read_document` returned.
        context: facts the validators need, such as today's date.
    """
    try:
        return model.model_validate(_plain(document.content), context=dict(context))
    except ValidationError as error:
        return [_problem(model, document, details) for details in error.errors(include_url=False)]


def _plain(node: object) -> object:
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in cast("dict[object, object]", node).items()}
    if isinstance(node, list):
        return [_plain(item) for item in cast("list[object]", node)]
    return node


def _problem(model: type[BaseModel], document: Document, details: ErrorDetails) -> Problem:
    location: Location = (*details["loc"], *details.get("ctx", {}).get("at", ()))
    value = "" if details["type"] == "missing" else _shown(document.value(location))
    message, remedy = _words(model, details)
    return Problem(document.file, document.line(location), _dotted(location), value, message, remedy)


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str | int | float | bool) else ("" if value is None else str(value))


def _words(model: type[BaseModel], details: ErrorDetails) -> tuple[str, str]:
    context = details.get("ctx", {})
    if details["type"] == "refused":
        return str(context["message"]), str(context["remedy"])
    if details["type"] == "extra_forbidden":
        return "is not a field of this document", _spelling_remedy(model, details["loc"])
    return details["msg"][0].lower() + details["msg"][1:], _REMEDIES.get(details["type"], "correct the value")


def _spelling_remedy(model: type[BaseModel], location: Location) -> str:
    known = sorted(_fields_beside(model, location))
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"remove it (known fields: {', '.join(known)})"


def _fields_beside(model: type[BaseModel], location: Location) -> list[str]:
    for step in location[:-1]:
        if isinstance(step, str) and step in model.model_fields:
            model = _model_within(model.model_fields[step].annotation) or model
    return list(model.model_fields)


def _model_within(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_within(part))), None)


def _dotted(location: Location) -> str:
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return path
