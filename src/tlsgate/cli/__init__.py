"""
The command C{tlsgate}: the admin API for people at a terminal, and for scripts with C{--json}.

L{_main} is the command and its options, L{_session} finds the gate and turns what comes back into an exit status,
L{_changing} is what every change takes and tells, L{_settings_options} makes options of the settings' schema,
L{_show} writes tables.  The other modules are commands, a module for each noun.  Whatever is slow to import is
imported by the command that needs it.
"""

from ._main import command, main

__all__ = ["command", "main"]
