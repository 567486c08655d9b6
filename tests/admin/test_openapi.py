"""
The description of the API fits the API.
"""

import re

import pytest

from tlsgate.admin._api import all_operations
from tlsgate.admin._api._generation_schemas import GenerationList, GenerationShown
from tlsgate.admin._api._observation_schemas import SniAnswer, Status
from tlsgate.admin._schemas import CertificateList, TokenList
from tlsgate.admin.openapi import openapi_document

#: The calls of the contract that are not ACME's or the redirect report's.
CONTRACT = [
    "",
    "POST /app/https/settings/uploadCertificate",
    "GET /api/v1/certificates",
    "GET /api/v1/certificates/{name}",
    "POST /api/v1/certificates",
    "PUT /api/v1/certificates/{name}",
    "POST /api/v1/certificates/self-signed",
    "POST /api/v1/certificates/csr",
    "PUT /api/v1/certificates/csr/{name}/certificate",
    "DELETE /api/v1/certificates/{name}",
    "GET /api/v1/certificates/{name}/chain.pem",
    "GET /api/v1/settings",
    "PUT /api/v1/settings",
    "PATCH /api/v1/settings",
    "GET /api/v1/bindings",
    "POST /api/v1/bindings",
    "GET /api/v1/bindings/{name}",
    "PUT /api/v1/bindings/{name}",
    "DELETE /api/v1/bindings/{name}",
    "GET /api/v1/sites",
    "POST /api/v1/sites",
    "GET /api/v1/sites/{name}",
    "PUT /api/v1/sites/{name}",
    "PATCH /api/v1/sites/{name}",
    "DELETE /api/v1/sites/{name}",
    "GET /api/v1/sites/{name}/redirect",
    "PUT /api/v1/sites/{name}/redirect",
    "GET /api/v1/sites/{name}/hsts",
    "PUT /api/v1/sites/{name}/hsts",
    "GET /api/v1/upstreams",
    "POST /api/v1/upstreams",
    "PUT /api/v1/upstreams/{name}",
    "DELETE /api/v1/upstreams/{name}",
    "GET /api/v1/generations",
    "GET /api/v1/generations/{number}",
    "GET /api/v1/generations/{number}/diff",
    "POST /api/v1/generations/{number}/rollback",
    "POST /api/v1/generations/{number}/confirm",
    "GET /api/v1/tokens",
    "POST /api/v1/tokens",
    "DELETE /api/v1/tokens/{id}",
    "GET /api/v1/audit",
    "GET /api/v1/status",
    "GET /api/v1/sni",
    "GET /api/v1/events",
    "GET /api/v1/openapi.json",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "",
][1:-1]


@pytest.mark.parametrize("call", CONTRACT)
def test_has_the_contracts_calls(call) -> None:
    """
    Every call of the contract is declared.
    """
    method, path = call.split(" ")
    assert method.lower() in openapi_document(all_operations())["paths"][path]


def test_document_is_whole(gate) -> None:
    """
    Every reference resolves, every path parameter is described, every operation names its problems.
    """
    document = gate.call("GET", "/api/v1/openapi.json").json
    assert document["openapi"].startswith("3.1")
    text = gate.call("GET", "/api/v1/openapi.json").body.decode()
    for reference in set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', text)):
        assert reference in document["components"]["schemas"]
    assert "#/$defs/" not in text
    for path, methods in document["paths"].items():
        for operation in methods.values():
            described = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert described == set(re.findall(r"\{(\w+)\}", path))
            assert {"401", "403", "429", "500"} <= operation["responses"].keys()


def test_operation_names_are_unique() -> None:
    """
    No two operations share their identifier, and adding one twice is refused.
    """
    operations = all_operations()
    assert len({operation.name for operation in operations}) == len(operations)
    with pytest.raises(ValueError, match="twice"):
        operations.include(all_operations())


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/api/v1/certificates", CertificateList),
        ("/api/v1/generations", GenerationList),
        ("/api/v1/generations/1", GenerationShown),
        ("/api/v1/status", Status),
        ("/api/v1/tokens", TokenList),
        ("/api/v1/sni?name=a.test", SniAnswer),
    ],
)
def test_answers_fit_their_schema(gate, path, model) -> None:
    """
    What is answered is what is described.
    """
    model.model_validate(gate.call("GET", path).json)
