import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.endpoints import serverFromString
from twisted.internet.testing import MemoryReactorClock

from tlsgate.settings import parse_endpoint


@pytest.mark.parametrize(
    ("text", "kind", "port", "interface", "path"),
    [
        ("8443", "tcp", 8443, "", ""),
        ("tcp:0", "tcp", 0, "", ""),
        ("tcp:8443:interface=127.0.0.1", "tcp", 8443, "127.0.0.1", ""),
        ("tcp:port=8443:backlog=9", "tcp", 8443, "", ""),
        (r"tcp:8443:interface=\:\:1", "tcp", 8443, "::1", ""),
        ("tcp6:8443", "tcp6", 8443, "", ""),
        (r"unix:/run/a\:b:mode=660", "unix", 0, "", "/run/a:b"),
        ("systemd:domain=INET:name=https", "systemd", 0, "", ""),
    ],
)
def test_reads(text: str, kind: str, port: int, interface: str, path: str) -> None:
    """
    Ports and endpoint strings say where to listen.
    """
    found = parse_endpoint(text)
    assert (found.kind, found.port, found.interface, found.path) == (kind, port, interface, path)


@pytest.mark.parametrize(
    "text",
    [
        "", "none", "tcp", "tcp:", "tcp:x", "tcp:-1", "tcp:65536", "tcp:1:2:3", "tcp:1:port=2", "tcp:1:interface=here",
        "tcp:1:colour=red", "tcp:1:backlog=x", "tcp6:1:interface=127.0.0.1", "ssl:443", "unix:", "unix:/x:mode=999",
        "unix:/x:lockfile=2", "unix:" + "x" * 108, "systemd:domain=INET", "systemd:name=x", "a\\", "tcp:1\n", "99999999",
        "systemd:domain=INET:index=x", "tcp:\u0661",
    ],
)  # fmt: skip
def test_refuses(text: str) -> None:
    """
    What no binding can listen on is refused with a sentence.
    """
    with pytest.raises(ValueError, match=r"\w{3}"):
        parse_endpoint(text)


@given(st.from_regex(r"\A(tcp6?|unix):[a-z0-9=:.\\/]{0,20}\Z") | st.text(max_size=20))
@settings(deadline=None, max_examples=200)
def test_twisted_takes_what_is_accepted(text: str) -> None:
    """
    What is accepted, Twisted can make an endpoint of.
    """
    try:
        found = parse_endpoint(text)
    except ValueError:
        return
    if found.kind != "systemd":  # needs the descriptors to be there
        serverFromString(MemoryReactorClock(), found.description)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("80", "tcp:80", True),
        ("80", "tcp:80:interface=127.0.0.1", True),
        ("tcp:80:interface=127.0.0.2", "tcp:80:interface=127.0.0.1", False),
        ("80", "81", False),
        ("0", "0", False),
        ("80", "tcp6:80", False),
        ("unix:/a", "unix:/a:mode=600", True),
        ("unix:/a", "80", False),
        ("systemd:domain=INET:name=a", "systemd:domain=INET:name=a", True),
    ],
)
def test_overlaps(one: str, other: str, overlap: bool) -> None:
    """
    Two endpoints overlap when the second evidently could not be bound; it is the same in both directions.
    """
    assert parse_endpoint(one).overlaps(parse_endpoint(other)) is overlap
    assert parse_endpoint(other).overlaps(parse_endpoint(one)) is overlap


@pytest.mark.parametrize(
    ("endpoint", "host", "port", "reached"),
    [
        ("80", "127.0.0.1", 80, True),
        ("80", "localhost", 80, True),
        ("80", "127.0.0.1", 81, False),
        ("80", "::1", 80, False),
        ("80", "10.0.0.1", 80, False),
        ("80", "app.test", 80, False),
        ("tcp:80:interface=10.0.0.1", "10.0.0.1", 80, True),
        ("tcp:80:interface=127.0.0.2", "127.0.0.1", 80, False),
        ("tcp6:80", "::1", 80, True),
        ("unix:/a", "localhost", 80, False),
    ],
)
def test_reaches(endpoint: str, host: str, port: int, reached: bool) -> None:
    """
    An endpoint knows which addresses of this machine evidently lead to it.
    """
    assert parse_endpoint(endpoint).reaches(host, port) is reached
