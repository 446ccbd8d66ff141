"""Runs one Python process on the engine's behalf, and makes sure that it does not outlive the engine.

A script of its own, started as ``python launcher.py <engine's pid> program|module …``: it must not import anything of
this package, whose module names would shadow the user's. ``program`` does what Pulumi's
``pulumi-language-python-exec`` does; ``module`` runs a module of the SDK, such as ``pulumi.dynamic``.
"""

import argparse
import asyncio
import ctypes
import gc
import hashlib
import inspect
import os
import runpy
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

USER_ERROR = 32
"""Exit code of a program whose error has been logged, as Pulumi's language hosts use it."""
WAIT_LOOP_SHA256 = "c0f9027f85ad09255ded0a1908033b490f76d303a3e40b50d3cf47a69265469d"
"""Hash of the one SDK function that is replaced; with any other source the SDK runs untouched."""
_PR_SET_PDEATHSIG = 1
_COLLECT_RARELY = (50_000, 20, 50)
"""Collector thresholds: the SDK's futures live until the end, and looking for garbage among them every 700 allocations
takes a third of a program's time."""


def die_with(parent: int) -> None:
    """Have the system kill this process when the engine ends, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the engine is gone")


def run_module(name: str, arguments: list[str]) -> None:
    """Run a module as ``python -m`` would."""
    sys.argv = [name, *arguments]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


class QuietEngine:
    """An engine client that keeps debug messages in this process.

    Each message is otherwise a blocking call on the program's event loop, about four for every resource.
    """

    def __init__(self, stub: object) -> None:
        self._stub = stub

    def __getattr__(self, name: str) -> object:
        return getattr(self._stub, name)

    def Log(self, request: object) -> object:  # noqa: N802 - the name of the remote procedure
        """Pass everything on but debug messages."""
        return None if request.severity == 0 else self._stub.Log(request)  # type: ignore[attr-defined]


async def wait_for_rpcs(await_all_outstanding_tasks: bool = True) -> None:
    """Wait as the SDK does, but scan the pending outputs once a round instead of at every completion.

    The SDK's loop costs completions times outputs: seconds for a thousand resources.
    """
    from pulumi.runtime import settings

    manager = settings._get_rpc_manager()
    while True:
        while manager.rpcs:
            await asyncio.sleep(0)
            await _finish_call(manager)
        if manager.unhandled_exception is not None:
            raise manager.unhandled_exception.with_traceback(manager.exception_traceback)
        if await_all_outstanding_tasks:
            await _finish_outputs(settings.SETTINGS)
        if not manager.rpcs:
            break


async def _finish_call(manager: Any) -> None:
    try:
        await manager.rpcs.pop()
    except Exception as error:
        if manager.unhandled_exception is None:
            raise
        raise error from manager.unhandled_exception.with_traceback(manager.exception_traceback)


async def _finish_outputs(settings: Any) -> None:
    while True:
        with settings.lock:
            pending = list(settings.outputs)
            settings.outputs.clear()
        if not pending:
            return
        done, waiting = await asyncio.wait(pending, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            await task
        with settings.lock:
            settings.outputs.update(waiting)


def wait_loop_hash() -> str:
    """Return the hash of the SDK's own wait loop."""
    from pulumi.runtime import stack

    return hashlib.sha256(inspect.getsource(stack.wait_for_rpcs).encode()).hexdigest()


def speed_up(engine_address: str) -> object:
    """Replace the SDK's costly parts, all or none: dropping the messages alone makes the loop slower.

    Returns:
        What the SDK takes as its engine: a client object, or the address where the SDK stays untouched.
    """
    import grpc
    from pulumi.runtime import stack
    from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
    from pulumi.runtime.proto import engine_pb2_grpc

    if wait_loop_hash() != WAIT_LOOP_SHA256:
        return engine_address
    stack.wait_for_rpcs = wait_for_rpcs
    gc.set_threshold(*_COLLECT_RARELY)
    return QuietEngine(engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine_address, options=_GRPC_CHANNEL_OPTIONS)))


def configure_sdk(arguments: argparse.Namespace) -> None:
    """Tell the SDK where the engine is and what the stack's configuration says."""
    import pulumi.runtime

    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    settings = pulumi.runtime.Settings(
        project=arguments.project,
        stack=arguments.stack,
        organization=arguments.organization,
        root_directory=arguments.root_directory,
        monitor=arguments.monitor,
        engine=arguments.engine if arguments.untouched else speed_up(arguments.engine),
        parallel=arguments.parallel,
        dry_run=arguments.dry_run == "true",
    )
    pulumi.runtime.configure(settings)


def run_program(arguments: argparse.Namespace) -> int:
    """Run the user's program inside a stack resource and return the exit code."""
    import pulumi

    configure_sdk(arguments)
    os.chdir(arguments.pwd)
    program = Path(arguments.program).resolve()
    sys.path.insert(0, str(program if program.is_dir() else program.parent))
    sys.argv = [str(program)]
    try:
        _execute(program, threads=4 * arguments.parallel)
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return USER_ERROR
    except BaseException as error:
        if isinstance(error, SystemExit) and not error.code:
            return 0
        pulumi.log.error("Program failed with an unhandled exception:\n" + user_traceback(error, program))
        return USER_ERROR
    return 0


def _execute(program: Path, threads: int) -> None:
    import pulumi.runtime

    def run() -> None:
        runpy.run_path(str(program), run_name="__main__")

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        loop.set_default_executor(ThreadPoolExecutor(max_workers=threads))
        loop.set_exception_handler(lambda _loop, _context: None)
        runner.run(pulumi.runtime.run_in_stack(run))


def user_traceback(error: BaseException, program: Path) -> str:
    """Format an error from the first line of the user's own files on."""
    described = traceback.TracebackException.from_exception(error)
    folder = program if program.is_dir() else program.parent
    frames = described.stack
    own = next((index for index, frame in enumerate(frames) if Path(frame.filename).is_relative_to(folder)), 0)
    described.stack = traceback.StackSummary.from_list(frames[own:])
    return "".join(described.format(chain=False)).rstrip()


def main(argv: list[str]) -> int:
    """Dispatch on the command line described in the module's docstring."""
    parent, kind, *rest = argv
    die_with(int(parent))
    sys.path.pop(0)
    if kind == "module":
        run_module(rest[0], rest[1:])
        return 0
    parser = argparse.ArgumentParser()
    for name in ("monitor", "engine", "project", "stack", "organization", "root_directory", "pwd", "dry_run"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--parallel", type=int, required=True)
    parser.add_argument("--untouched", action="store_true")
    parser.add_argument("program")
    return run_program(parser.parse_args(rest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
