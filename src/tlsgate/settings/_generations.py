"""
The generation: settings and certificates under one number, and how it came to be.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs

from ..sites import ServerCertificate

__all__ = ["Document", "Draft", "Generation", "SiteMemory", "StoredCertificate"]

#: The settings document as JSON values; its keys are those of the TOML document (CONTRACT section 6).
Document: TypeAlias = dict[str, Any]


@attrs.frozen(kw_only=True)
class StoredCertificate:
    """
    A certificate as a generation keeps it.

    @ivar source: C{upload}, C{pfx}, C{self-signed}, C{acme}, C{csr} or C{files}.
    @ivar added_at: when this content came in, Unix time.
    @ivar details: what its source needs to make it again (ACME: names, challenge, directory), JSON values, never a
        secret.
    """

    certificate: ServerCertificate
    source: str
    added_at: float
    details: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class SiteMemory:
    """
    What must be remembered of a site beyond its settings, because browsers remember it too.

    @ivar redirect_changed_at: when the redirect last changed, Unix time; the soak counts from here.
    @ivar redirect: what it changed to, to be compared only; empty for the default.
    @ivar hsts_largest: the largest max-age ever sent, seconds.
    @ivar hsts_off_until: until when C{max-age=0} is sent once HSTS is off, Unix time.
    @ivar hsts_step: index of the ramp's present step.
    @ivar hsts_step_since: when that step began, Unix time.
    """

    redirect_changed_at: float = 0.0
    redirect: str = ""
    hsts_largest: int = 0
    hsts_off_until: float = 0.0
    hsts_step: int = 0
    hsts_step_since: float = 0.0


@attrs.frozen(kw_only=True)
class Generation:
    """
    One complete, numbered state of everything that can be changed.

    @ivar number: from 1.
    @ivar parent: the number it was made from; 0 for the first.
    @ivar time: Unix time.
    @ivar author: a token's name, or C{local:USER}, C{files}, C{acme}, C{gate}.
    @ivar summary: a sentence for each change.
    @ivar document: the stored settings, without what options and C{--config} pin.
    @ivar certificates: by name.
    @ivar memory: by site name.
    @ivar confirm_by: Unix time after which an unconfirmed generation is undone; C{None} if it needs no confirmation.
    @ivar undoes: the number of the generation that this one undid, or 0.
    @ivar findings: as JSON, what was found when it was made.
    """

    number: int
    parent: int
    time: float
    author: str
    reason: str = ""
    summary: tuple[str, ...] = ()
    document: Document = attrs.field(factory=dict)
    certificates: Mapping[str, StoredCertificate] = attrs.field(factory=dict)
    memory: Mapping[str, SiteMemory] = attrs.field(factory=dict)
    confirm_by: float | None = None
    undoes: int = 0
    findings: tuple[Mapping[str, str], ...] = ()


class Draft:
    """
    A generation being edited: a copy that a change may write to.

    @ivar document: a deep copy of the stored document.
    @ivar certificates: a copy of the mapping.
    """

    def __init__(self, generation: Generation) -> None:
        self.parent = generation.number
        self.document: Document = copy.deepcopy(dict(generation.document))
        self.certificates: dict[str, StoredCertificate] = dict(generation.certificates)
        self.memory: dict[str, SiteMemory] = dict(generation.memory)

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """
        The entry of C{kind} (C{binding}, C{site}, C{upstream}, C{certificate}) with a name, to be edited in place.
        """
        for entry in self.document.get(kind, []):
            if entry.get("name") == name:
                found: dict[str, Any] = entry
                return found
        return None
