"""One stack, opened: project, configuration, secrets, state, lock."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from engine.crypto import Crypter, Unopened, passphrase_from
from engine.errors import InputError
from engine.journal import Journal
from engine.lock import stack_lock
from engine.project import Configuration, Project, load_configuration, load_project, read_stack_salt, write_stack_salt
from engine.state import Deployment, StackFiles, State, load_deployment, read_salt, save_checkpoint


class StackNotFound(InputError):  # noqa: N818 - named as Pulumi names it
    """There is no stack of that name."""


@dataclass(frozen=True)
class Place:
    """Which stack, and where things lie.

    Args:
        stack: The stack's name.
        folder: Where to look for ``Pulumi.yaml``, upwards.
        state: The state folder; None for ``.engine`` beside ``Pulumi.yaml``.
        salt_in_state: Keep a new stack's salt in its state alone, not in ``Pulumi.<stack>.yaml``.
        environment: Has the passphrase, and is what the program inherits.
    """

    stack: str
    folder: Path = field(default_factory=Path.cwd)
    state: Path | None = None
    salt_in_state: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def project(self) -> Project:
        """Read the project."""
        return load_project(self.folder.resolve())

    def files(self, project: Project) -> StackFiles:
        """Return where the stack's state lies."""
        root = self.state.resolve() if self.state else project.folder / ".engine"
        return StackFiles(root, project.name, self.stack)


@dataclass
class Session:
    """A stack whose state is read, and which nobody else changes meanwhile."""

    place: Place
    project: Project
    files: StackFiles
    crypter: Crypter
    configuration: Configuration
    deployment: Deployment

    def masked_configuration(self) -> dict[str, str]:
        """Return the configuration with a marker in place of what is secret."""
        values, secret = self.configuration.values, self.configuration.secret_keys
        return {key: "[secret]" if key in secret else value for key, value in values.items()}

    def preview_state(self) -> State:
        """Return a copy in memory, which a preview may change."""
        return State(self.deployment)

    @contextmanager
    def changing_state(self) -> Iterator[State]:
        """Yield the state with its journal, and write the checkpoint at the end, whatever the outcome."""
        journal = Journal(self.files.journal)
        state = State(self.deployment, journal, self.crypter)
        try:
            yield state
        finally:
            self.deployment = state.snapshot(self.crypter.salt_line)
            save_checkpoint(self.files, self.deployment, self.crypter)
            journal.remove()


@contextmanager
def open_session(place: Place, command: str, *, creates: bool, changes: bool) -> Iterator[Session]:
    """Open a stack.

    Args:
        place: Which.
        command: What is going on, for whom finds the stack locked.
        creates: Whether a stack that does not exist is created; otherwise it is an error.
        changes: Whether the state may be written; then the stack is locked.

    Raises:
        InputError: If something is wrong with what the user gave.
        LockedError: If another run holds the stack.
    """
    project = place.project()
    files = place.files(project)
    if not creates and not files.checkpoint.exists():
        raise StackNotFound(f"no stack named {place.stack!r} found in {files.root}")
    if not changes:
        yield _load(place, project, files)
        return
    files.make_folders()
    with stack_lock(files.lock, command):
        session = _load(place, project, files)
        _settle_files(session)
        yield session


def _load(place: Place, project: Project, files: StackFiles) -> Session:
    crypter = _crypter(place, project, files)
    crypter.unlock()
    configuration = load_configuration(project, place.stack, crypter.decrypt)
    salt = read_salt(files.checkpoint)
    opener = (
        crypter if salt in (None, crypter.salt_line) else Crypter(salt, partial(passphrase_from, place.environment))
    )
    return Session(place, project, files, crypter, configuration, load_deployment(files, opener))


def _crypter(place: Place, project: Project, files: StackFiles) -> Crypter:
    if salt := read_stack_salt(project, place.stack) or read_salt(files.checkpoint):
        return Crypter(salt, partial(passphrase_from, place.environment))
    return Crypter.new(passphrase_from(place.environment))


def _settle_files(session: Session) -> None:
    """Write down a new stack's salt before anything is encrypted with it, and fold in what a cut-short run left."""
    files, salt = session.files, session.crypter.salt_line
    if not session.place.salt_in_state and read_stack_salt(session.project, session.place.stack) is None:
        write_stack_salt(session.project, session.place.stack, salt)
    if files.journal.exists() or read_salt(files.checkpoint) != salt:
        save_checkpoint(files, session.deployment, session.crypter)
        files.journal.unlink(missing_ok=True)


def read_deployment(place: Place, *, show_secrets: bool) -> tuple[Deployment, Crypter | Unopened]:
    """Read a stack's state, what is secret as ciphertext unless asked for; only then is the passphrase needed.

    Raises:
        StackNotFound: If there is no such stack.
    """
    project = place.project()
    files = place.files(project)
    if not files.checkpoint.exists():
        raise StackNotFound(f"no stack named {place.stack!r} found in {files.root}")
    salt = read_salt(files.checkpoint) or ""
    crypter = Crypter(salt, partial(passphrase_from, place.environment)) if show_secrets else Unopened(salt)
    return load_deployment(files, crypter), crypter
