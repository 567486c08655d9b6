"""
Whether a worker process still does its work: it is asked at every beat, and where it does not answer the kernel knows why.

One that was stopped, or that waits for what does not come, uses no processor: half a second of that is a hang.  One that
computes may only be busy, as with a storm of handshakes, and may be for two seconds of processor time.  One that gets no
processor is not to blame at all: to replace it would make the machine busier still.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs

__all__ = ["BEAT", "BLOCKED", "COMPUTING", "SILENT", "STARVED", "Activity", "Heartbeat", "activity_of"]

#: Seconds between two beats of each worker.
BEAT: Final = 0.25

#: Seconds of silence in which it did nothing.
BLOCKED: Final = 0.5

#: Seconds of processor time since it was asked.
COMPUTING: Final = 2.0

#: Seconds of silence where the system does not tell what it does, or while it waits for a disk.
SILENT: Final = 3.0

#: Seconds of silence, whatever the reason.
STARVED: Final = 10.0

#: Processor seconds that are as good as none: the clock of the system counts hundredths.
NOTHING: Final = 0.05


@attrs.frozen
class Activity:
    """
    What a process does.

    @ivar state: a letter as in C{/proc/PID/stat}: C{R} runs or could, C{S} waits, C{D} waits for a disk, C{T} is stopped.
    @ivar ran: seconds of processor time that its main thread has had.
    """

    state: str
    ran: float


class Heartbeat:
    """
    What is known of one process.
    """

    def __init__(self, activity: Callable[[], Activity | None]) -> None:
        """
        @param activity: what the process does now; C{None} where the system does not tell.
        """
        self._activity = activity
        self._asked_at = 0.0
        self._before: Activity | None = None
        self._was_active = False
        self.waiting = False

    def asked(self, now: float) -> None:
        """
        It was sent a question.

        @param now: reactor seconds.
        """
        self.waiting = True
        self._asked_at = now
        self._before = self._activity()
        self._was_active = False

    def answered(self) -> None:
        """
        Its answer came.
        """
        self.waiting = False

    def forgive(self, now: float) -> None:
        """
        Who asks was away: the silence until now is not counted.
        """
        if self.waiting:
            self.asked(now)

    def complaint(self, now: float) -> str:
        """
        Why the process is to be replaced; empty if it is not.  To be asked at every beat.
        """
        if not self.waiting:
            return ""
        silence = now - self._asked_at
        found, before = self._activity(), self._before
        if silence >= STARVED:
            return "does not answer"
        if found is None or before is None or found.state == "D":
            return "does not answer" if silence >= SILENT else ""
        ran = found.ran - before.ran
        # Waiting for a moment, as for a lock, while it is busy is not what is looked for.
        self._was_active = self._was_active or found.state not in "ST" or ran > NOTHING
        if not self._was_active and silence >= BLOCKED:
            return "is stopped" if found.state == "T" else "is blocked"
        return "computes and does not answer" if ran >= COMPUTING else ""


def activity_of(pid: int) -> Activity | None:
    """
    What the main thread of a process does, by C{/proc}; C{None} where there is none, or no such process.
    """
    try:
        fields = Path(f"/proc/{pid}/task/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        return Activity(fields[0], (int(fields[11]) + int(fields[12])) / _TICKS)
    except (OSError, ValueError, IndexError):
        return None


_TICKS: Final = os.sysconf("SC_CLK_TCK")
