"""The gRPC services that a program talks to, Pulumi's monitor and engine; what is not supported is refused here."""

# ruff: noqa: N802, ARG002 - names and signatures are those of the remote procedures

import logging
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import alias_pb2, engine_pb2, engine_pb2_grpc, resource_pb2, resource_pb2_grpc

from engine.aliases import Alias
from engine.deploy import Cancelled, Deployer
from engine.errors import EngineError, InputError, StateError, Unsupported
from engine.registration import Registration
from engine.steps import Goal
from engine.urn import STACK_TYPE, make_urn, provider_package
from engine.values import Object
from engine.wire import from_struct, to_struct

_LOG = logging.getLogger(__name__)
_GET_RESOURCE = "pulumi:pulumi:getResource"
_SEVERITIES = {0: "debug", 1: "info", 2: "warning", 3: "error"}
_REFUSED = {
    "importId": "The resource option import_",
    "remote": "Remote components (component packages)",
    "transforms": "The resource option transforms",
    "state_migrations": "The resource option state_migrations",
    "deletedWith": "The resource option deleted_with",
    "replace_with": "The resource option replace_with",
    "replacement_trigger": "The resource option replacement_trigger",
    "hideDiffs": "The resource option hide_diffs",
    "envVarMappings": "The resource option env_var_mappings",
    "packageRef": "Parameterised packages",
    "pluginDownloadURL": "The resource option plugin_download_url",
}
"""Fields of a registration that are refused when set. Everything is advertised as supported, because a program that
asks first would otherwise be told to update its CLI."""
_DURATION = re.compile(r"([0-9.]+)(h|ms|us|µs|ns|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Translates the program's calls for the deployer. Every call runs in a thread of its own.

    Args:
        deployer: Does what is asked.
        at_end: Called when the program has registered everything; deletes what is left over.
    """

    def __init__(self, deployer: Deployer, at_end: Callable[[], None]) -> None:
        self._deployer = deployer
        self._at_end = at_end

    def GetDeploymentInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> resource_pb2.DeploymentInfo:
        """Tell the program where it runs and what it may ask."""
        scope = self._deployer.scope
        features = resource_pb2.ResourceMonitorFeature.values()
        unanswered = {
            resource_pb2.RESOURCE_MONITOR_FEATURE_BYTE_STRING,
            resource_pb2.RESOURCE_MONITOR_FEATURE_INVOKE_DEPENDS_ON,
        }
        return resource_pb2.DeploymentInfo(
            project=scope.project,
            stack=scope.stack,
            organization="organization",
            dryRun=self._deployer.preview,
            parallel=scope.parallel,
            supportedFeatures=[feature for feature in features if feature not in unanswered],
        )

    def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest, context: grpc.ServicerContext
    ) -> resource_pb2.RegisterResourceResponse:
        """Bring a resource into being."""
        with self._answering(context):
            scope = self._deployer.scope
            outcome = self._deployer.register(read_registration(request, scope.stack, scope.project))
        result = resource_pb2.Result.FAIL if outcome.failed else resource_pb2.Result.SUCCESS
        outputs = to_struct(outcome.outputs or {})
        return resource_pb2.RegisterResourceResponse(urn=outcome.urn, id=outcome.id, object=outputs, result=result)

    def RegisterResourceOutputs(
        self, request: resource_pb2.RegisterResourceOutputsRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Record the outputs of a component or of the stack."""
        with self._answering(context):
            self._deployer.register_outputs(request.urn, from_struct(request.outputs))
        return empty_pb2.Empty()

    def Invoke(
        self, request: resource_pb2.ResourceInvokeRequest, context: grpc.ServicerContext
    ) -> resource_pb2.ResourceInvokeResponse:
        """Look up a resource that is used as a value; functions of providers are refused."""
        with self._answering(context):
            if request.tok != _GET_RESOURCE:
                raise Unsupported(f"The provider function {request.tok}")
            found: Any = {"return": to_struct(self._look_up(from_struct(request.args)))}
            return resource_pb2.ResourceInvokeResponse(**found)

    def _look_up(self, arguments: Object) -> Object:
        resource = self._deployer.state.get(arguments["urn"])
        if resource is None:
            raise StateError(f"the state has no resource {arguments['urn']}")
        return {"urn": resource.urn, "id": resource.id, "state": resource.outputs}

    def SignalAndWaitForShutdown(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Finish: everything is registered."""
        with self._answering(context):
            self._at_end()
        return empty_pb2.Empty()

    def ReadResource(self, request: resource_pb2.ReadResourceRequest, context: grpc.ServicerContext) -> NoReturn:
        """Refuse."""
        is_stack = request.type == "pulumi:pulumi:StackReference"
        self._refuse("StackReference" if is_stack else f"Reading a resource ({request.type}.get)", context)

    def ExistsResource(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        """Refuse."""
        self._refuse("Asking whether a resource exists", context)

    def Call(self, request: resource_pb2.ResourceCallRequest, context: grpc.ServicerContext) -> NoReturn:
        """Refuse."""
        self._refuse(f"The provider method {request.tok}", context)

    def RegisterPackage(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        """Refuse."""
        self._refuse(f"The parameterised package {request.name}", context)

    def RegisterStackTransform(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        """Refuse."""
        self._refuse("register_resource_transform", context)

    def RegisterStackInvokeTransform(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        """Refuse."""
        self._refuse("register_invoke_transform", context)

    def RegisterResourceHook(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        """Refuse."""
        self._refuse("The resource option hooks", context)

    def RegisterErrorHook(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        """Refuse."""
        self._refuse("The resource option hooks (error hooks)", context)

    def _refuse(self, feature: str, context: grpc.ServicerContext) -> NoReturn:
        with self._answering(context):
            raise Unsupported(feature)
        raise AssertionError("a refused call has been aborted")

    @contextmanager
    def _answering(self, context: grpc.ServicerContext) -> Iterator[None]:
        """Turn an error into the end of the run: the first is told to the user, the program is only stopped."""
        try:
            yield
        except Cancelled as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        except EngineError as error:
            self._deployer.abort(error)
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        except Exception as error:
            _LOG.exception("a call of the program failed")
            self._deployer.abort(EngineError(f"a defect of the engine or a provider: {type(error).__name__}: {error}"))
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error))


class EngineService(engine_pb2_grpc.EngineServicer):
    """Takes the messages of programs, providers and policy packs.

    Args:
        deployer: Has the events.
    """

    def __init__(self, deployer: Deployer) -> None:
        self._deployer = deployer
        self._root = ""

    def Log(self, request: engine_pb2.LogRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Show a message."""
        severity = _SEVERITIES[request.severity]
        ended = self._deployer.cancelled.is_set() and severity == "error"
        if severity != "debug" and not ended:
            self._deployer.events.diagnostic(severity, request.message, request.urn, ephemeral=request.ephemeral)
        return empty_pb2.Empty()

    def GetRootResource(
        self, request: engine_pb2.GetRootResourceRequest, context: grpc.ServicerContext
    ) -> engine_pb2.GetRootResourceResponse:
        """Return the stack's URN, once set."""
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    def SetRootResource(
        self, request: engine_pb2.SetRootResourceRequest, context: grpc.ServicerContext
    ) -> engine_pb2.SetRootResourceResponse:
        """Take the stack's URN."""
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    def RequirePulumiVersion(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Refuse: this is no version of Pulumi."""
        self._deployer.abort(Unsupported(f"require_pulumi_version({request.pulumi_version_range})"))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not supported")


@contextmanager
def serve(deployer: Deployer, at_end: Callable[[], None], threads: int) -> Iterator[str]:
    """Serve both services on a port of this machine's own, and yield its address.

    Args:
        deployer: Does what is asked.
        at_end: See :class:`Monitor`.
        threads: How many calls are answered at once; the SDK makes four for each parallel operation.
    """
    with ThreadPoolExecutor(threads) as pool:
        server = grpc.server(pool, options=_GRPC_CHANNEL_OPTIONS)
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(Monitor(deployer, at_end), server)
        engine_pb2_grpc.add_EngineServicer_to_server(EngineService(deployer), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(grace=None).wait()


def read_registration(request: resource_pb2.RegisterResourceRequest, stack: str, project: str) -> Registration:
    """Translate a registration.

    Raises:
        Unsupported: If it uses what the engine does not have.
    """
    _refuse_options(request)
    if request.type == STACK_TYPE and request.parent:
        raise InputError("a stack resource has no parent")
    inputs = from_struct(request.object)
    if provider_package(request.type) and request.version:
        inputs["version"] = request.version
    goal = Goal(
        urn=make_urn(stack, project, request.parent, request.type, request.name),
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs=inputs,
        parent=request.parent,
        provider=request.provider,
        protect=request.protect,
        retain_on_delete=request.retainOnDelete,
        delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        dependencies=tuple(sorted(request.dependencies)),
        property_dependencies={
            key: tuple(sorted(value.urns)) for key, value in sorted(request.propertyDependencies.items()) if value.urns
        },
        additional_secret_outputs=tuple(request.additionalSecretOutputs),
        timeouts=_timeouts(request.customTimeouts),
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
    )
    return Registration(goal, request.version, tuple(_aliases(request)))


def _refuse_options(request: resource_pb2.RegisterResourceRequest) -> None:
    for name, feature in _REFUSED.items():
        value = getattr(request, name)
        if isinstance(value, struct_pb2.Value):
            value = request.HasField("replacement_trigger")
        if value:
            raise Unsupported(f"{feature} of {request.name!r}")
    if any(getattr(request.hooks, kind) for kind in ("before_create", "after_create", "before_update", "on_error")):
        raise Unsupported("The resource option hooks")


def _timeouts(block: resource_pb2.RegisterResourceRequest.CustomTimeouts) -> dict[str, float]:
    given = {name: getattr(block, name) for name in ("create", "update", "delete")}
    return {name: read_duration(text) for name, text in given.items() if text}


def read_duration(text: str) -> float:
    """Return the seconds of a duration such as ``1h30m`` or ``90s``.

    Raises:
        InputError: If it is malformed.
    """
    if not text or _DURATION.sub("", text):
        raise InputError(f"the timeout {text!r} is no duration; write for example 10m or 90s")
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))


def _aliases(request: resource_pb2.RegisterResourceRequest) -> Iterator[Alias]:
    for urn in request.aliasURNs:
        yield Alias(urn=urn)
    for alias in request.aliases:
        yield Alias(urn=alias.urn) if alias.WhichOneof("alias") == "urn" else _specified(alias.spec)


def _specified(spec: alias_pb2.Alias.Spec) -> Alias:
    return Alias("", spec.name, spec.type, spec.stack, spec.project, spec.parentUrn, spec.noParent)
