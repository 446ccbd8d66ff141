"""What must be deleted together with a resource that is deleted in order to be replaced."""

from engine.errors import ProviderError
from engine.providers import Providers
from engine.resource import Resource
from engine.state import State, sort_by_dependency
from engine.urn import split_reference
from engine.values import UNKNOWN, Unknown, Value, contains, reveal, transform


def dependants_to_replace(root: Resource, state: State, providers: Providers) -> list[Resource]:
    """Return what losing the values of ``root`` would replace, directly or not, in the order of dependency.

    Pulumi asks each dependant's provider with the affected properties unknown (``calculateDependentReplacements`` in
    ``pkg/resource/deploy/step_generator.go``).

    Raises:
        ProviderError: If one of them is protected.
    """
    gone, found, values = {root.urn}, [], texts(root)
    for resource in sort_by_dependency(state.resources()):
        if resource.delete or resource.pending_replacement or not resource.custom or resource.urn in gone:
            continue
        lost = {key for key, urns in resource.property_dependencies.items() if gone.intersection(urns)}
        if split_reference(resource.provider)[0] in gone or (lost and _replaced(resource, lost, values, providers)):
            if resource.protect:
                raise ProviderError(f"{root.urn} cannot be replaced: {resource.urn} depends on it and is protected")
            gone.add(resource.urn)
            values |= texts(resource)
            found.append(resource)
    return found


def _replaced(resource: Resource, lost: set[str], values: set[str], providers: Providers) -> bool:
    inputs = reveal(resource.inputs)
    unknown = {key: without(value, values) if key in lost else value for key, value in inputs.items()}
    manager = providers.for_resource(resource)
    return bool(manager.diff(resource.urn, resource.id, inputs, reveal(resource.outputs), unknown).replaces)


def texts(resource: Resource) -> set[str]:
    """Return the texts among a resource's id and outputs, by which others may refer to it."""
    found = {resource.id}

    def leaf(value: Value) -> Value:
        if isinstance(value, str):
            found.add(value)
        return value

    transform(reveal(resource.outputs), leaf)
    return found - {""}


def without(value: Value, lost: set[str]) -> Value:
    """Return a property with the texts that are lost made unknown; all of it where none can be told apart.

    Pulumi makes the whole property unknown, which would replace what merely has a label from the lost resource.
    """
    marked = transform(value, lambda leaf: UNKNOWN if isinstance(leaf, str) and leaf in lost else leaf)
    return marked if contains(marked, Unknown) else UNKNOWN
