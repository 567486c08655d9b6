"""
One conversation with one ACME CA (RFC 8555), blocking: every call is one or a few HTTP requests, made in a thread.

All that is known of the libraries acme and josepy is here; what leaves are plain values and L{OrderFailed}.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from josepy.json_util import field
from josepy.jwa import ES256
from josepy.jwk import JWKEC
from requests.utils import parse_header_links

from acme import challenges, client, errors, jws, messages

from ..tls import is_address
from ._objections import objection, seconds_to_wait, translated
from ._values import Authorization, CAOrder, Challenge, DirectoryEntry, Window, base64url, certificate_id

__all__ = ["CA", "new_account_key"]

#: Seconds for a connection to the CA, and for each part of its answer.
REQUEST_TIMEOUTS: Final = (10, 30)

#: Each try is two requests: the library repeats one by itself.  Pebble refuses every second nonce when told to.
NONCE_TRIES: Final = 8

USER_AGENT: Final = "tlsgate (RFC 8555)"


class _NewOrder(messages.NewOrder):
    """
    With the member of RFC 9773 section 5.
    """

    replaces: str | None = field("replaces", omitempty=True)


class _Network(client.ClientNetwork):
    """
    Goes on when nonces are refused.
    """

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        for _ in range(NONCE_TRIES - 1):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)


def new_account_key() -> bytes:
    """
    A new account key: PKCS#8 PEM, P-256.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _account_key(pem: bytes) -> JWKEC:
    return JWKEC(key=load_pem_private_key(pem, None))


