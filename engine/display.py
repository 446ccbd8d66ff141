"""Shows a run to a person: progress while it goes on, the plan as a tree with property diffs, and the counts."""

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from engine.events import Event
from engine.paths import parse_path
from engine.urn import STACK_TYPE, Urn

if TYPE_CHECKING:
    from collections.abc import Mapping

OUTPUT_LENGTH = 160
"""Characters of an output that are shown without being asked for."""

_SIGNS = {
    "same": (" ", ""),
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "delete": ("-", "red"),
    "replace": ("+-", "magenta"),
    "create-replacement": ("++", "green"),
    "delete-replaced": ("--", "red"),
    "refresh": ("~", "cyan"),
}
_DONE = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "create-replacement": "created replacement",
    "delete-replaced": "deleted original",
}
_DOING = {
    "create": "creating",
    "update": "updating",
    "delete": "deleting",
    "create-replacement": "creating replacement",
    "delete-replaced": "deleting original",
    "refresh": "reading",
}
_COUNTED = ("create", "update", "delete", "replace")


class JsonLines:
    """Writes each event as one line of JSON.

    Args:
        held: Keep the events until it is decided whether they are told at all.
    """

    def __init__(self, *, held: bool = False) -> None:
        self._held: list[Event] | None = [] if held else None

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if self._held is not None:
            self._held.append(event)
            return
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()

    def drop(self) -> None:
        """Forget what is held; write what comes from now on."""
        self._held = None

    def release(self) -> None:
        """Write what is held, and what comes from now on."""
        held, self._held = self._held, None
        for event in held or ():
            self(event)


