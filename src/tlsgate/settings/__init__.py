"""
What is wanted, and its history.

Read L{_schema} for what can be set, L{_validation} for how a document becomes L{Settings} or a list of everything
that is wrong with it, L{_compile} for what the data plane gets, L{_pins} for what options hold fast, L{_store} for
how generations are kept.
"""

from ._compile import RAMP, compile_snapshot, effective_max_age, ramp_steps
from ._endpoints import ListenAddress, parse_endpoint
from ._filesystem import Filesystem
from ._folder import Damaged, check_certificate_name
from ._folder import decode as decode_generation
from ._folder import files_of as encode_generation
from ._generations import Document, Draft, Generation, SiteMemory, StoredCertificate
from ._interfaces import IStaged, IStore
from ._json import merge_patch, parse_json
from ._options import GateOptions, OptionRefused, read_options
from ._pins import Pins
from ._private import write_private
from ._schema import AdminSettings, Settings
from ._secrets import Secret, hide_secrets, keep_secrets
from ._store import FileStore
from ._toml import parse_toml, read_toml, sentences, to_toml
from ._validation import default_document, json_schema, validate_document

__all__ = [
    "RAMP",
    "AdminSettings",
    "Damaged",
    "Document",
    "Draft",
    "FileStore",
    "Filesystem",
    "GateOptions",
    "Generation",
    "IStaged",
    "IStore",
    "ListenAddress",
    "OptionRefused",
    "Pins",
    "Secret",
    "Settings",
    "SiteMemory",
    "StoredCertificate",
    "check_certificate_name",
    "compile_snapshot",
    "decode_generation",
    "default_document",
    "effective_max_age",
    "encode_generation",
    "hide_secrets",
    "json_schema",
    "keep_secrets",
    "merge_patch",
    "parse_endpoint",
    "parse_json",
    "parse_toml",
    "ramp_steps",
    "read_options",
    "read_toml",
    "sentences",
    "to_toml",
    "validate_document",
    "write_private",
]
