"""
What the service does before it may use the reactor: bind, make the state folder, say why it cannot start.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from .listeners import ListeningSocket, address_of, open_listening_socket
from .problems import Problem
from .settings import FileStore, GateOptions, Settings, validate_document

__all__ = [
    "bind_first",
    "end_before_start",
    "end_within",
    "first_settings",
    "log_destination",
    "machine_names",
    "one_line",
    "say",
]

_log = Logger()


def bind_first(settings: Settings, state: Path, reactor: Any, owner: tuple[int, int] | None) -> list[ListeningSocket]:
    """
    Bind what the settings want, and make the state folder, with the rights that the process has now.

    @param owner: the user and group that the process becomes.

    @raise ApplyFailed: an endpoint cannot be bound.
    @raise OSError: the folder cannot be made.
    """
    if owner is not None:
        _give_folder(state, *owner)
    sockets: list[ListeningSocket] = []
    for binding in settings.bindings:
        sockets.extend(_bind(reactor, binding.name, binding.endpoint.description, owner))
    return sockets


def first_settings(options: GateOptions, store: FileStore) -> Settings:
    """
    What is going to be served first: the current generation and what is pinned, or generation 1.

    @param store: not open yet.

    @raise Problem: the generation cannot be read or is not valid.
    """
    current = store.current_outline()
    document = options.first_document() if current is None else dict(current.document)
    return validate_document(options.pins.apply(document))


def _bind(reactor: Any, name: str, description: str, owner: tuple[int, int] | None) -> list[ListeningSocket]:
    if address_of(description).port == 0 and description.startswith("tcp"):
        # Where the system chooses the port no rights are needed, and two bindings may say the same.
        return []
    bound: list[ListeningSocket] = []
    failed: list[Failure] = []
    waiting = Deferred.fromCoroutine(open_listening_socket(reactor, description, name))
    waiting.addCallbacks(bound.append, failed.append)
    if failed:
        failed[0].raiseException()
    if owner is not None and description.startswith("unix"):
        for listening in bound:
            os.chown(listening.raw_address, *owner)
    return bound


def _give_folder(folder: Path, user: int, group: int) -> None:
    """
    Make the state folder while there are rights to, for the user that the process becomes; one that is there stays
    whose it is.
    """
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
        os.chown(folder, user, group)


def one_line(problem: Problem) -> str:
    """
    A problem as a sentence, with everything that is wrong.
    """
    errors = "; ".join(f"{error.pointer}: {error.message}" for error in problem.errors)
    return f"{problem.detail} {errors}".strip()


def end_before_start(status: int, sentence: str) -> NoReturn:
    """
    Give up before the reactor runs.
    """
    say(sentence)
    raise SystemExit(status)


def end_within(seconds: float) -> None:
    """
    End the process by then with status 0, whatever its threads wait for: Twisted and Python join them all, and one may be
    with a peer that never answers.
    """
    end = threading.Timer(seconds, os._exit, (0,))
    end.daemon = True
    end.start()


def say(sentence: str) -> None:
    """
    Tell whoever started the command.  By now C{sys.stderr} is the log, which has it too.
    """
    _log.critical("{sentence}", sentence=sentence)
    print(f"tlsgate: {sentence}", file=sys.__stderr__, flush=True)


def machine_names() -> list[str]:
    """
    What this machine is called.
    """
    name = socket.gethostname()
    return [name] if name else []


def log_destination(text: str) -> Path | int | None:
    """
    What C{--access-log} names: a file, the descriptor of standard output, or nothing.
    """
    if text == "none":
        return None
    return sys.__stdout__.fileno() if text == "-" and sys.__stdout__ is not None else Path(text)
