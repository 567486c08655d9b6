"""
What a change asks of whoever reads certificates from files.
"""

from __future__ import annotations

from collections.abc import Mapping

from zope.interface import Interface

from ..settings import Document, StoredCertificate

__all__ = ["ICertificateFiles"]


class ICertificateFiles(Interface):
    """
    Reads the certificates that a document names by their files.
    """

    async def complete(
        document: Document, certificates: Mapping[str, StoredCertificate], *, before: Document | None
    ) -> dict[str, StoredCertificate]:
        """
        The certificates of a generation, with those of files as they are now, and without those of files that the
        document does not name any more.

        @param document: that is to be in force.
        @param certificates: of the generation so far.
        @param before: the document that is in force: only what differs is read, and must be readable.  C{None} to read
            everything, and to leave what cannot be read as it is.

        @raise Problem: C{invalid-settings}, or as L{certificates.read_certificate}, with where in the document.
        """
