"""What the API server's refusals mean, and what to do about them."""

from engine.errors import ProviderError
from engine.kubernetes.client import ApiError
from engine.kubernetes.discovery import Resource
from engine.kubernetes.kinds import object_id

PATCH_FORCE = "pulumi.com/patchForce"


def explained(error: ApiError, resource: Resource, namespace: str, name: str) -> ProviderError:
    """Say what a refusal means and what to do about it."""
    what = f"{resource.kind.kind} {object_id(namespace, name)}"
    if error.reason == "AlreadyExists":
        return ProviderError(
            f"{what} already exists and does not belong to this stack; give it another name, delete it, import it with "
            "the Pulumi CLI, or set the provider's upsertExistingObjects to take it over"
        )
    if error.reason == "Conflict" and error.causes:
        fields = ", ".join(f"{cause.get('field')} ({cause.get('message')})" for cause in error.causes)
        return ProviderError(
            f"{what}: other field managers own {fields}; leave these fields to them (ignore_changes), or take them "
            f'over with the annotation {PATCH_FORCE}: "true"'
        )
    return ProviderError(f"{what}: {error}")
