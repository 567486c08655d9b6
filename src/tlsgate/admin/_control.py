"""
What the operations reach: everything of the running gate that the admin API may ask or change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from ..interfaces import IDataPlane
from ..problems import Finding
from ..settings import IStore
from ._audit import AuditLog
from ._events import Events
from ._long_operations import LongOperations
from ._tokens import SetupToken, Tokens

if TYPE_CHECKING:
    from ..changes import Changes
    from ._operations import Operations
    from ._session import Sessions

__all__ = ["Control", "LastChange"]


@attrs.define(kw_only=True)
class LastChange:
    """
    How the latest change of this run went, for the metrics.

    @ivar successful: did it serve in the end?
    @ivar succeeded_at: when the latest one did, Unix time.
    """

    successful: bool = True
    succeeded_at: float = 0.0


@attrs.frozen(kw_only=True)
class Control:
    """
    The parts of a running gate, as the operations see them.

    @ivar state: the state folder.
    @ivar ready: do all workers serve?
    @ivar clock: monotonic seconds.
    @ivar wall: the time of day, Unix time.
    @ivar base: the URL of the TLS listener, as scripts name it; called when a script is written.
    @ivar orders: results of ACME orders so far, to counts.
    @ivar renewals: certificates from an ACME CA, to renewals that failed since one succeeded.
    @ivar served: when what clients are shown ends, Unix time by the names of binding and certificate.
    @ivar broken_files: names of certificates whose files cannot be used now.
    @ivar standing: findings about what is served now, beside those of the latest change.
    @ivar operations: all there are, for the OpenAPI document.
    """

    changes: Changes
    store: IStore
    data_plane: IDataPlane
    tokens: Tokens
    setup: SetupToken
    audit: AuditLog
    events: Events
    sessions: Sessions
    long_operations: LongOperations
    state: Path
    ready: Callable[[], bool]
    clock: Callable[[], float]
    wall: Callable[[], float]
    base: Callable[[], str]
    operations: Operations
    orders: Callable[[], Mapping[str, int]] = dict
    renewals: Callable[[], Mapping[str, int]] = dict
    served: Callable[[], Mapping[tuple[str, str], float]] = dict
    broken_files: Callable[[], Collection[str]] = tuple
    standing: Callable[[], Iterable[Finding]] = tuple
    last_change: LastChange = attrs.field(factory=LastChange)
