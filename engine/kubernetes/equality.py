"""When two values mean the same to the API server although they are written differently."""

import re
from decimal import Decimal
from typing import Any

from engine.values import UNKNOWN

_QUANTITY = re.compile(r"^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:(m|k|M|G|T|P|E|n|u|[KMGTPE]i)|[eE]([+-]?\d+))?$")
_SCALE = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_QUANTITY_MAPS = frozenset(
    {
        "allocatable",
        "capacity",
        "default",
        "defaultRequest",
        "hard",
        "limits",
        "max",
        "maxLimitRequestRatio",
        "min",
        "overhead",
        "podFixed",
        "requests",
        "used",
    }
)
_QUANTITY_FIELDS = frozenset({"sizeLimit", "averageValue", "divisor"})


def quantity(value: Any) -> Decimal | None:
    """Read a Kubernetes resource quantity such as ``500m`` or ``10Gi``; None if the value is none.

    The syntax is that of ``k8s.io/apimachinery/pkg/api/resource``.
    """
    match = _QUANTITY.match(str(value)) if isinstance(value, str | int | float) else None
    if match is None:
        return None
    number, suffix, exponent = match.groups()
    if exponent:
        return Decimal(number).scaleb(int(exponent))
    return Decimal(number) * _SCALE[suffix] if suffix else Decimal(number)


def same_quantities(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Tell whether two maps of resource quantities mean the same."""
    return first.keys() == second.keys() and all(_same_amount(first[key], second[key]) for key in first)


def same(first: Any, second: Any, path: tuple[str | int, ...] = ()) -> bool:
    """Tell whether two scalars at ``path`` mean the same.

    A quantity may be written in several ways; everything else must be equal. ``1`` and ``True`` are different.
    """
    if first is UNKNOWN or second is UNKNOWN:
        return False
    if first == second and isinstance(first, bool) == isinstance(second, bool):
        return True
    return _holds_quantity(path) and _same_amount(first, second)


def _same_amount(first: Any, second: Any) -> bool:
    amount = quantity(first)
    return first == second or (amount is not None and amount == quantity(second))


def _holds_quantity(path: tuple[str | int, ...]) -> bool:
    if not path:
        return False
    return path[-1] in _QUANTITY_FIELDS or (len(path) > 1 and path[-2] in _QUANTITY_MAPS)


def is_empty(value: Any) -> bool:
    """Tell whether the API server drops such a value when it is optional: Go's ``omitempty``."""
    return value is None or (value is not UNKNOWN and value in ("", [], {}, 0, False))


def reconcile(live: Any, recorded: Any, path: tuple[str | int, ...] = ()) -> Any:
    """Cut a live value down to the shape of what was recorded for it, keeping what only is written differently.

    Pulumi's provider prunes the live object to the inputs the same way (``pruneMap``): fields that the program never
    set are not its business. A list is cut to the recorded length only if the live one is not shorter.
    """
    if isinstance(live, dict) and isinstance(recorded, dict):
        kept = {key: reconcile(live[key], item, (*path, key)) for key, item in recorded.items() if key in live}
        return kept | {key: item for key, item in recorded.items() if key not in live and is_empty(item)}
    if isinstance(live, list) and isinstance(recorded, list):
        pairs = zip(live, recorded, strict=False)
        return [reconcile(mine, theirs, (*path, index)) for index, (mine, theirs) in enumerate(pairs)] + live[
            len(recorded) :
        ]
    return recorded if same(live, recorded, path) else live
