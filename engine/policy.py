"""Policy packs, through Pulumi's own host ``python -m pulumi.policy``."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from engine.errors import InputError, ProviderError
from engine.events import Events
from engine.host import Host
from engine.project import read_yaml
from engine.resource import Resource
from engine.session import Session
from engine.urn import STACK_TYPE, Urn
from engine.values import Object
from engine.wire import from_struct, to_struct

_LEVELS = {0: "advisory", 1: "mandatory", 2: "disabled", 3: "remediate"}


class PolicyPacks:
    """The packs of one run; a context manager that starts and ends their hosts.

    Args:
        folders: Each holds a ``PulumiPolicy.yaml``.
        session: The stack that is judged.
        events: Takes violations.
        preview: Whether nothing is changed.
    """

    def __init__(self, folders: Sequence[Path], session: Session, events: Events, *, preview: bool) -> None:
        self._folders = folders
        self._session = session
        self._events = events
        self._preview = preview
        self._packs: list[_Pack] = []
        self.violated = False
        """Whether a mandatory rule is violated."""

    def __enter__(self) -> Self:
        for folder in self._folders:
            self._packs.append(_Pack(folder.resolve(), self._session, self._events, preview=self._preview))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for pack in self._packs:
            pack.host.close()

    @property
    def versions(self) -> dict[str, str]:
        """The packs' names and versions."""
        return {pack.name: pack.version for pack in self._packs}

    def review(self, resource: Resource) -> tuple[Object, bool]:
        """Have a resource's inputs remediated and judged.

        Returns:
            The inputs, and whether a mandatory rule forbids the resource.
        """
        inputs = resource.inputs
        forbidden = False
        for pack in self._packs:
            inputs = self._remediated(pack, resource, inputs)
            request = analyzer_pb2.AnalyzeRequest(**_described(resource, inputs))
            forbidden |= self._tell(pack, resource.urn, pack.call("Analyze", request).diagnostics)
        return inputs, forbidden

    def review_stack(self, resources: Iterable[Resource]) -> None:
        """Have the finished stack judged as a whole."""
        described = [_analyzer_resource(item) for item in resources if not item.delete]
        for pack in self._packs:
            request = analyzer_pb2.AnalyzeStackRequest(resources=described)
            self._tell(pack, "", pack.call("AnalyzeStack", request).diagnostics)

    def _remediated(self, pack: "_Pack", resource: Resource, inputs: Object) -> Object:
        request = analyzer_pb2.AnalyzeRequest(**_described(resource, inputs))
        for remediation in pack.call("Remediate", request).remediations:
            if remediation.diagnostic:
                self._events.diagnostic("warning", remediation.diagnostic, resource.urn)
            if remediation.properties.fields:
                inputs = from_struct(remediation.properties)
                self._events.remediation({**pack.identity(remediation.policyName), "resourceUrn": resource.urn})
        return inputs

    def _tell(self, pack: "_Pack", urn: str, diagnostics: Iterable[analyzer_pb2.AnalyzeDiagnostic]) -> bool:
        forbidden = False
        for item in diagnostics:
            level = _LEVELS[item.enforcementLevel]
            violation = {"resourceUrn": item.urn or urn, "message": item.message, "enforcementLevel": level}
            self._events.policy({**pack.identity(item.policyName), **violation})
            forbidden |= level == "mandatory"
        self.violated |= forbidden
        return forbidden


class _Pack:
    """One running pack."""

    def __init__(self, folder: Path, session: Session, events: Events, *, preview: bool) -> None:
        document = read_yaml(folder / "PulumiPolicy.yaml")
        if not document:
            raise InputError(f"{folder}: no PulumiPolicy.yaml; --policy-pack names the folder of a policy pack")
        environment = _environment(session, preview=preview)
        program = str(folder / document.get("main", "."))
        arguments = ["127.0.0.1:0", program]
        self.host = Host("pulumi.policy", arguments, folder, environment, lambda line: events.diagnostic("info", line))
        self._stub = analyzer_pb2_grpc.AnalyzerStub(self.host.channel)
        self._configure(session, preview=preview)
        info = self.call("GetAnalyzerInfo", empty_pb2.Empty())
        self.name, self.version = info.name, str(document.get("version") or info.version)
        levels = {
            item.name: analyzer_pb2.PolicyConfig(enforcementLevel=item.enforcementLevel) for item in info.policies
        }
        self.call("Configure", analyzer_pb2.ConfigureAnalyzerRequest(policyConfig={**levels, **info.initialConfig}))

    def _configure(self, session: Session, *, preview: bool) -> None:
        request = analyzer_pb2.AnalyzerStackConfigureRequest(
            stack=session.place.stack,
            project=session.project.name,
            organization="organization",
            dry_run=preview,
            config=session.configuration.values,
            config_secret_keys=sorted(session.configuration.secret_keys),
        )
        self.call("ConfigureStack", request)

    def identity(self, policy: str) -> dict[str, str]:
        """Return the fields of an event that name a rule."""
        return {
            "policyName": policy,
            "policyPackName": self.name,
            "policyPackVersion": self.version,
            "policyPackVersionTag": self.version,
        }

    def call(self, method: str, request: Any) -> Any:
        """Ask the pack.

        Raises:
            ProviderError: If it fails; a policy that cannot be asked forbids everything.
        """
        try:
            return getattr(self._stub, method)(request)
        except grpc.RpcError as error:
            call: Any = error
            raise ProviderError(f"the policy pack failed in {method}: {call.details()}") from error


def _environment(session: Session, *, preview: bool) -> dict[str, str]:
    return {
        **session.place.environment,
        "PULUMI_ORGANIZATION": "organization",
        "PULUMI_PROJECT": session.project.name,
        "PULUMI_STACK": session.place.stack,
        "PULUMI_DRY_RUN": "true" if preview else "false",
        "PULUMI_CONFIG": json.dumps(session.configuration.values),
    }


def _described(resource: Resource, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": resource.type,
        "urn": resource.urn,
        "name": Urn.parse(resource.urn).name,
        "properties": to_struct({key: value for key, value in inputs.items() if not key.startswith("__")}),
        "options": analyzer_pb2.AnalyzerResourceOptions(
            protect=resource.protect,
            ignoreChanges=resource.ignore_changes,
            additionalSecretOutputs=resource.additional_secret_outputs,
            aliases=resource.aliases,
            parent=resource.parent,
        ),
    }


def _analyzer_resource(resource: Resource) -> analyzer_pb2.AnalyzerResource:
    properties = resource.outputs if resource.custom or resource.type == STACK_TYPE else resource.inputs
    return analyzer_pb2.AnalyzerResource(
        **_described(resource, properties),
        parent=resource.parent,
        dependencies=resource.dependencies,
        propertyDependencies={
            key: analyzer_pb2.AnalyzerPropertyDependencies(urns=urns)
            for key, urns in resource.property_dependencies.items()
        },
    )
