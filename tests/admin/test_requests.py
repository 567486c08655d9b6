"""
Certificate requests that wait.
"""


def test_list(gate) -> None:
    """
    Requests that wait are listed without their keys, until they are given up.
    """
    assert gate.call("GET", "/api/v1/certificates/csr").json == {"requests": []}
    for name in ("b.test", "a.test"):
        assert gate.call("POST", "/api/v1/certificates/csr", {"name": name, "names": [name]}).status == 201
    reply = gate.call("GET", "/api/v1/certificates/csr")
    assert [request["name"] for request in reply.json["requests"]] == ["a.test", "b.test"]
    assert b'key":' not in reply.body.replace(b'"key_type":', b"")
    assert gate.call("DELETE", "/api/v1/certificates/csr/a.test").status == 204
    assert len(gate.call("GET", "/api/v1/certificates/csr").json["requests"]) == 1