class Display:
    """Turns events into lines for a terminal.

    Args:
        console: Where they go.
        details: Show each changed property.
    """

    def __init__(self, console: Console, *, details: bool = False) -> None:
        self._console = console
        self._details = details
        self._steps: dict[str, Event] = {}
        self._diagnostics: list[tuple[str, str, str]] = []
        self._outputs: Mapping[str, Any] = {}
        self._old_outputs: Mapping[str, Any] = {}
        self._planning = False
        self._running: dict[str, str] = {}
        self._status = console.status("")

    def __call__(self, event: Event) -> None:
        """Take one event."""
        for kind, handle in self._handlers().items():
            if kind in event:
                handle(event[kind])

    def _handlers(self) -> dict[str, Any]:
        return {
            "preludeEvent": self._begin,
            "resourcePreEvent": self._before,
            "resOutputsEvent": self._after,
            "resOpFailedEvent": lambda content: self._progress(content["metadata"], ""),
            "diagnosticEvent": self._diagnostic,
            "policyEvent": self._policy,
            "policyRemediationEvent": self._remediation,
            "summaryEvent": self._summary,
        }

    def _begin(self, _: Event) -> None:
        self._steps.clear()
        self._diagnostics.clear()
        self._outputs = self._old_outputs = {}

    def _before(self, content: Event) -> None:
        metadata = content["metadata"]
        self._planning = content["planning"]
        known = self._steps.get(metadata["urn"])
        if known is None or known["op"] != "replace":
            self._steps[metadata["urn"]] = metadata
        self._progress(metadata, _DOING.get(metadata["op"], ""))

    def _progress(self, metadata: Event, doing: str) -> None:
        """Show what is in flight, on a terminal; elsewhere the lines of what is done are the progress."""
        if self._planning or not self._console.is_terminal:
            return
        self._running.pop(metadata["urn"], None)
        if doing:
            self._running[metadata["urn"]] = f"{doing} {_name(metadata['urn'])}"
        shown = list(self._running.values())
        self._status.update(", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else ""))
        self._status.start() if shown else self._status.stop()

    def _after(self, content: Event) -> None:
        metadata = content["metadata"]
        self._progress(metadata, "")
        if metadata["type"] == STACK_TYPE and metadata["new"]:
            self._outputs = metadata["new"]["outputs"]
            self._old_outputs = (metadata["old"] or {}).get("outputs") or {}
        known = self._steps.get(metadata["urn"])
        if known is not None and known["op"] == "refresh":
            self._steps[metadata["urn"]] = metadata
        elif not content["planning"] and (verb := _DONE.get(metadata["op"])):
            sign, style = _SIGNS[metadata["op"]]
            self._console.print(Text.assemble((f" {sign:<2} ", style), _label(metadata), (f"  {verb}", "dim")))

    def _diagnostic(self, content: Event) -> None:
        severity, urn, message = content["severity"], content.get("urn", ""), content["message"]
        if content.get("ephemeral"):
            if not self._planning:
                self._console.print(Text.assemble("    ", (_name(urn), "dim"), f"  {message}"))
            return
        self._diagnostics.append((severity, urn, message))

    def _policy(self, content: Event) -> None:
        level = "error" if content["enforcementLevel"] == "mandatory" else "warning"
        message = f"[{content['enforcementLevel']}] {content['policyPackName']}/{content['policyName']}: "
        self._diagnostics.append((level, content["resourceUrn"], message + content["message"]))

    def _remediation(self, content: Event) -> None:
        rule = f"{content['policyPackName']}/{content['policyName']}"
        self._diagnostics.append(("info", content["resourceUrn"], f"[remediated] {rule}"))

    def _summary(self, content: Event) -> None:
        self._status.stop()
        if content["isPreview"]:
            self._print_tree()
        self._print_diagnostics()
        self._print_outputs()
        counts = content["resourceChanges"]
        words = {op: f"to {op}" if content["isPreview"] else f"{op}d" for op in _COUNTED} | {"same": "unchanged"}
        parts = [f"{counts[op]} {word}" for op, word in words.items() if counts.get(op)]
        seconds = "" if content["isPreview"] else f"  ({content['durationSeconds']} s)"
        self._console.print(Text.assemble(("Resources: ", "bold"), ", ".join(parts) or "none", seconds))

    def _print_tree(self) -> None:
        shown = {urn: step for urn, step in self._steps.items() if step["op"] != "same"}
        for urn in list(shown):
            parent = _parent(shown[urn])
            while parent and parent in self._steps and parent not in shown:
                shown[parent] = self._steps[parent]
                parent = _parent(self._steps[parent])
        branches: dict[str, Tree] = {}
        top = Tree("", hide_root=True)

        def branch(urn: str) -> Tree:
            if urn not in shown:
                return top
            if urn not in branches:
                branches[urn] = branch(_parent(shown[urn])).add(self._line(shown[urn]))
            return branches[urn]

        for urn in shown:
            branch(urn)
        if shown:
            self._console.print(top)

    def _line(self, step: Event) -> Text:
        sign, style = _SIGNS.get(step["op"], (" ", ""))
        text = Text.assemble((f"{sign:<2} ", style), _label(step))
        changes = step.get("detailedDiff") or {}
        if changes and not self._details:
            text.append(f"  [diff: {', '.join(sorted(changes))}]", "dim")
        if self._details:
            for path, change in changes.items():
                text.append(_property(path, change["diffKind"], step), "dim")
        return text

    def _print_diagnostics(self) -> None:
        styles = {"error": "bold red", "warning": "yellow"}
        for severity, urn, message in dict.fromkeys(self._diagnostics):
            prefix = f"{severity}: " if severity in styles else ""
            name = f"{_name(urn)}: " if urn else ""
            self._console.print(Text.assemble((prefix, styles.get(severity, "")), name, message))

    def _print_outputs(self) -> None:
        for key in [*self._outputs, *(key for key in self._old_outputs if key not in self._outputs)]:
            old, new = self._old_outputs.get(key), self._outputs.get(key)
            if old != new:
                sign, style = _SIGNS["create" if old is None else "delete" if new is None else "update"]
                shown = self._shown(new if new is not None else old)
                self._console.print(Text.assemble((f" {sign} ", style), f"{key}: {shown}"))

    def _shown(self, value: object) -> str:
        """An output in one line; a long one whole only where details were asked for."""
        text = json.dumps(value)
        if self._details or len(text) <= OUTPUT_LENGTH:
            return text
        return f"{text[:OUTPUT_LENGTH]}… ({len(text)} characters; --diff shows all)"


def _parent(step: Event) -> str:
    return (step["new"] or step["old"])["parent"]


def _label(step: Event) -> Text:
    return Text.assemble((step["type"], "cyan"), " ", _name(step["urn"]))


def _name(urn: str) -> str:
    return Urn.parse(urn).name if urn else ""


def _property(path: str, kind: str, step: Event) -> str:
    old = _at(step["old"], path)
    new = _at(step["new"], path)
    values = {"add": f"{new}", "delete": f"{old}"}.get(kind.removesuffix("-replace"), f"{old} => {new}")
    forces = " (replaces)" if kind.endswith("-replace") else ""
    sign = {"add": "+", "delete": "-"}.get(kind.removesuffix("-replace"), "~")
    return f"\n     {sign} {path}: {values}{forces}"


def _at(state: Event | None, path: str) -> str:
    value: Any = (state or {}).get("inputs")
    for part in parse_path(path):
        if value == "[secret]":
            break
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return "?"
    return json.dumps(value)
