"""
The local CA: signs the admin's own certificate, and those of sites in development.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from ..settings import write_private
from ..sites import ServerCertificate
from ._issue import sign_authority, sign_leaf
from ._keys import ServerKey, as_pkcs8, check_key, new_key, same_public_key
from ._material import ODD
from ._value import server_certificate

__all__ = ["LocalAuthority"]

CERTIFICATE: Final = "admin-ca.pem"
KEY: Final = "admin-ca.key"

# Days.  Clients that were given the root keep it; it is replaced when less than a year is left.
LIFE: Final = 3650
SPARE: Final = 365

DAY: Final = 86400.0


@attrs.frozen
class LocalAuthority:
    """
    A CA of this gate's own, whose root is for whoever wants to trust it; nothing adds it to any trust store.

    @ivar certificate: the root.
    @ivar clock: Unix time.
    """

    certificate: x509.Certificate
    _key: ServerKey = attrs.field(repr=False)
    _clock: Callable[[], float] = time.time

    @property
    def root(self) -> bytes:
        """
        The root, PEM.
        """
        return self.certificate.public_bytes(Encoding.PEM)

    @classmethod
    def load_or_create(cls, folder: Path, *, clock: Callable[[], float] = time.time) -> LocalAuthority:
        """
        The CA of a state folder: C{admin-ca.pem} (0644) and C{admin-ca.key} (0600).  It is made anew if there is none,
        if it is damaged, or if it has less than a year to live.

        @raise OSError: the folder cannot be written.
        """
        found = cls._load(folder, clock)
        if found is not None:
            return found
        key = new_key("ec-p256")
        certificate = sign_authority(key, "tlsgate local CA", days=LIFE, now=clock())
        # The key first: a root whose key is not on the disk would be loaded as damaged and made again.
        write_private(folder / KEY, as_pkcs8(key))
        write_private(folder / CERTIFICATE, certificate.public_bytes(Encoding.PEM))
        # Whoever wants to trust the gate may read it.
        (folder / CERTIFICATE).chmod(0o644)
        return cls(certificate, key, clock)

    @classmethod
    def _load(cls, folder: Path, clock: Callable[[], float]) -> LocalAuthority | None:
        try:
            certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
            key = check_key(load_pem_private_key((folder / KEY).read_bytes(), None))
            fresh = certificate.not_valid_after_utc.timestamp() - clock() > SPARE * DAY
            if fresh and same_public_key(certificate.public_key(), key.public_key()):
                return cls(certificate, key, clock)
        except (FileNotFoundError, *ODD):
            pass
        return None

    def issue(
        self, names: Sequence[str], days: int = 397, *, name: str = "admin", key_type: str = "ec-p256"
    ) -> ServerCertificate:
        """
        Make a key and a certificate for it.

        @param names: host names and addresses that it is for.
        @param days: of its life from now on; never longer than the root's.
        @param name: of the certificate here.
        @param key_type: one of L{KEY_TYPES}.

        @raise Problem: C{parameter-invalid} or C{key-too-weak}.
        """
        now = self._clock()
        left = int((self.certificate.not_valid_after_utc.timestamp() - now) // DAY)
        key = new_key(key_type)
        leaf = sign_leaf(
            key.public_key(), names, days=min(days, left), now=now, signer=self._key, issuer=self.certificate
        )
        return server_certificate(name, [leaf], key)
