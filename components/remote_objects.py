"""What the dynamic resources of a server with an API of its own have in common.

Differences are found between what the program says and what the state recorded, so a preview contacts nothing. Pulumi
keeps of a provider's code no more than the class's import path, since these classes are importable wherever the
program is; nothing in an instance is kept: neither a session nor the secret that it was opened with.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import pulumi
from pulumi.dynamic import (
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

Properties = dict[str, Any]
Api = TypeVar("Api")


class ObjectProvider(ResourceProvider, Generic[Api]):
    """Creates, changes and deletes one kind of object through an API."""

    serialize_as_secret_always = False

    fixed: ClassVar[Sequence[str]] = ()
    """Inputs whose change means another object."""
    drawn: ClassVar[Sequence[str]] = ()
    """Outputs that exist once and are kept when the object changes."""
    secret: ClassVar[Sequence[str]] = ()
    """Those of them that are secret."""

    def configure(self, req: ConfigureRequest) -> None:
        """Take what a session is opened with; `diff` does without it."""
        raise NotImplementedError

    def session(self, props: Properties) -> Api:
        """Open a session with the server that the properties name, or give the one that is open."""
        raise NotImplementedError

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> DiffResult:
        """Compare what the program asks with what was recorded."""
        asked = [key for key in _news if key not in self.drawn and not key.startswith("__")]
        changed = [key for key in asked if _olds.get(key) != _news[key]]
        replaces = [key for key in changed if key in self.fixed]
        return DiffResult(changes=bool(changed), replaces=replaces, delete_before_replace=True)

    def create(self, props: Properties) -> CreateResult:
        """Make the object, or finish one that an interrupted run of this program has begun."""
        id_, drawn = self.make(self.session(props), props)
        return CreateResult(id_, {**_own(props), **drawn})

    def read(self, id_: str, props: Properties) -> ReadResult:
        """Ask what the object is like now."""
        found = self.find(self.session(props), id_, props)
        outputs = {**_own(props), **found} if found is not None else {}
        return ReadResult(id_ if found is not None else "", outputs)

    def update(self, _id: str, _olds: Properties, _news: Properties) -> UpdateResult:
        """Change the object in place."""
        self.change(self.session(_news), _id, _news)
        return UpdateResult({**_own(_news), **{key: _olds[key] for key in self.drawn}})

    def delete(self, _id: str, _props: Properties) -> None:
        """Delete the object."""
        self.remove(self.session(_props), _id, _props)

    def make(self, api: Api, props: Properties) -> tuple[str, Properties]:
        """Create; return the id and what is `drawn`."""
        raise NotImplementedError

    def find(self, api: Api, id_: str, props: Properties) -> Properties | None:
        """Read the inputs of `props` as they are now; None when the object is gone."""
        raise NotImplementedError

    def change(self, api: Api, id_: str, props: Properties) -> None:
        """Bring the object to `props`."""
        raise NotImplementedError

    def remove(self, api: Api, id_: str, props: Properties) -> None:
        """Delete the object; what is gone already is no error."""
        raise NotImplementedError


class RemoteObject(Resource, module="index", name="RemoteObject"):
    """A resource on a server with an API of its own."""

    def __init__(
        self, provider: ObjectProvider[Any], name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None
    ) -> None:
        """Declare the resource.

        Args:
            provider: what manages it.
            name: logical name, unique in the stack.
            inputs: what is asked of it.
            opts: usual resource options.
        """
        # A dynamic resource gets those attributes that it names among its inputs.
        named = {**inputs, **dict.fromkeys(provider.drawn)}
        secret = pulumi.ResourceOptions(additional_secret_outputs=list(provider.secret))
        super().__init__(provider, name, named, pulumi.ResourceOptions.merge(opts, secret))


def projected(asked: Any, found: Any) -> Any:
    """What is found, as far as it was asked: the rest are defaults of the server's."""
    if isinstance(asked, Mapping) and isinstance(found, Mapping):
        return {key: projected(value, found.get(key)) for key, value in asked.items()}
    if isinstance(asked, list) and isinstance(found, list) and len(asked) == len(found):
        if sorted(map(str, asked)) == sorted(map(str, found)):
            return asked  # servers keep most lists as sets
        return [projected(*pair) for pair in zip(asked, found, strict=True)]
    return found


def whole_numbers(value: object) -> object:
    """Numbers that came over Pulumi's protocol, which knows no integers, as an API wants them."""
    if isinstance(value, Mapping):
        return {key: whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _own(props: Properties) -> Properties:
    return {key: value for key, value in props.items() if not key.startswith("__")}
