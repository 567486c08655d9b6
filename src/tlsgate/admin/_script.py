"""
"Show script": the same change as a curl command and as a C{tlsgate} command, ready to paste into a shell.

Secrets are never part of either: the token is C{$TLSGATE_TOKEN}, and keys are files that the reader names.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from ._bodies import media_type
from ._operations import Call

__all__ = ["script_of", "settings_options"]

#: What stands in a script for a part that was sent as a file.
FILES: Final[Mapping[str, str]] = {
    "certificate": "certificate.pem",
    "key": "key.pem",
    "chain": "chain.pem",
    "pfx": "certificate.pfx",
    "backup": "tlsgate.backup",
}

#: Members of a document that hold secrets when they are not references to where the secret is.
SECRET_NAMES: Final = frozenset(
    {"key", "password", "secret", "token", "hmac_key", "eab_hmac_key", "fallback_eab_hmac_key", "pfx"}
)


def without_secrets(value: Any) -> Any:
    """
    A copy of a JSON value without what must not be shown.
    """
    if isinstance(value, dict):
        return {
            name: "REMOVED" if name in SECRET_NAMES and isinstance(member, str) and member else without_secrets(member)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(member) for member in value]
    return value


def settings_options(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """
    A settings object as options: C{{"hsts": {"max_age": 300}}} is C{--hsts-max-age=300}.  Lists are JSON.
    """
    options: list[str] = []
    for name, value in values.items():
        option = f"{prefix}{name.replace('_', '-')}"
        if isinstance(value, dict):
            options += settings_options(value, f"{option}-")
        else:
            text = value if isinstance(value, str) else json.dumps(without_secrets(value))
            options.append(f"--{option}={text}")
    return options


def script_of(call: Call, command: Sequence[str], *, document: Any = None, parts: Iterable[str] = ()) -> dict[str, str]:
    """
    @param command: the C{tlsgate} command without its name and without the options that every change takes.
    @param document: the JSON content that was sent; C{None} for none.
    @param parts: for a form, its parts: names of files, or C{name=value}.
    """
    return {"curl": _curl(call, document, list(parts)), "cli": _cli(call, command)}


def _curl(call: Call, document: Any, parts: list[str]) -> str:
    control = call.control
    query = [
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, values in call.query.items()
        for value in (values if isinstance(values, tuple) else (values,))
    ]
    url = control.base() + quote(call.path) + (f"?{urlencode(query)}" if query else "")
    words = ["curl", "--cacert", str(control.state / "admin-ca.pem"), "-X", call.method]
    text = shlex.join(words)
    # In double quotes, so that the shell puts the token in.
    text += ' -H "Authorization: Bearer $TLSGATE_TOKEN"'
    if call.if_match is not None:
        text += " " + shlex.join(["-H", f'If-Match: "{call.if_match}"'])
    for part in parts:
        # A password is a text that curl reads from a file, so that no command line holds it.
        form = (
            part
            if "=" in part
            else f"{part}=<{part}.txt"
            if part in ("password", "passphrase")
            else f"{part}=@{FILES[part]}"
        )
        text += " " + shlex.join(["-F", form])
    if document is not None:
        media = media_type(call.content_type) or "application/json"
        content = document if isinstance(document, str) else json.dumps(without_secrets(document), ensure_ascii=False)
        text += " " + shlex.join(["-H", f"Content-Type: {media}", "--data-binary", content])
    return f"{text} {shlex.quote(url)}"


def _cli(call: Call, command: Sequence[str]) -> str:
    words = ["tlsgate", *command]
    if call.query.get("dry_run"):
        words.append("--dry-run")
    if "confirm_within" in call.query:
        words.append(f"--confirm-within={call.query['confirm_within']}")
    if call.query.get("reason"):
        words.append(f"--reason={call.query['reason']}")
    words += [f"--force={name}" for name in call.query.get("force", ())]
    return shlex.join(words)
