"""
What is wanted, and its history.

L{_schema} says what a document may hold, L{_sources} where documents come from, L{_compile} what the data plane gets of
one; L{_generations} is the unit of change, and L{_store} keeps it.
"""

from ._filesystem import Filesystem
from ._folder import check_certificate_name
from ._generations import Document, Draft, Generation, SiteMemory, StoredCertificate
from ._store import FileStore, IStaged, IStore

__all__ = [
    "Document",
    "Draft",
    "FileStore",
    "Filesystem",
    "Generation",
    "IStaged",
    "IStore",
    "SiteMemory",
    "StoredCertificate",
    "check_certificate_name",
]
