"""
What C{twistd tlsgate} was asked to do, parsed and checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from ..problems import Problem
from ._endpoints import parse_endpoint
from ._generations import Document
from ._pins import Pins
from ._toml import read_toml, sentences
from ._validation import default_document, validate_document, validate_overlay
from ._values import parse_server_url

__all__ = ["DEFAULT_ADMIN", "DEFAULT_DRAIN_TIMEOUT", "GateOptions", "OptionRefused", "pins_of_options", "read_options"]

DEFAULT_ADMIN: Final = "tcp:8444:interface=127.0.0.1"

#: Seconds.
DEFAULT_DRAIN_TIMEOUT: Final = 30.0

MOST_WORKERS: Final = 1024


class OptionRefused(ValueError):
    """
    An option cannot be used; the message names it, one line for each thing that is wrong.
    """


@attrs.frozen(kw_only=True)
class GateOptions:
    """
    The options of C{twistd tlsgate}.

    @ivar state: the state folder, absolute; it need not exist.
    @ivar admin_endpoint: where the admin API listens beside its UNIX socket; C{None} for nowhere.
    @ivar workers: processes that serve, 0 for none beside this one; C{None} for one per core.
    @ivar access_log: a path, C{-} for standard output, or C{none}.
    @ivar access_log_format: C{combined} or C{json}.
    @ivar drain_timeout: seconds.  Given as an option it is pinned, so that C{Snapshot.timeouts.drain} is what holds.
    @ivar pins: what options and C{--config} set.
    @ivar initial: generation 1 of an empty state folder, not pinned; C{None} without C{--initial}.
    @ivar config: the file that C{--config} named, to be read again on SIGHUP.
    @ivar option_pins: what options alone set.
    """

    state: Path
    admin_endpoint: str | None = DEFAULT_ADMIN
    workers: int | None = None
    access_log: str = "none"
    access_log_format: str = "combined"
    drain_timeout: float = DEFAULT_DRAIN_TIMEOUT
    pins: Pins = attrs.field(factory=Pins)
    initial: Document | None = None
    config: Path | None = None
    option_pins: Pins = attrs.field(factory=Pins)

    def first_document(self) -> Document:
        """
        What to store as generation 1 of an empty state folder: C{--initial}, else the default document without what
        would be in the way of C{--config}: a default binding where that names another of the same scheme, the default
        site where it names another, the demo application where no site is left that it answers.
        """
        if self.initial is not None:
            return self.initial
        document = default_document()
        overlay = _config_overlay(self.config)
        bindings = overlay.get("binding", [])
        names = {entry["name"] for entry in bindings}
        schemes = {entry.get("scheme") for entry in bindings}
        document["binding"] = [
            entry for entry in document["binding"] if entry["name"] in names or entry["scheme"] not in schemes
        ]
        site = document["site"][0]
        sites = overlay.get("site", [])
        if sites and all(entry["name"] != site["name"] for entry in sites):
            document["site"] = []
        elif overlay.get("upstream"):
            site["upstream"] = overlay["upstream"][0]["name"]
        used = {entry.get("upstream", site["upstream"]) for entry in [*sites, *document["site"]]}
        named = {entry["name"] for entry in overlay.get("upstream", [])}
        document["upstream"] = [entry for entry in document["upstream"] if entry["name"] in used | named]
        return document

    def reloaded(self) -> GateOptions:
        """
        The same options with C{--config} read again.

        @raise OptionRefused: it is not a document any more.
        """
        if self.config is None:
            return self
        return attrs.evolve(self, pins=self.option_pins.over(_config_pins(self.config)))


def read_options(
    *,
    upstream: Sequence[str] = (),
    http: Sequence[str] = (),
    https: Sequence[str] = (),
    admin: str = DEFAULT_ADMIN,
    config: str | None = None,
    initial: str | None = None,
    state: str | None = None,
    store: str | None = None,
    workers: str = "auto",
    access_log: str | None = None,
    access_log_format: str = "combined",
    drain_timeout: str | None = None,
    environ: Mapping[str, str],
    foreground: bool,
) -> GateOptions:
    """
    Check options as they were typed, and read the documents that they name.

    @param environ: for C{STATE_DIRECTORY}.
    @param foreground: does the process keep its standard output (C{twistd -n})?

    @raise OptionRefused: naming the option, or the document and the path in it.
    """
    if store:
        # Not silently the state folder: each node would go its own way.
        raise OptionRefused("--store: settings cannot be shared between nodes yet; they are in the state folder")
    option_pins = pins_of_options(upstream=upstream, http=http, https=https, drain_timeout=drain_timeout)
    # An absolute path, because a daemon may change its folder.
    config_path = None if config is None else Path(config).absolute()
    pins = option_pins if config_path is None else option_pins.over(_config_pins(config_path))
    first = None if initial is None else _initial_document(Path(initial))
    if access_log_format not in {"combined", "json"}:
        raise OptionRefused(f"--access-log-format: {access_log_format!r} is neither combined nor json")
    if access_log is None:
        access_log = "-" if foreground else "none"
    elif access_log == "":
        raise OptionRefused("--access-log: it is a file, - or none")
    elif access_log not in {"-", "none"}:
        access_log = str(Path(access_log).absolute())
    options = GateOptions(
        state=_state_folder(state, environ),
        admin_endpoint=None if admin == "none" else _endpoint("--admin", admin),
        workers=_workers(workers),
        access_log=access_log,
        access_log_format=access_log_format,
        drain_timeout=pins.overlay.get("timeouts", {}).get("drain", DEFAULT_DRAIN_TIMEOUT),
        pins=pins,
        initial=first,
        config=config_path,
        option_pins=option_pins,
    )
    # With a generation already there, what is pinned can only be judged together with that.
    if not (options.state / "generations").is_dir():
        option, source = (
            ("--initial", initial) if initial else ("--config", config) if config else ("the options", None)
        )
        _check(option, source or "", "", pins.apply(options.first_document()))
    return options


def pins_of_options(
    *,
    upstream: Sequence[str] = (),
    http: Sequence[str] = (),
    https: Sequence[str] = (),
    drain_timeout: str | None = None,
) -> Pins:
    """
    What options set: C{--upstream} the servers of the upstream C{app}; C{--http} and C{--https} the endpoints of the
    bindings C{http}, C{http-2}, ... and C{https}, C{https-2}, ..., C{none} that there is none.

    @raise OptionRefused: naming the option.
    """
    overlay: Document = {}
    origins: dict[str, str] = {}
    schemes: dict[str, str] = {}
    if upstream:
        for url in upstream:
            try:
                parse_server_url(url)
            except ValueError as error:
                raise OptionRefused(f"--upstream: {error}") from None
        overlay["upstream"] = [{"name": "app", "servers": [{"url": url} for url in upstream]}]
    bindings: list[dict[str, Any]] = []
    for scheme, endpoints in (("http", http), ("https", https)):
        if "none" in endpoints:
            if len(endpoints) > 1:
                raise OptionRefused(f"--{scheme}: none cannot stand beside an endpoint")
            schemes[scheme] = f"--{scheme} none"
            continue
        for number, text in enumerate(endpoints, 1):
            name = scheme if number == 1 else f"{scheme}-{number}"
            bindings.append({"name": name, "scheme": scheme, "endpoint": _endpoint(f"--{scheme}", text)})
    if bindings:
        overlay["binding"] = bindings
    for option, part in (("--upstream", "upstream"), ("--http", "binding"), ("--https", "binding")):
        for entry in overlay.get(part, []):
            if part == "upstream" or f"--{entry['scheme']}" == option:
                origins.update(Pins.of({part: [entry]}, option).origins)
    if drain_timeout is not None:
        overlay["timeouts"] = {"drain": _seconds("--drain-timeout", drain_timeout)}
        origins["/timeouts/drain"] = "--drain-timeout"
    return Pins(overlay, origins, schemes)


def _endpoint(option: str, text: str) -> str:
    try:
        return parse_endpoint(text).description
    except ValueError as error:
        raise OptionRefused(f"{option}: {error}") from None


def _seconds(option: str, text: str) -> float:
    try:
        seconds = float(text) if text.isascii() and "_" not in text else -1.0
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86400:
        raise OptionRefused(f"{option}: {text!r} is not a number of seconds from 0 to 86400")
    return seconds


def _workers(text: str) -> int | None:
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) <= MOST_WORKERS):
        raise OptionRefused(f"--workers: {text!r} is neither auto nor a number from 0 to {MOST_WORKERS}")
    return int(text)


def _state_folder(text: str | None, environ: Mapping[str, str]) -> Path:
    if text == "":
        raise OptionRefused("--state: it is the path of a folder")
    # systemd separates several folders by colons; the first is ours.
    chosen = text or environ.get("STATE_DIRECTORY", "").split(":")[0] or "tlsgate-state"
    return Path(chosen).absolute()


def _config_overlay(path: Path | None) -> Document:
    if path is None:
        return {}
    try:
        return read_toml(path)[0]
    except Problem as problem:
        raise _refused("--config", str(path), "", problem) from None


def _config_pins(path: Path) -> Pins:
    text = ""
    try:
        overlay, text = read_toml(path)
        validate_overlay(overlay)
    except Problem as problem:
        raise _refused("--config", str(path), text, problem) from None
    return Pins.of(overlay, f"--config {path}")


def _initial_document(path: Path) -> Document:
    try:
        document, text = read_toml(path)
    except Problem as problem:
        raise _refused("--initial", str(path), "", problem) from None
    _check("--initial", str(path), text, document)
    return document


def _check(option: str, source: str, text: str, document: Document) -> None:
    try:
        validate_document(document)
    except Problem as problem:
        raise _refused(option, source, text, problem) from None


def _refused(option: str, source: str, text: str, problem: Problem) -> OptionRefused:
    prefix = f"{option} {source}".rstrip()
    return OptionRefused("\n".join(sentences(problem, prefix, text)))
