"""
The command C{tlsgate} and its global options.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from .. import __version__
from . import _backup, _certificates, _documents, _entries, _generations, _observation, _orders, _recover, _tokens
from ._commands import Group
from ._session import Session

__all__ = ["command", "main"]


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tlsgate")
@click.option(
    "--state",
    envvar="STATE_DIRECTORY",
    default="tlsgate-state",
    show_default=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The gate's state folder; its admin.sock is used unless --url is given. [env: STATE_DIRECTORY]",
)
@click.option("--url", envvar="TLSGATE_URL", default="", metavar="URL", help="The admin API, https://host:8444.")
@click.option(
    "--token",
    envvar="TLSGATE_TOKEN",
    default="",
    metavar="TOKEN",
    help="For --url. Better TLSGATE_TOKEN or --token-file: others on this machine can read arguments.",
)
@click.option(
    "--token-file", type=click.File("r"), default=None, metavar="FILE", help="A file that holds the token; - for input."
)
@click.option(
    "--cacert",
    envvar="TLSGATE_CACERT",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    metavar="FILE",
    help="The CA to trust for --url. [default: admin-ca.pem of the state folder, else the system's]",
)
@click.option(
    "--client-certificate",
    envvar="TLSGATE_CLIENT_CERTIFICATE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    metavar="FILE",
    help="For --url, where the gate asks for a client certificate: PEM, with its chain.",
)
@click.option(
    "--client-key",
    envvar="TLSGATE_CLIENT_KEY",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    metavar="FILE",
    help="The key of that certificate. [default: it is in the same file]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the API's own JSON.")
@click.pass_context
def command(context: click.Context, /, *, token_file: Any, **options: Any) -> None:
    """
    Run a gate: certificates, bindings, sites, upstreams and their history.

    Exit status: 0 done, 1 refused by the gate, 2 usage, 3 the gate is not reachable.
    """
    if context.get_parameter_source("state") is ParameterSource.ENVIRONMENT:
        # systemd names several folders with colons between; the first is the state.
        options["state"] = Path(str(options["state"]).partition(":")[0])
    if token_file is not None:
        options["token"] = token_file.read().strip()
    session = context.obj if isinstance(context.obj, Session) else None
    context.obj = Session(**options, perform=session.perform if session else None)


for _module in (_observation, _documents, _certificates, _orders, _entries, _generations, _tokens, _backup, _recover):
    _module.add_to(command)


def main() -> None:
    """
    The console script.
    """
    command(prog_name="tlsgate")
