"""
Certificates: look at them, bring them in, have them made, take them away.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ..problems import Problem
from ._certificate_options import name_options, password_options, split_names
from ._changing import Wish, changing, tell_change
from ._commands import Group
from ._folders import FolderError, certificates_in
from ._observation import CERTIFICATE_COLUMNS, certificate_rows
from ._session import Session, pass_session
from ._show import clean, fields, table, tell_findings

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ..client import AdminClient

__all__ = ["add_to", "certificate"]

Parts = dict[str, bytes | str]

READ = click.File("rb")

#: openssl's words for what stands in a subject, and the API's.
SUBJECT = {
    "CN": "common_name",
    "O": "organization",
    "OU": "organizational_unit",
    "L": "locality",
    "ST": "state",
    "C": "country",
    "emailAddress": "email",
}


def add_to(root: Group) -> None:
    """
    Add the commands of this module.
    """
    root.add_command(certificate)


@click.group(cls=Group)
def certificate() -> None:
    """
    What can be served: upload, import, make, renew, remove.
    """


@certificate.command(name="list")
@pass_session
def list_certificates(session: Session) -> None:
    """
    List the certificates.
    """

    def show(document: dict[str, Any]) -> None:
        table(CERTIFICATE_COLUMNS, certificate_rows(document["certificates"]), empty="There are no certificates.")

    session.tell(session.ask(lambda client: client.show("/api/v1/certificates")), show)


@certificate.command()
@click.argument("name")
@click.option("--pem", is_flag=True, help="Print the certificate and its chain as PEM; there is no way to the key.")
@pass_session
def show(session: Session, *, name: str, pem: bool) -> None:
    """
    Show a certificate, never its key.
    """
    if pem:
        click.echo(session.ask(lambda client: client.chain(name)).decode("ascii"), nl=False)
        return
    session.tell(session.ask(lambda client: client.certificate(name)), tell_certificate)


def tell_certificate(found: dict[str, Any]) -> None:
    """
    A certificate, a line for each thing to know.
    """
    rows = [(key, found[key]) for key in ("name", "subject", "issuer", "names", "state", "not_before", "not_after")]
    rows += [("days left", str(found["days_left"])), ("key", found["key_type"]), ("fingerprint", found["fingerprint"])]
    rows += [("source", found["source"]), ("used by", found["used_by"]), ("trusted", found["trusted"])]
    rows += [(f"chain {place}", link["subject"]) for place, link in enumerate(found["chain"], 1)]
    fields(rows)
    tell_findings(found["findings"])


async def with_password(
    send: Callable[[Parts], Awaitable[dict[str, Any]]], parts: Parts, *, ask: bool
) -> dict[str, Any]:
    """
    Send; where the gate wants a password and somebody is there to be asked, ask and send again.
    """
    try:
        return await send(parts)
    except Problem as problem:
        if not ask or problem.code != "key-encrypted" or "password" in parts:
            raise
    password = click.prompt("Password of the key", hide_input=True, err=True)
    return await send({**parts, "password": password})


def _upload(
    session: Session, parts: Mapping[str, bytes | str], wish: Wish, *, name: str, default: bool, activate_at: str
) -> None:
    """
    Send a certificate to where it becomes the default, or serves only its own names.

    @param activate_at: when it begins to; empty for at once.
    """

    async def work(client: AdminClient) -> Any:
        async def send(sent: Parts) -> dict[str, Any]:
            if default:
                return await client.upload({**sent, **({"name": name} if name else {})}, wish.change(), activate_at)
            return await client.put_certificate(name or "default", sent, wish.change(), activate_at)

        return await with_password(send, dict(parts), ask=_somebody_there())

    answer = session.ask(work)
    if activate_at:
        session.tell(answer, lambda found: _tell_staged(found, wish))
        return
    made = answer["certificate"]
    where = f" on port {answer['port']}" if answer.get("port") else ""
    names = clean(", ".join(made["names"]))
    done = f"Certificate {made['name']} for {names} is served{where}, until {made['not_after']}"
    tell_change(session, answer, wish, done)


def _tell_staged(found: dict[str, Any], wish: Wish) -> None:
    """
    What waits now, or would.
    """
    made = found["certificate"]
    where = f", as the default of {clean(', '.join(found['bindings']))}" if found["bindings"] else ""
    names = clean(", ".join(made["names"]))
    would = "would wait and be" if wish.dry_run else "waits and is"
    click.echo(f"Certificate {made['name']} for {names} {would} served from {found['activate_at']} on{where}.")
    tell_findings(found["findings"])


def _somebody_there() -> bool:
    return sys.stdin.isatty()


ACTIVATE_AT = click.option(
    "--activate-at",
    default="",
    metavar="TIME",
    help="Keep it aside and serve it from this time on, such as 2027-01-15T08:00:00Z.",
)


@certificate.command()
@name_options
@click.option("--certificate", "certificate_file", type=READ, required=True, metavar="FILE", help="PEM, DER or PKCS#7.")
@click.option("--key", type=READ, required=True, metavar="FILE", help="PKCS#8, PKCS#1 or SEC1, may be encrypted.")
@click.option("--chain", type=READ, default=None, metavar="FILE", help="Intermediates, where they are in a file.")
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="Move the https binding to this port.")
@click.option(
    "--default/--no-default",
    default=True,
    show_default=True,
    help="Make it the https binding's default, or let it serve only its own names.",
)
@password_options
@ACTIVATE_AT
@changing
@pass_session
def upload(
    session: Session,
    *,
    name: str,
    certificate_file: BinaryIO,
    key: BinaryIO,
    chain: BinaryIO | None,
    port: int | None,
    default: bool,
    password: str | None,
    activate_at: str,
    wish: Wish,
) -> None:
    """
    Put a certificate and its key into service.
    """
    if port is not None and not default:
        raise click.UsageError("--port moves the binding; it goes with --default only.")
    parts: Parts = {"certificate": certificate_file.read(), "key": key.read()}
    if chain is not None:
        parts["chain"] = chain.read()
    if port is not None:
        parts["port"] = str(port)
    if password is not None:
        parts["password"] = password
    _upload(session, parts, wish, name=name, default=default, activate_at=activate_at)


@certificate.command(name="import-pfx")
@click.argument("file", type=READ, required=False)
@click.option("--pfx", type=READ, default=None, metavar="FILE", help="The same as FILE.")
@name_options
@password_options
@ACTIVATE_AT
@changing
@pass_session
def import_pfx(
    session: Session,
    *,
    file: BinaryIO | None,
    pfx: BinaryIO | None,
    name: str,
    password: str | None,
    activate_at: str,
    wish: Wish,
) -> None:
    """
    Import a PKCS#12 file (.pfx, .p12) with certificate and key.
    """
    source = file or pfx
    if source is None:
        raise click.UsageError("Name the PKCS#12 file.")
    parts: Parts = {"pfx": source.read()}
    if password is not None:
        parts["password"] = password
    _upload(session, parts, wish, name=name, default=False, activate_at=activate_at)


@certificate.command(name="import-folder")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@password_options
@changing
@pass_session
def import_folder(session: Session, *, folder: Path, password: str | None, wish: Wish) -> None:
    """
    Add or replace all certificates of a folder.

    As one change, all or none: NAME.key with NAME.crt or NAME.pem, NAME.pfx, and folders as certbot's live/NAME. The
    password is that of all that need one.
    """
    try:
        entries = certificates_in(folder)
    except (FolderError, OSError) as error:
        raise click.UsageError(str(error)) from None
    if password is not None:
        entries = [{**entry, "password": password} for entry in entries]

    async def send(client: AdminClient) -> Any:
        from ._progress import progress_bar  # noqa: PLC0415  # rich takes a tenth of a second

        with progress_bar(not session.as_json and sys.stderr.isatty()) as bar:
            return await client.put_batch(entries, wish.change(), bar)

    answer = session.ask(send)
    count = len(answer["certificates"])
    tell_change(session, answer, wish, f"{count} certificate{'s are' if count > 1 else ' is'} served")


@certificate.command(name="self-signed")
@name_options
@click.option("--names", multiple=True, required=True, metavar="NAME", help="A host name or address; repeatable.")
@click.option("--days", type=click.IntRange(1, 3650), default=397, show_default=True)
@click.option("--key-type", default="ec-p256", show_default=True, metavar="TYPE", help="ec-p256, rsa-2048, ...")
@click.option(
    "--local-ca", is_flag=True, help="Let the gate's own CA sign it, whose root GET /api/v1/local-ca.pem gives."
)
@changing
@pass_session
def make_self_signed(
    session: Session, *, name: str, names: tuple[str, ...], days: int, key_type: str, local_ca: bool, wish: Wish
) -> None:
    """
    Make a self-signed certificate, for tests.
    """
    chosen = name or "default"
    document = {"name": chosen, "names": split_names(names), "days": days, "key_type": key_type}
    if local_ca:
        document["issuer"] = "local-ca"
    answer = session.ask(
        lambda client: client.change("POST", "/api/v1/certificates/self-signed", document, wish.change())
    )
    tell_change(session, answer, wish, f"Certificate {chosen} is made, until {answer['certificate']['not_after']}")


@certificate.command()
@name_options
@click.option("--names", multiple=True, metavar="NAME", help="A host name or address; repeatable. Makes a request.")
@click.option("--key-type", default="ec-p256", show_default=True, metavar="TYPE", help="ec-p256, rsa-2048, ...")
@click.option("--subject", multiple=True, metavar="FIELD=TEXT", help="As CN=example.com or O=Example; repeatable.")
@click.option("--out", type=click.File("w"), default="-", metavar="FILE", help="Where the request goes. [default: -]")
@click.option("--certificate", "signed", type=READ, default=None, metavar="FILE", help="What the CA made of it.")
@click.option("--chain", type=READ, default=None, metavar="FILE", help="Intermediates, where they are in a file.")
@click.option("--cancel", is_flag=True, help="Give the request and its key up.")
@changing
@pass_session
def csr(
    session: Session,
    *,
    name: str,
    names: tuple[str, ...],
    key_type: str,
    subject: tuple[str, ...],
    out: Any,
    signed: BinaryIO | None,
    chain: BinaryIO | None,
    cancel: bool,
    wish: Wish,
) -> None:
    """
    Have a certificate request made, or finish one.

    The key is born at the gate and never leaves it; --names begins, --certificate ends.
    """
    chosen = name or "default"
    path = f"/api/v1/certificates/csr/{chosen}"
    if [bool(names), signed is not None, cancel].count(True) > 1:
        raise click.UsageError("--names, --certificate and --cancel are three steps; take one at a time.")
    if cancel:
        session.ask(lambda client: client.change("DELETE", path))
        click.echo(f"The request {chosen} is given up.", err=True)
    elif signed is not None:
        parts: Parts = {"certificate": signed.read(), **({"chain": chain.read()} if chain is not None else {})}
        answer = session.ask(
            lambda client: client.change("PUT", f"{path}/certificate", None, wish.change(), form=parts)
        )
        tell_change(session, answer, wish, f"Certificate {chosen} is served")
    elif names:
        document = {"name": chosen, "names": split_names(names), "key_type": key_type, "subject": _subject(subject)}
        made = session.ask(lambda client: client.change("POST", "/api/v1/certificates/csr", document))
        session.tell(made, lambda found: click.echo(found["csr"], nl=False, file=out))
    else:
        session.tell(
            session.ask(lambda client: client.show(path)), lambda found: click.echo(found["csr"], nl=False, file=out)
        )


def _subject(texts: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        field, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"--subject {text!r} is not FIELD=TEXT.")
        found[SUBJECT.get(field, field)] = value
    return found


@certificate.command()
@click.argument("name")
@changing
@pass_session
def remove(session: Session, *, name: str, wish: Wish) -> None:
    """
    Remove a certificate that nothing depends on.
    """
    answer = session.ask(lambda client: client.remove("certificates", name, wish.change()))
    tell_change(session, answer, wish, f"Certificate {name} is removed")
