"""
The operations of the admin API, a module for each noun.
"""

from .._operations import Operations
from . import (
    _backups,
    _batches,
    _bindings,
    _certificates,
    _description,
    _events,
    _generations,
    _observation,
    _operations,
    _redirects,
    _requests,
    _sessions,
    _settings,
    _sites,
    _staging,
    _tokens,
    _upload,
    _upstreams,
)

__all__ = ["all_operations"]

MODULES = (
    _upload,
    _certificates,
    _batches,
    _staging,
    _requests,
    _settings,
    _bindings,
    _sites,
    _upstreams,
    _generations,
    _backups,
    _operations,
    _tokens,
    _sessions,
    _observation,
    _redirects,
    _events,
    _description,
)


def all_operations(*more: Operations) -> Operations:
    """
    All operations in one set.

    @param more: operations of other rooms.
    """
    found = Operations()
    for module in MODULES:
        found.include(module.operations)
    for operations in more:
        found.include(operations)
    return found
