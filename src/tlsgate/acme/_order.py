"""
An order as a resource: what is wanted, how far it is, what happened; kept in a file so that it survives the gate.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import attrs

from ..certificates import timestamp
from ..settings import write_private
from ._files import private_folder, read_json
from ._problems import OrderProblem

__all__ = ["FINAL", "Order", "OrderFiles", "OrderRequest", "OrderState", "Step", "Task"]

#: C{queued} until there is a place, C{on-hold} until somebody says proceed or cancel; the last three are final.
OrderState: TypeAlias = Literal[
    "queued",
    "preflight",
    "ordering",
    "validating",
    "on-hold",
    "finalizing",
    "downloading",
    "installing",
    "revoking",
    "valid",
    "invalid",
    "cancelled",
]

FINAL: Final[frozenset[str]] = frozenset({"valid", "invalid", "cancelled"})

#: Ended orders that are kept as history.
KEPT: Final = 500

#: Steps kept of one order: one that waits for a CA for days must not fill the disk.
MAX_STEPS: Final = 200


@attrs.frozen(kw_only=True)
class OrderRequest:
    """
    What somebody, or the renewal, asks for.

    @ivar name: of the certificate.
    @ivar names: normalised; what it is to cover.
    @ivar challenge: C{http-01}, C{tls-alpn-01} or C{dns-01}; wildcards use dns-01 in any case.
    @ivar email: contact, where the account is not registered yet.
    @ivar agree_terms: somebody agrees to the CA's terms of service.
    @ivar staging: rehearse only: nothing is stored or served.
    @ivar staging_first: rehearse, then order.
    @ivar manual: wait until a person has put the answers where the CA looks.
    @ivar renewal: nobody waits for it.
    @ivar replaces: PEM of the certificate that it renews.
    @ivar revoke: reason (RFC 5280 section 5.3.1) for which C{replaces} is revoked afterwards; C{None} to leave it.
    """

    name: str
    names: tuple[str, ...]
    challenge: str
    key_type: str
    profile: str = ""
    preferred_chain: str = ""
    email: str = ""
    agree_terms: bool = False
    staging: bool = False
    staging_first: bool = False
    manual: bool = False
    renewal: bool = False
    replaces: str = ""
    revoke: int | None = None


@attrs.frozen
class Step:
    """
    Something that happened, or began.
    """

    time: float
    state: str
    message: str

    def as_json(self) -> dict[str, str]:
        """
        The step as the admin API shows it.
        """
        return {"time": timestamp(self.time), "state": self.state, "message": self.message}


@attrs.frozen(kw_only=True)
class Task:
    """
    What a person does to prove a name by hand.

    @ivar url: where the CA will look, for http-01.
    @ivar path: of the file, for http-01.
    @ivar content: of the file, or the value of the record.
    @ivar record: name of the TXT record, for dns-01.
    """

    name: str
    kind: str
    content: str
    url: str = ""
    path: str = ""
    record: str = ""


@attrs.define(kw_only=True)
class Order:
    """
    An order and its history.

    @ivar directory: the CA that it is made at now.
    @ivar url: of the order at the CA; empty before there is one.
    @ivar key: of the certificate, PKCS#8 PEM; never shown.
    @ivar csr: PKCS#10 PEM.
    @ivar rehearsed: has the rehearsal, where one was asked for, succeeded?
    @ivar fingerprint: of the certificate, once it serves.
    @ivar generation: in which it serves.
    """

    id: str
    request: OrderRequest
    author: str
    created: float
    directory: str
    updated: float = 0.0
    state: OrderState = "queued"
    url: str = ""
    key: bytes = attrs.field(default=b"", repr=False)
    csr: bytes = attrs.field(default=b"", repr=False)
    rehearsed: bool = False
    proceeded: bool = False
    steps: list[Step] = attrs.field(factory=list)
    tasks: tuple[Task, ...] = attrs.field(default=(), repr=False)
    problem: OrderProblem | None = None
    findings: tuple[Mapping[str, str], ...] = ()
    fingerprint: str = ""
    generation: int = 0

    @classmethod
    def new(cls, request: OrderRequest, *, author: str, directory: str, now: float) -> Order:
        """
        An order that waits for its turn.
        """
        order_id = secrets.token_hex(8)
        return cls(id=order_id, request=request, author=author, directory=directory, created=now, updated=now)

    @property
    def ended(self) -> bool:
        """
        Is nothing more to happen?
        """
        return self.state in FINAL

    def note(self, state: OrderState, message: str, now: float) -> None:
        """
        Something happened.
        """
        self.state = state
        self.updated = now
        self.steps.append(Step(now, state, message))
        del self.steps[:-MAX_STEPS]

    def begin_anew(self) -> None:
        """
        Forget the order at the CA.
        """
        self.url, self.key, self.csr, self.tasks, self.proceeded = "", b"", b"", (), False

    def as_json(self) -> dict[str, Any]:
        """
        The order as the admin API shows it; never a key.
        """
        request = self.request
        return {
            "id": self.id,
            "name": request.name,
            "names": list(request.names),
            "challenge": request.challenge,
            "directory": self.directory,
            "staging": request.staging,
            "manual": request.manual,
            "renewal": request.renewal,
            "author": self.author,
            "state": self.state,
            "created": timestamp(self.created),
            "updated": timestamp(self.updated),
            "steps": [step.as_json() for step in self.steps],
            "tasks": [attrs.asdict(task) for task in self.tasks] if self.state == "on-hold" else [],
            "problem": self.problem.as_json() if self.problem is not None else None,
            "findings": [dict(finding) for finding in self.findings],
            "fingerprint": self.fingerprint,
            "generation": self.generation,
        }

    def to_file(self) -> bytes:
        """
        Everything, the key included.
        """
        document = attrs.asdict(self, recurse=True)
        document["key"], document["csr"] = self.key.decode("ascii"), self.csr.decode("ascii")
        return json.dumps(document).encode()

    @classmethod
    def from_file(cls, found: Mapping[str, Any]) -> Order:
        """
        @raise ValueError: (or L{KeyError}, L{TypeError}) it is no order.
        """
        document = dict(found)
        document["key"], document["csr"] = document["key"].encode("ascii"), document["csr"].encode("ascii")
        request = dict(document["request"])
        request["names"] = tuple(request["names"])
        document["request"] = OrderRequest(**request)
        document["steps"] = [Step(**step) for step in document["steps"]]
        document["tasks"] = tuple(Task(**task) for task in document["tasks"])
        document["findings"] = tuple(document["findings"])
        if document["problem"] is not None:
            document["problem"] = _problem(document["problem"])
        return cls(**document)


def _problem(document: Mapping[str, Any]) -> OrderProblem:
    parts = tuple(_problem(part) for part in document["parts"])
    return OrderProblem(**{**document, "parts": parts})


class OrderFiles:
    """
    The folder of orders.  Methods block.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, name: str, content: bytes) -> None:
        """
        @raise OSError: what was saved before stands.
        """
        write_private(private_folder(self._folder) / f"{name}.json", content)

    def load(self) -> list[Order]:
        """
        All orders, oldest first; damaged files are left where they are.  Of those that ended long ago the files go.
        """
        orders = []
        for path in self._folder.glob("*.json"):
            try:
                orders.append(Order.from_file(read_json(path) or {}))
            except (KeyError, TypeError, ValueError, AttributeError):
                continue
        orders.sort(key=lambda order: order.created)
        surplus = [order for order in orders if order.ended][: max(0, len(orders) - KEPT)]
        for order in surplus:
            self.remove(order.id)
            orders.remove(order)
        return orders

    def remove(self, name: str) -> None:
        """
        Forget an order.
        """
        (self._folder / f"{name}.json").unlink(missing_ok=True)