class CA:
    """
    One conversation; not for two threads at once.  Every method may raise L{OrderFailed}.
    """

    def __init__(self, directory: str, *, key: bytes, account: str = "", ca_file: str = "") -> None:
        """
        @param directory: URL.
        @param key: of the account, PEM.
        @param account: its URL; empty if it is not registered yet.
        @param ca_file: trust anchors for the CA's own HTTPS; empty for the usual ones.
        """
        self._url = directory
        self._key = _account_key(key)
        # Both are handed to requests, which takes a file as well as a truth value, and two times as well as one.
        verify: Any = ca_file or True
        timeout: Any = REQUEST_TIMEOUTS
        self._network = _Network(self._key, alg=ES256, verify_ssl=verify, user_agent=USER_AGENT, timeout=timeout)
        self._network.session.hooks["response"].append(self._heard)
        self._retry_after = 0.0
        self._client: client.ClientV2 | None = None
        if account:
            self._network.account = messages.RegistrationResource(body=messages.Registration(), uri=account)

    def close(self) -> None:
        """
        End its connections.
        """
        self._network.session.close()

    # -- the directory

    def directory(self) -> DirectoryEntry:
        """
        What the CA says of itself.
        """
        with self._translated():
            found = self._acme.directory
            meta = found["meta"]
            return DirectoryEntry(
                terms=meta.terms_of_service or "",
                caa_identities=tuple(meta.caa_identities or ()),
                binding_required=bool(meta.external_account_required),
                profiles=tuple(meta.profiles or ()),
                renewal_info=hasattr(found, "renewalInfo"),
            )

    @property
    def _acme(self) -> client.ClientV2:
        if self._client is None:
            found = client.ClientV2.get_directory(self._url, self._network)
            for member in ("newNonce", "newAccount", "newOrder"):
                found[member]
            self._client = client.ClientV2(found, self._network)
        return self._client

    # -- the account

    def register(self, email: str, binding: tuple[str, str] | None = None) -> str:
        """
        Register the account, or find the one that has this key already; the terms are agreed to.

        @param email: contact; empty for none.
        @param binding: key identifier and HMAC key (base64url) of an external account binding.

        @return: its URL.
        """
        with self._translated():
            acme = self._acme
            self._network.account = None
            more: dict[str, Any] = {"email": email} if email else {}
            if binding is not None:
                more["external_account_binding"] = messages.ExternalAccountBinding.from_data(
                    self._key.public_key(), binding[0], binding[1], acme.directory
                )
            asked = messages.NewRegistration.from_data(terms_of_service_agreed=True, **more)
            try:
                url = acme.new_account(asked).uri
            except errors.ConflictError as found:
                url = found.location
                self._network.account = messages.RegistrationResource(body=messages.Registration(), uri=url)
            return str(url)

    def find_account(self) -> str:
        """
        The URL of the account that has this key; empty if there is none.
        """
        with self._translated():
            blank = messages.RegistrationResource(body=messages.Registration(), uri="")
            try:
                return str(self._acme.query_registration(blank).uri)
            except messages.Error as error:
                if error.code == "accountDoesNotExist":
                    return ""
                raise

    def change_contact(self, account: str, email: str) -> None:
        """
        Set the contact of the account.
        """
        with self._translated():
            self._post(account, messages.UpdateRegistration.from_data(email=email or None, contact=()))

    def roll_over(self, account: str, new_key: bytes) -> None:
        """
        Change the key of the account (RFC 8555 section 7.3.5); the CA knows only the new one from then on.
        """
        with self._translated():
            url = self._acme.directory["keyChange"]
            key = _account_key(new_key)
            old = self._key.public_key().fields_to_partial_json()
            payload = json.dumps({"account": account, "oldKey": {**old, "kty": "EC"}}).encode()
            inner = jws.JWS.sign(payload, key, ES256, None, url=url)
            self._post(url, inner)

    # -- orders

    def new_order(self, names: Sequence[str], *, profile: str = "", replaces: str = "") -> CAOrder:
        """
        @param replaces: the L{certificate_id} of the certificate that is renewed, where the CA tells when to renew.
        """
        identifiers = [
            messages.Identifier(
                typ=messages.IDENTIFIER_IP if is_address(name) else messages.IDENTIFIER_FQDN, value=name
            )
            for name in names
        ]
        with self._translated():
            url = self._acme.directory["newOrder"]
            replaces = replaces if hasattr(self._acme.directory, "renewalInfo") else ""
            try:
                asked = _NewOrder(identifiers=identifiers, profile=profile or None, replaces=replaces or None)
                response = self._post(url, asked)
            except errors.ConflictError:
                # RFC 9773 section 5: it was replaced already; an order of its own is still possible.
                response = self._post(url, _NewOrder(identifiers=identifiers, profile=profile or None))
            return self._order(response, response.headers["Location"])

    def order(self, url: str) -> CAOrder:
        """
        An order as it is now.
        """
        with self._translated():
            return self._order(self._post(url, None), url)

    def authorization(self, url: str) -> Authorization:
        """
        One of an order's questions as it is now.
        """
        with self._translated():
            response = self._post(url, None)
            body = messages.Authorization.from_json(response.json())
            name = str(body.identifier.value)
            return Authorization(
                url=url,
                name=name,
                wildcard=bool(body.wildcard),
                status=body.status.name,
                challenges=tuple(self._challenge(offered, name) for offered in body.challenges),
                retry_after=seconds_to_wait(response),
            )

    def answer(self, challenge: Challenge) -> None:
        """
        Tell the CA that it may look.
        """
        with self._translated():
            # What is sent is an empty object, whatever the kind of challenge.
            self._post(challenge.url, challenges.HTTP01Response(key_authorization=""))

    def finalize(self, order: CAOrder, request: bytes) -> CAOrder:
        """
        Ask for the certificate of an order that is ready.

        @param request: PKCS#10, PEM.
        """
        with self._translated():
            asked = messages.CertificateRequest(csr=x509.load_pem_x509_csr(request))
            return self._order(self._post(order.finalize, asked), order.url)

    def download(self, url: str, preferred_chain: str = "") -> bytes:
        """
        The certificate with its chain, PEM.

        @param preferred_chain: common name of the issuer of the chain's last certificate; the chain that has it is
            taken if the CA offers it, else the first.
        """
        with self._translated():
            response = self._post(url, None)
            chain = response.content
            if not preferred_chain or _top(chain) == preferred_chain.lower():
                return chain
            for link in parse_header_links(response.headers.get("Link", "")):
                if link.get("rel") == "alternate":
                    other = self._post(link["url"], None).content
                    if _top(other) == preferred_chain.lower():
                        return other
            return chain

    def revoke(self, certificate: x509.Certificate, reason: int) -> None:
        """
        @param reason: RFC 5280 section 5.3.1; 1 for a key that is known to others, 4 for superseded.
        """
        with self._translated():
            self._acme.revoke(certificate, reason)

    def renewal_window(self, certificate: x509.Certificate) -> Window | None:
        """
        When the CA wants a certificate renewed; C{None} if it does not tell.
        """
        with self._translated():
            base = getattr(self._acme.directory, "renewalInfo", "")
            identifier = certificate_id(certificate)
            if not base or not identifier:
                return None
            response = self._network.get(f"{base.rstrip('/')}/{identifier}")
            content = response.json()
            window = messages.RenewalInfo.from_json(content).suggested_window
            return Window(
                start=window.start.timestamp(),
                end=window.end.timestamp(),
                retry_after=seconds_to_wait(response),
                explanation=str(content.get("explanationURL", "")),
            )

    def window_of(self, chain: bytes) -> Window | None:
        """
        L{renewal_window} of the leaf of a chain, PEM.
        """
        return self.renewal_window(x509.load_pem_x509_certificates(chain)[0])

    # -- the wire

    def _translated(self) -> AbstractContextManager[None]:
        return translated(lambda: self._retry_after)

    def _post(self, url: str, content: Any) -> requests.Response:
        return self._network.post(url, content, new_nonce_url=self._acme.directory["newNonce"])

    def _order(self, response: requests.Response, url: str) -> CAOrder:
        body = messages.Order.from_json(response.json())
        return CAOrder(
            url=url,
            status=body.status.name,
            authorizations=tuple(body.authorizations or ()),
            finalize=body.finalize or "",
            certificate=body.certificate or "",
            problem=objection(body.error) if body.error is not None else None,
            retry_after=seconds_to_wait(response),
        )

    def _challenge(self, offered: messages.ChallengeBody, name: str) -> Challenge:
        # The library knows http-01 and dns-01 and keeps the rest as it came.
        content = offered.to_partial_json() | offered.chall.to_partial_json()
        token = content.get("token")
        text = token if isinstance(token, str) else ""
        thumbprint = base64url(self._key.thumbprint(hash_function=hashes.SHA256))
        return Challenge(
            kind=str(content.get("type", "")),
            url=str(offered.uri or content.get("url", "")),
            token=text,
            key_authorization=f"{text}.{thumbprint}",
            status=offered.status.name,
            problem=objection(offered.error, name) if offered.error is not None else None,
        )

    def _heard(self, response: requests.Response, *args: Any, **kwargs: Any) -> None:
        self._retry_after = seconds_to_wait(response) if not response.ok else 0.0


def _top(chain: bytes) -> str:
    """
    The common name of who signed the last certificate of a chain, lower case.
    """
    last = x509.load_pem_x509_certificates(chain)[-1]
    names = last.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value).lower() if names else ""
