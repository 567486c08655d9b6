"""
One registry of operations: what can be asked of the admin API, by whom, with what, and what comes back.

Routing, authorisation, validation, the OpenAPI document and the command line's help all come from here, so that none
of them can disagree.  A path matches only byte for byte: no percent-decoding, no dots, no second spelling of anything.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import attrs
from pydantic import BaseModel

from ..problems import Problem
from ._auth import Peer, Principal
from ._tokens import Permission

if TYPE_CHECKING:
    from ._control import Control

__all__ = ["MAX_CONTENT", "Answer", "Body", "Call", "Operation", "Operations", "Parameter", "Schema", "Source"]

#: Bytes of a request's content, for operations that say nothing else.
MAX_CONTENT: Final = 1024 * 1024

#: A pydantic model, or a JSON Schema where the settings' own schema is meant.
Schema: TypeAlias = type[BaseModel] | Mapping[str, Any]


class Source(Protocol):
    """
    Where the content of an answer that goes on comes from.
    """

    def pull(self) -> bytes:
        """
        What has come since the last time; may be empty.
        """
        ...

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """
        Call C{listener} when there is more.

        @return: ends it.
        """
        ...

    def ended(self) -> bool:
        """
        Has all been pulled that will ever come?
        """
        ...


#: What each path parameter may look like; nothing that needs decoding and nothing that begins with a dot.
PATH_PARAMETERS: Final[Mapping[str, str]] = {
    "name": r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    "id": r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
    "number": r"[1-9][0-9]{0,8}",
}


@attrs.frozen(kw_only=True)
class Parameter:
    """
    A query parameter.

    @ivar schema: JSON Schema of one value; C{type} is C{string}, C{integer} or C{boolean}.
    """

    name: str
    description: str
    schema: Mapping[str, Any] = attrs.field(factory=lambda: {"type": "string"})
    required: bool = False
    repeatable: bool = False

    def read(self, text: str) -> Any:
        """
        The value that a text stands for.

        @raise Problem: C{parameter-invalid}.
        """
        kind = self.schema["type"]
        if kind == "boolean":
            if text in ("true", "false"):
                return text == "true"
        elif kind == "integer":
            # int() alone would take "+1", "1_0" and other alphabets' digits.
            if re.fullmatch(r"[0-9]{1,9}", text):
                number = int(text)
                if self.schema.get("minimum", 0) <= number <= self.schema.get("maximum", 10**9):
                    return number
        elif (
            self.schema.get("minLength", 0) <= len(text) <= self.schema.get("maxLength", 1000)
            and text in self.schema.get("enum", (text,))
            and re.search(self.schema.get("pattern", ""), text)
            and text.isprintable()
        ):
            return text
        raise Problem("parameter-invalid", f"The query parameter {self.name} is not {self._wanted()}.")

    def _wanted(self) -> str:
        kind = self.schema["type"]
        if kind == "boolean":
            return "true or false"
        if kind == "integer":
            return f"a number from {self.schema.get('minimum', 0)} to {self.schema.get('maximum', 10**9)}"
        if "enum" in self.schema:
            return "one of " + ", ".join(self.schema["enum"])
        return f"a text of at most {self.schema.get('maxLength', 1000)} printable characters in the right form"


#: The parameters that every change takes.
CHANGE_PARAMETERS: Final = (
    Parameter(
        name="dry_run", description="Validate and plan, change nothing.", schema={"type": "boolean", "default": False}
    ),
    Parameter(
        name="confirm_within",
        description="Seconds after which the change is undone unless it was confirmed.",
        schema={"type": "integer", "minimum": 5, "maximum": 3600},
    ),
    Parameter(
        name="reason",
        description="Why; kept with the generation and in the audit log.",
        schema={"type": "string", "maxLength": 500},
    ),
    Parameter(
        name="force",
        description="Override a lock-out refusal for the object with this name.",
        schema={"type": "string", "minLength": 1, "maxLength": 300},
        repeatable=True,
    ),
)


@attrs.frozen(kw_only=True)
class Body:
    """
    What a request's content may be.

    @ivar json: its schema as JSON; C{None} if it may not be JSON.
    @ivar parts: name of each part to its description, for C{multipart/form-data}; empty if it may not be that.
    @ivar media: the JSON media types that are taken.
    @ivar required: must there be content?
    @ivar largest: how many bytes it may have; more than L{MAX_CONTENT} is read only from whom may use the operation.
    """

    json: Schema | None = None
    parts: Mapping[str, str] = attrs.field(factory=dict)
    media: tuple[str, ...] = ("application/json",)
    required: bool = True
    largest: int = MAX_CONTENT


@attrs.frozen(kw_only=True)
class Answer:
    """
    What an operation answers.

    @ivar document: JSON values; C{None} when there is C{content}.
    @ivar etag: the generation that is shown; C{None} for none.
    @ivar source: of the content of an answer that goes on.
    @ivar generation: the number of the generation that was made, for the audit log; 0 for none.
    @ivar author: who it was, for the audit log, where that is known only now.
    """

    status: int = 200
    document: Any = None
    content: bytes = b""
    content_type: str = "application/json"
    fields: Mapping[str, str] = attrs.field(factory=dict)
    etag: int | None = None
    source: Source | None = None
    generation: int = 0
    author: str = ""


@attrs.frozen(kw_only=True)
class Call:
    """
    One request, matched, authorised and with its parameters read.

    @ivar path: as it was sent, without the query.
    @ivar parameters: of the path.
    @ivar query: of the query, typed as declared; a repeatable one is a tuple.
    @ivar content: never shown.
    @ivar if_match: the generation that must be current; C{None} for any.
    """

    operation: Operation
    control: Control
    peer: Peer
    principal: Principal
    method: str
    path: str
    parameters: Mapping[str, str]
    query: Mapping[str, Any]
    fields: Mapping[str, tuple[str, ...]] = attrs.field(repr=False)
    content: bytes = attrs.field(repr=False, default=b"")
    content_type: str = ""
    if_match: int | None = None

    def field(self, name: str) -> str:
        """
        The value of a request field, all lines joined; empty if there is none.

        @param name: in lower case.
        """
        return ", ".join(self.fields.get(name, ()))


@attrs.frozen(kw_only=True)
class Operation:
    """
    One thing that can be asked of the API.

    @ivar name: C{operationId} in OpenAPI, the function's name.
    @ivar template: of the path, with C{{name}}, C{{id}} or C{{number}} for its parameters.
    @ivar permission: needed; C{None} if a principal is enough.
    @ivar change: does it make a generation?
    @ivar audited: is its success in the audit log?
    @ivar local: does it need no token on loopback and the UNIX socket?
    @ivar scoped: may a token that is limited to hosts use it?
    @ivar set_up: may the set-up token use it?
    @ivar open: may anybody use it, without a token?
    @ivar long: is it long work, which C{Prefer: respond-async} makes a resource of its own?
    @ivar answers: status to schema; C{None} for one without JSON.
    @ivar codes: of its problems, beside those of every operation.
    @ivar media: the media type of its answer, if it is not JSON.
    @ivar run: the operation itself.
    """

    name: str
    method: str
    template: str
    summary: str
    permission: Permission | None
    parameters: tuple[Parameter, ...] = attrs.field(default=(), repr=False)
    body: Body | None = attrs.field(default=None, repr=False)
    answers: Mapping[int, Schema | None] = attrs.field(factory=dict, repr=False)
    codes: tuple[str, ...] = attrs.field(default=(), repr=False)
    media: tuple[str, ...] = ("application/json",)
    change: bool = False
    audited: bool = False
    local: bool = False
    scoped: bool = False
    set_up: bool = False
    open: bool = False
    long: bool = False
    run: Callable[[Call], Awaitable[Answer]] = attrs.field(repr=False)

    @property
    def path_parameters(self) -> tuple[str, ...]:
        """
        The names of the path's parameters, in order.
        """
        return tuple(re.findall(r"\{([a-z]+)\}", self.template))


def _pattern(template: str) -> re.Pattern[bytes]:
    parts = re.split(r"\{([a-z]+)\}", template)
    source = ""
    for index, part in enumerate(parts):
        source += f"(?P<{part}>{PATH_PARAMETERS[part]})" if index % 2 else re.escape(part)
    return re.compile(source.encode("ascii"))


class Operations:
    """
    A set of operations, filled by the decorator L{operation} and by adding other sets.
    """

    def __init__(self) -> None:
        self._by_template: dict[str, dict[str, Operation]] = {}
        self._patterns: list[tuple[re.Pattern[bytes], str]] = []
        self._exact: dict[bytes, str] = {}

    def __iter__(self) -> Iterator[Operation]:
        for by_method in self._by_template.values():
            yield from by_method.values()

    def __len__(self) -> int:
        return sum(map(len, self._by_template.values()))

    def operation(
        self, method: str, template: str, *, permission: Permission | None, summary: str, **more: Any
    ) -> Callable[[Callable[[Call], Awaitable[Answer]]], Callable[[Call], Awaitable[Answer]]]:
        """
        Declare the function below as an operation; see L{Operation} for what can be said of it.
        """

        def declare(run: Callable[[Call], Awaitable[Answer]]) -> Callable[[Call], Awaitable[Answer]]:
            name = getattr(run, "__name__", "operation")
            change = more.get("change", False)
            parameters = (*more.pop("parameters", ()), *(CHANGE_PARAMETERS if change else ()))
            self.add(
                Operation(
                    name=name,
                    method=method,
                    template=template,
                    permission=permission,
                    summary=summary,
                    parameters=parameters,
                    run=run,
                    **more,
                )
            )
            return run

        return declare

    def add(self, operation: Operation) -> None:
        """
        Add one operation.

        @raise ValueError: there is one for this method and path already, or one of this name.
        """
        by_method = self._by_template.setdefault(operation.template, {})
        if operation.method in by_method or any(operation.name == other.name for other in self):
            raise ValueError(f"{operation.method} {operation.template} ({operation.name}) is declared twice")
        by_method[operation.method] = operation
        if operation.path_parameters:
            if len(by_method) == 1:
                self._patterns.append((_pattern(operation.template), operation.template))
        else:
            self._exact[operation.template.encode("ascii")] = operation.template

    def include(self, others: Operations) -> None:
        """
        Add all operations of another set.
        """
        for operation in others:
            self.add(operation)

    def match(self, path: bytes) -> tuple[Mapping[str, Operation], Mapping[str, str]] | None:
        """
        Find what a path names.  Words that stand in a template win over parameters.

        @param path: as it was sent, without the query.

        @return: operations by method, and the path's parameters; C{None} if it names nothing.
        """
        template = self._exact.get(path)
        if template is not None:
            return self._by_template[template], {}
        for pattern, template in self._patterns:
            match = pattern.fullmatch(path)
            if match is not None:
                return self._by_template[template], {
                    name: value.decode("ascii") for name, value in match.groupdict().items()
                }
        return None
