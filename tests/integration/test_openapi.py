"""
The API from outside, against its own description: schemathesis sends what the description allows and what it does not,
and every answer must be one that the description names.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from _gate import GateProcess

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")

pytestmark = pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="schemathesis is missing")

#: What a server can get wrong about its own description.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,unsupported_method,allow_header_conformance"
)


#: Members of a schema whose values are schemas: one, several in a list, several by name.
ONE, LISTED, NAMED = ("items", "additionalProperties"), ("anyOf", "oneOf", "prefixItems"), ("properties",)


class Closing:
    """
    Makes the description say that what it does not name is not answered: clients must bear more, tests need not.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.schemas: dict[str, Any] = document["components"]["schemas"]
        for methods in document["paths"].values():
            for operation in methods.values():
                for response in operation["responses"].values():
                    for content in response.get("content", {}).values():
                        content["schema"] = self.close(content["schema"])

    def close(self, schema: Any) -> Any:
        """
        The same schema, which allows nothing else.
        """
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            return {**schema, "$ref": self.component(schema["$ref"])}
        closed = self.inside(schema)
        if ("properties" in schema or "allOf" in schema) and schema.get("additionalProperties", True) is True:
            closed.pop("additionalProperties", None)
            closed["unevaluatedProperties"] = False
        return closed

    def inside(self, schema: dict[str, Any]) -> dict[str, Any]:
        """
        The same schema, which allows more itself, but nothing else within its members.
        """
        closed = dict(schema)
        for name in ONE:
            if name in schema:
                closed[name] = self.close(schema[name])
        for name in LISTED:
            if name in schema:
                closed[name] = [self.close(one) for one in schema[name]]
        for name in NAMED:
            if name in schema:
                closed[name] = {key: self.close(one) for key, one in schema[name].items()}
        if "allOf" in schema:
            closed["allOf"] = [
                self.open(self.schemas[one["$ref"].rpartition("/")[2]] if "$ref" in one else one)
                for one in schema["allOf"]
            ]
        return closed

    def open(self, schema: dict[str, Any]) -> dict[str, Any]:
        """
        A part of C{allOf}: what it does not name, another part may.
        """
        part = self.inside(schema)
        part.pop("additionalProperties", None)
        return part

    def component(self, reference: str) -> str:
        """
        The closed twin of a component.
        """
        name = reference.rpartition("/")[2]
        twin = f"{name}-closed"
        if twin not in self.schemas:
            self.schemas[twin] = True  # until it is known: schemas refer to themselves
            self.schemas[twin] = self.close(self.schemas[name])
        return f"#/components/schemas/{twin}"


#: What every change takes is read by the same code everywhere.
SHARED = frozenset({"confirm_within", "reason", "force", "If-Match", "Idempotency-Key", "Prefer"})


def thin_out(document: dict[str, Any]) -> None:
    """
    Leave what every change takes to one operation of each method, and entries of the settings to the operations on
    them: most of all cases would be about these.
    """
    whole = document["paths"]["/api/v1/settings"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    for entries in ("binding", "site", "upstream"):
        del whole["properties"][entries]
    kept: set[str] = set()
    for methods in document["paths"].values():
        for method, operation in methods.items():
            found = operation["parameters"]
            if method in kept:
                operation["parameters"] = [one for one in found if one["name"] not in SHARED]
            elif any(one["name"] in SHARED for one in found):
                kept.add(method)


def run(gate: GateProcess, *options: str) -> str:
    """
    Run schemathesis against the closed description; its report is the failure's message.
    """
    url = f"https://127.0.0.1:{gate.admin}"
    document = gate.call("GET", "/api/v1/openapi.json").json
    Closing(document)
    thin_out(document)
    # Followed without end, no answer would ever be complete.
    [follow] = [one for one in document["paths"]["/api/v1/events"]["get"]["parameters"] if one["name"] == "follow"]
    follow.update(required=True, schema={"const": False})
    description = gate.folder / "openapi.json"
    description.write_text(json.dumps(document))
    done = subprocess.run(
        [
            *(str(SCHEMATHESIS), "run", str(description), "--url", url, "--tls-verify", "false"),
            *("--header", f"Authorization: Bearer {gate.token}", "--checks", CHECKS, "--no-color"),
            *("--generation-deterministic", "--no-shrink", "--continue-on-failure", "--warnings", "off"),
            *("--suppress-health-check", "all", "--request-timeout", "20", *options),
        ],
        cwd=gate.folder,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-12000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.slow
def test_every_answer_is_described(start_gate) -> None:
    """
    Whatever is sent to any operation, by itself and one after the other, its answer has a status, a media type and a
    shape that the description names, nothing beside it, and the gate makes no mistake of its own.
    """
    # Orders are made too: of a CA that is not there, on loopback.
    gate = start_gate(
        None, initial='[acme]\ndirectory = "https://localhost:1/directory"\ndns_resolver = "127.0.0.1:1"\n'
    )
    # Wrong tokens for sign_in would make every later answer a 429: it has a gate of its own.
    others = ("--exclude-operation-id", "sign_in")
    run(gate, "--phases", "coverage,fuzzing", "--max-examples", "1", *others)
    # What was made is shown, changed and removed: for that it must be right.
    run(gate, "--phases", "stateful", "--max-examples", "25", "--mode", "positive", *others)
    assert gate.process is not None
    assert gate.process.poll() is None
    assert "Traceback" not in gate.log()
    gate = start_gate(None)
    run(gate, "--phases", "fuzzing", "--max-examples", "5", "--include-operation-id", "sign_in")


def test_every_operation_is_described_whole(gate) -> None:
    """
    Each operation names its parameters, what it takes and what it answers, with no empty schema.
    """
    document = gate.call("GET", "/api/v1/openapi.json").json
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert {"400", "401", "403", "413", "429", "500"} <= set(operation["responses"]), where
            for status, response in operation["responses"].items():
                assert response["description"], where
                for content in response.get("content", {}).values():
                    assert content["schema"] not in ({}, {"type": "object"}), (where, status)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                assert content["schema"] not in ({}, {"type": "object"}), where
    assert json.dumps(document).count('"#/$defs/') == 0
