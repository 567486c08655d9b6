"""
What the operations that only look answer.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .._schemas import CertificateObject, FindingShown, Shown

__all__ = ["AuditPage", "Health", "Ready", "SniAnswer", "Status"]

Count = Annotated[int, Field(ge=0)]


class AuditShown(Shown):
    """
    A record of the audit log.
    """

    time: str
    author: str
    peer: str
    method: str
    path: str
    status: int
    reason: str
    force: list[str] = []
    generation: Count
    code: str
    detail: str
    certificate: str = ""


class AuditPage(Shown):
    """
    Records of the audit log, newest first.
    """

    records: list[AuditShown]


class WorkerProcess(Shown):
    """
    A process that serves.
    """

    pid: int
    generation: Count
    memory: Count


class WorkersShown(Shown):
    """
    How many workers serve the current generation, of how many.
    """

    serving: Count
    total: Count
    processes: list[WorkerProcess]


class NamedShown(Shown):
    """
    A table of the settings as it is in force, with what is known of it now.
    """

    name: str


class Status(Shown):
    """
    What is served, by which worker.
    """

    generation: Count
    confirm_by: str | None
    ready: bool
    workers: WorkersShown
    bindings: list[NamedShown]
    certificates: list[CertificateObject]
    sites: list[NamedShown]
    upstreams: list[NamedShown]
    findings: list[FindingShown]


class SniChoice(Shown):
    """
    The certificates that serve a name on one binding, best first.
    """

    binding: str
    certificate: str | None
    certificates: list[str]
    rule: str
    why: str


class SniAnswer(Shown):
    """
    Which certificate serves a name on each https binding, and why.
    """

    name: str
    bindings: list[SniChoice]


class Health(Shown):
    """
    The gate's process answers.
    """

    status: Literal["ok"]


class Ready(Shown):
    """
    All workers serve.
    """

    status: Literal["ready"]
    generation: Count
