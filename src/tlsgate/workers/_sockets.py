"""
The listening sockets that the supervisor owns, and which binding has which.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from ..listeners import ListeningSocket, address_of
from ..sites import Binding

__all__ = ["Sockets"]


class Sockets:
    """
    Sockets by binding.  Those of what served before stay open until L{keep_only}, so that a change can be taken back
    without binding again: after privileges were dropped that might not be possible.
    """

    def __init__(
        self,
        inherited: Iterable[ListeningSocket],
        open_socket: Callable[[str, str, Iterable[ListeningSocket]], Awaitable[ListeningSocket]],
    ) -> None:
        """
        @param inherited: bound already.
        @param open_socket: binds one, as L{open_in_place_of} without its reactor.
        """
        self._open: list[ListeningSocket] = list(inherited)
        self._open_socket = open_socket
        self.by_binding: Mapping[str, ListeningSocket] = {}

    async def find(self, bindings: Sequence[Binding]) -> tuple[dict[str, ListeningSocket], list[ListeningSocket]]:
        """
        A socket for each binding: the one it has, one that is open at its address, or a new one.

        @return: sockets by binding, and those of them that are new, which may only be bound as yet.

        @raise ApplyFailed: one cannot be bound; those that were are closed again.
        """
        found: dict[str, ListeningSocket] = {}
        opened: list[ListeningSocket] = []
        for binding in bindings:
            listening = self._at(binding, found.values())
            if listening is not None:
                found[binding.name] = listening
        leaving = [listening for listening in self._open if listening not in found.values()]
        for binding in bindings:
            if binding.name not in found:
                try:
                    listening = await self._open_socket(binding.endpoint, binding.name, leaving)
                except BaseException:
                    self.give_up(opened)
                    raise
                opened.append(listening)
                self._open.append(listening)
                found[binding.name] = listening
        return found, opened

    def _at(self, binding: Binding, taken: Iterable[ListeningSocket]) -> ListeningSocket | None:
        address = address_of(binding.endpoint)
        own = self.by_binding.get(binding.name)
        candidates = [*self._open] if own is None else [own, *self._open]
        # Where the system chooses the port, equal descriptions are different sockets.
        theirs = {id(listening) for name, listening in self.by_binding.items() if name != binding.name}
        theirs.update(map(id, taken))
        anywhere = address.kind == "tcp" and address.port == 0
        for listening in candidates:
            if address_of(listening.description) == address and not (anywhere and id(listening) in theirs):
                return listening
        return None

    def give_up(self, opened: Iterable[ListeningSocket]) -> None:
        """
        Close sockets again that were opened for what is not going to be served.
        """
        for listening in opened:
            self._open.remove(listening)
            listening.close()

    def keep_only(self, by_binding: Mapping[str, ListeningSocket]) -> None:
        """
        These serve; close all others.
        """
        kept = {id(listening) for listening in by_binding.values()}
        self.give_up([listening for listening in self._open if id(listening) not in kept])
        self.by_binding = dict(by_binding)

    def close(self) -> None:
        """
        Close all.
        """
        self.give_up(list(self._open))
        self.by_binding = {}
