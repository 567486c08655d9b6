"""
The documents in conf/ are what they say they are.
"""

from pathlib import Path

import pytest
from pydantic import BaseModel

from tlsgate.settings import Settings, read_toml, validate_document
from tlsgate.settings._suggest import table_in

CONF = Path(__file__).parent.parent / "conf"


def keys_of(table: type[BaseModel]) -> set[tuple[str, ...]]:
    found = set()
    for name, field in table.model_fields.items():
        key = field.alias or name
        inner = table_in(field.annotation)
        found |= {(key, *path) for path in keys_of(inner)} if inner else {(key,)}
    return found


def keys_in(value: object) -> set[tuple[str, ...]]:
    if isinstance(value, list):
        return set().union(*(keys_in(item) for item in value)) if value else {()}
    if isinstance(value, dict):
        return {(key, *path) for key, item in value.items() for path in keys_in(item)}
    return {()}


@pytest.mark.parametrize("name", ["tlsgate.toml", "minimal.toml"])
def test_is_valid(name: str) -> None:
    """
    Each document validates as it is.
    """
    document, _ = read_toml(CONF / name)
    assert validate_document(document).sites[0].name == "default"


def test_shows_every_setting() -> None:
    """
    The annotated document names every key of the schema and no other.
    """
    document, _ = read_toml(CONF / "tlsgate.toml")
    assert keys_in(document) == keys_of(Settings)


def test_shows_defaults() -> None:
    """
    What the annotated document sets is the default, but for the lines that say "example" and what is required.
    """
    document, _ = read_toml(CONF / "tlsgate.toml")
    full = validate_document(document).model_dump()
    del document["certificate"]
    document["binding"] = [{key: entry[key] for key in ("name", "scheme", "endpoint")} for entry in document["binding"]]
    document["site"] = [{key: entry[key] for key in ("name", "hosts", "upstream")} for entry in document["site"]]
    document["upstream"] = [{key: entry[key] for key in ("name", "servers")} for entry in document["upstream"]]
    bare = {key: document[key] for key in ("binding", "site", "upstream")}
    full["certificates"] = ()
    assert validate_document(bare).model_dump() == full
