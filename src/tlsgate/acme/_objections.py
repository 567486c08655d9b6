"""
What the libraries raise, and what a CA answers instead of what was asked for, as L{OrderFailed}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from josepy.errors import Error as JoseError

from acme import errors, messages

from ._problems import OrderFailed, OrderProblem, problem_from_document

__all__ = ["objection", "seconds_to_wait", "translated"]


@contextmanager
def translated(retry_after: Callable[[], float]) -> Iterator[None]:
    """
    Around a conversation: whatever goes wrong with it becomes L{OrderFailed}.

    @param retry_after: seconds that the CA's latest refusal asked to wait.
    """
    try:
        yield
    except messages.Error as error:
        raise OrderFailed(objection(error, retry_after=retry_after())) from error
    except requests.exceptions.SSLError as error:
        raise OrderFailed(OrderProblem.of("ca-untrusted", said=_reason(error))) from error
    except OSError as error:  # all of requests' are, as is a trust file that is not there
        raise OrderFailed(OrderProblem.of("ca-unreachable", said=_reason(error))) from error
    except errors.ClientError as error:
        raise OrderFailed(_of_client(error, retry_after())) from error
    except (errors.Error, JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise OrderFailed(OrderProblem.of("ca-nonsense", said=_reason(error))) from error


def _of_client(error: errors.ClientError, retry_after: float) -> OrderProblem:
    """
    An answer that is no problem document.
    """
    response = error.args[0] if error.args else None
    if isinstance(response, tuple):
        response = response[0]
    if isinstance(response, requests.Response):
        said = f"HTTP {response.status_code} {response.reason}"
        code = {429: "rateLimited"}.get(response.status_code, "ca-nonsense")
        code = "serverInternal" if response.status_code >= 500 else code
        return OrderProblem.of(code, said=said, retry_after=retry_after)
    return OrderProblem.of("ca-nonsense", said=type(error).__name__)


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def objection(error: messages.Error, name: str = "", retry_after: float = 0.0) -> OrderProblem:
    """
    The CA's own error in our words.
    """
    return problem_from_document(_document(error), name=name, retry_after=retry_after)


def _document(error: messages.Error) -> dict[str, Any]:
    return {
        "type": error.typ,
        "title": error.title,
        "detail": error.detail,
        "identifier": {"value": error.identifier.value} if error.identifier is not None else None,
        "subproblems": [_document(part) for part in error.subproblems or ()],
    }


def seconds_to_wait(response: requests.Response) -> float:
    """
    C{Retry-After} (RFC 9110 section 10.2.3) in seconds, 0 if there is none; a date is compared with the CA's own clock.
    """
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        sent = parsedate_to_datetime(response.headers.get("Date", ""))
        return max(0.0, (parsedate_to_datetime(text) - sent).total_seconds())
    except (ValueError, TypeError):
        return 0.0
