"""
The API from outside, against its own description: schemathesis sends what the description allows and what it does not,
and every answer must be one that the description names.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from _gate import GateProcess

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")

pytestmark = pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="schemathesis is missing")

#: What a server can get wrong about its own description.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,unsupported_method,allow_header_conformance"
)


def run(gate: GateProcess, *options: str) -> None:
    """
    Run schemathesis; its report is the failure's message.
    """
    url = f"https://127.0.0.1:{gate.admin}"
    done = subprocess.run(
        [
            *(str(SCHEMATHESIS), "run", f"{url}/api/v1/openapi.json", "--url", url, "--tls-verify", "false"),
            *("--header", f"Authorization: Bearer {gate.token}", "--checks", CHECKS, "--no-color"),
            *(
                "--generation-deterministic",
                "--suppress-health-check",
                "all",
                "--no-shrink",
                "--continue-on-failure",
                "--warnings",
                "off",
            ),
            *("--request-timeout", "20", *options),
        ],
        cwd=gate.folder,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-2000:]}"


@pytest.mark.slow
def test_every_answer_is_described(start_gate) -> None:
    """
    Whatever is sent to any operation, its answer has a status, a media type and a shape that the description names,
    and the gate makes no mistake of its own.
    """
    # Orders are made too: of a CA that is not there, on loopback.
    gate = start_gate(
        None, initial='[acme]\ndirectory = "https://localhost:1/directory"\ndns_resolver = "127.0.0.1:1"\n'
    )
    # Events never end, and wrong tokens for sign_in would make every later answer a 429: it has a gate of its own.
    run(
        gate,
        *("--phases", "coverage,fuzzing", "--max-time", "40", "--max-examples", "3"),
        *("--exclude-operation-id", "follow_events", "--exclude-operation-id", "sign_in"),
    )
    gate = start_gate(None)
    run(gate, "--phases", "fuzzing", "--max-examples", "5", "--include-operation-id", "sign_in", "--max-time", "5")
    assert gate.process is not None
    assert gate.process.poll() is None
    assert "Traceback" not in gate.log()


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
