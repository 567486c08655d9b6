"""
Which certificates serve a server name, and why.

The rule, in this order; C{CertificateSelector.explain} tells it for any name:

  1. B{exact}: the certificates that name it, if one of them is within its dates;
  2. B{wildcard}: those that cover it with a wildcard for its leftmost label, if one of them is within its dates;
  3. the same two again without regard to dates: the wrong date is a smaller fault than the wrong name;
  4. B{default}: the certificate that the binding names, or nothing where the binding is strict.

Among several that are equally good, one of each kind of key serves, side by side: OpenSSL picks by what the client can
verify.  Of one kind, the most recently issued wins: that is the renewal, and the replacement of a compromised key,
however long the old one would have lived.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import attrs
from OpenSSL import SSL

from ..sites import ServerCertificate
from ._context import CertificateRefused, server_context
from ._names import normalise, wildcard_for

__all__ = ["CertificateSelector", "Choice", "Rule", "by_name"]

Rule: TypeAlias = Literal["exact", "wildcard", "default", "refused"]

#: Contexts kept ready; one takes some 30 KiB, and building it anew a millisecond or two.
CONTEXTS: Final = 1000


@attrs.frozen
class Choice:
    """
    What serves a server name.

    @ivar names: of the certificates; OpenSSL picks among several by the client's signature algorithms.
    @ivar why: one sentence for a person.
    """

    names: tuple[str, ...]
    rule: Rule
    why: str

    def as_json(self) -> dict[str, object]:
        """
        The choice as the admin API shows it.
        """
        return {"certificates": list(self.names), "rule": self.rule, "why": self.why}


class _Contexts:
    """
    Contexts by what is in them, the least recently used given up first.  Selectors that replace each other share it.

    @ivar profile: and C{alpn}: of every context in it.
    """

    def __init__(self, profile: str, alpn: tuple[bytes, ...], limit: int) -> None:
        self.profile = profile
        self.alpn = alpn
        self.limit = limit
        self._held: OrderedDict[tuple[tuple[bytes, bytes], ...], SSL.Context | CertificateRefused] = OrderedDict()
        self._given_up: set[tuple[bytes, bytes]] = set()

    def __len__(self) -> int:
        return len(self._held)

    def give_up(self, gone: Iterable[ServerCertificate], new: Iterable[ServerCertificate]) -> None:
        """
        Forget the contexts with certificates that are gone: one that was replaced is not asked for again, and its
        context holds 30 KiB.

        @param new: what came in their place; the same may have another name now.
        """
        came = {(one.chain, one.staple) for one in new}
        gave_up = {(one.chain, one.staple) for one in gone} - came
        # Until the swap, and over all workers that takes a while, the selector before is asked on and makes such a
        # context again: it goes with the next change.
        forgotten = gave_up | (self._given_up - came)
        self._given_up = gave_up
        for key in [key for key in self._held if not forgotten.isdisjoint(key)]:
            del self._held[key]

    def get(self, certificates: Sequence[ServerCertificate]) -> SSL.Context:
        """
        The context with exactly these certificates.

        @raise CertificateRefused: OpenSSL does not take one; this is remembered too.
        """
        # The name of a certificate is not in its context; a key belongs to one leaf, and the chain begins with that.
        key = tuple([(one.chain, one.staple) for one in certificates])
        held = self._held.get(key)
        if held is None:
            try:
                held = server_context(certificates, profile=self.profile, alpn=self.alpn)
            except CertificateRefused as refusal:
                held = refusal.with_traceback(None)
            self._held[key] = held
            if len(self._held) > self.limit:
                self._held.popitem(last=False)
        else:
            self._held.move_to_end(key)
        if isinstance(held, CertificateRefused):
            raise held.with_traceback(None)
        return held


class CertificateSelector:
    """
    Chooses the certificates for a handshake.  Immutable but for its stock of contexts: a change of certificates
    builds a new selector and swaps it in.

    @ivar certificates: all that may be chosen, by name.
    @ivar default: the name of the certificate that serves what no certificate covers.
    @ivar strict: a server name that no certificate covers is refused; a client that sends none gets the default.
    """

    def __init__(
        self,
        certificates: Mapping[str, ServerCertificate],
        *,
        default: str = "",
        profile: str = "intermediate",
        strict: bool = False,
        alpn: Sequence[bytes] = (b"http/1.1",),
        clock: Callable[[], float] = time.time,
        contexts: int = CONTEXTS,
        replacing: CertificateSelector | None = None,
    ) -> None:
        """
        @param clock: Unix time; read in each choice, so that certificates begin and end to serve by themselves.
        @param contexts: how many contexts to keep ready at most.
        @param replacing: the selector that this one will be swapped for: its contexts are used again where the
            profile is the same.
        """
        self.certificates = certificates
        self.default = default
        self.strict = strict
        self._clock = clock
        self._by_name = by_name(certificates)
        if (
            replacing is not None
            and (replacing._contexts.profile, replacing._contexts.alpn) == (profile, tuple(alpn))
            and replacing._contexts.limit == contexts
        ):
            self._contexts: _Contexts = replacing._contexts
            self._contexts.give_up(
                _differing(replacing.certificates, certificates), _differing(certificates, replacing.certificates)
            )
        else:
            self._contexts = _Contexts(profile, tuple(alpn), contexts)

    def __repr__(self) -> str:
        return (
            f"<CertificateSelector [{len(self.certificates)} certificates, {len(self._by_name)} names, "
            f"{len(self._contexts)} contexts]>"
        )

    def select(self, server_name: str | bytes | None) -> SSL.Context | None:
        """
        The context for a server name.

        @param server_name: as the client sent it; L{None} if it sent none.

        @return: L{None} if the name is refused, or there is no certificate at all.

        @raise CertificateRefused: OpenSSL does not take the certificate that would serve.
        """
        chosen, _ = self._choose("" if server_name is None else normalise(server_name), server_name is not None)
        return self._contexts.get(chosen) if chosen else None

    def select_default(self) -> SSL.Context | None:
        """
        The context of the binding's default certificate.

        @raise CertificateRefused: OpenSSL does not take it.
        """
        default = self.certificates.get(self.default)
        return None if default is None else self._contexts.get((default,))

    def covers(self, server_name: str | bytes) -> bool:
        """
        Is there a certificate for this server name, whatever its dates?
        """
        name = normalise(server_name)
        return name[:1] not in ("", "*") and (name in self._by_name or wildcard_for(name) in self._by_name)

    def explain(self, server_name: str | bytes | None) -> Choice:
        """
        What serves a server name, and by which rule.
        """
        name = "" if server_name is None else normalise(server_name)
        chosen, rule = self._choose(name, server_name is not None)
        names = tuple(one.name for one in chosen)
        shown = name or "a client that names no server" if server_name is None else name or "what is no server name"
        if rule == "refused":
            return Choice((), rule, self._why_refused(shown))
        listed = " and ".join(f"“{each}”" for each in names)
        verb = "serve" if len(names) > 1 else "serves"
        how = {
            "exact": f"each names {shown}" if len(names) > 1 else f"it names {shown}",
            "wildcard": f"{wildcard_for(name)} covers {shown}",
            "default": f"no certificate covers {shown}, and this is the default of the binding",
        }[rule]
        if rule == "default" and server_name is None:
            how = "the client names no server, and this is the default of the binding"
        more = [f"{listed} {verb}: {how}"]
        if len(names) > 1:
            more.append("the client's signature algorithms decide between them")
        now = self._clock()
        if not all(_within_dates(one, now) for one in chosen):
            more.append("it is not within its dates, and no other that is covers the name")
        return Choice(names, rule, "; ".join(more) + ".")

    def _why_refused(self, shown: str) -> str:
        if self.default in self.certificates:
            return f"No certificate covers {shown}, and the binding refuses names without one (strict_sni)."
        return f"No certificate covers {shown}, and the binding has no default certificate."

    def _choose(self, name: str, named: bool) -> tuple[tuple[ServerCertificate, ...], Rule]:
        """
        Apply the rule above to a normalised name.
        """
        if name and name[0] != "*":
            now = self._clock()
            exact = self._by_name.get(name, ())
            chosen = _best(exact, now)
            if chosen:
                return chosen, "exact"
            wild = self._by_name.get(wildcard_for(name), ())
            chosen = _best(wild, now)
            if chosen:
                return chosen, "wildcard"
            if exact:
                return _latest(exact), "exact"
            if wild:
                return _latest(wild), "wildcard"
        default = self.certificates.get(self.default)
        if default is None or (named and self.strict):
            return (), "refused"
        return (default,), "default"


def by_name(certificates: Mapping[str, ServerCertificate]) -> Mapping[str, Sequence[ServerCertificate]]:
    """
    The certificates by the names they hold.

    @param certificates: never changed afterwards; what is made of it is kept for as long as it is asked about, since
        every binding and every site of a snapshot asks.
    """
    for held, index in tuple(_indexes):
        if held is certificates:
            return index
    made = _index(certificates)
    _indexes.appendleft((certificates, made))
    return made


def _index(certificates: Mapping[str, ServerCertificate]) -> Mapping[str, Sequence[ServerCertificate]]:
    """
    Made of the latest, where only a few differ from it.
    """
    last, index = _indexes[0] if _indexes else ({}, {})
    gone, new = _differing(last, certificates), _differing(certificates, last)
    if len(gone) > len(certificates) / 8:
        gone, new, index = [], list(certificates.values()), {}
    made = dict(index)
    for one in gone:
        for name in one.names:
            others = tuple(each for each in made.pop(name, ()) if each is not one)
            if others:
                made[name] = others
    for one in new:
        for name in one.names:
            made[name] = (*made.get(name, ()), one)
    return made


def _differing(
    certificates: Mapping[str, ServerCertificate], others: Mapping[str, ServerCertificate]
) -> list[ServerCertificate]:
    """
    Those that the others do not have under their name.
    """
    if certificates is others:
        return []
    return [one for name, one in certificates.items() if others.get(name) is not one]


# Of what is served, what is to be served, and one to spare.
_indexes: deque[tuple[Mapping[str, ServerCertificate], Mapping[str, Sequence[ServerCertificate]]]] = deque(maxlen=3)


def _within_dates(certificate: ServerCertificate, now: float) -> bool:
    return certificate.not_before <= now < certificate.not_after


def _kind(certificate: ServerCertificate) -> str:
    """
    C{rsa}, C{ec} or C{ed25519}: OpenSSL holds one certificate of each in a context.
    """
    return certificate.key_type.partition("-")[0]


def _best(certificates: Sequence[ServerCertificate], now: float) -> tuple[ServerCertificate, ...]:
    """
    Of those within their dates, the most recently issued of each kind of key.
    """
    best: dict[str, ServerCertificate] = {}
    for one in certificates:
        if _within_dates(one, now):
            held = best.get(_kind(one))
            if held is None or _age(one) > _age(held):
                best[_kind(one)] = one
    return tuple([best[kind] for kind in sorted(best)])


def _age(certificate: ServerCertificate) -> tuple[float, float, str]:
    """
    Larger for what was issued later; never equal, so that every process chooses the same.
    """
    return certificate.not_before, certificate.not_after, certificate.fingerprint


def _latest(certificates: Sequence[ServerCertificate]) -> tuple[ServerCertificate, ...]:
    """
    The one that is or was valid longest.
    """
    return (max(certificates, key=lambda one: (one.not_after, one.fingerprint)),)
