"""
C{/api/v1/openapi.json}: the API described by itself.
"""

from __future__ import annotations

from .._operations import Answer, Call, Operations
from .._tokens import Permission
from ..openapi import openapi_document

operations = Operations()


@operations.operation(
    "GET",
    "/api/v1/openapi.json",
    permission=Permission.VIEW_SETTINGS,
    summary="This API as an OpenAPI 3.1 document.",
    answers={200: {"type": "object", "required": ["openapi", "info", "paths"]}},
    local=True,
)
async def describe_api(call: Call) -> Answer:
    """
    The OpenAPI document.
    """
    return Answer(document=openapi_document(call.control.operations))
