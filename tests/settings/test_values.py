from ipaddress import ip_network

import pytest

from tlsgate.settings._values import parse_exemption, parse_host, parse_network, parse_server_url


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "path"),
    [
        ("http://127.0.0.1:9000", "http", "127.0.0.1", 9000, ""),
        ("http://App.Test", "http", "app.test", 80, ""),
        ("https://app.test/", "https", "app.test", 443, ""),
        ("https://[::1]:8443", "https", "::1", 8443, ""),
        ("http+unix:/run/app.sock", "http+unix", "", 0, "/run/app.sock"),
        ("http+unix:///run/app.sock", "http+unix", "", 0, "/run/app.sock"),
        ("demo:", "demo", "", 0, ""),
    ],
)
def test_reads_upstream_urls(text: str, scheme: str, host: str, port: int, path: str) -> None:
    """
    An upstream's URL says where its server is, and stays its name as it was written.
    """
    found = parse_server_url(text)
    assert (found.url, found.scheme, found.host, found.port, found.path) == (text, scheme, host, port, path)


@pytest.mark.parametrize(
    "text",
    [
        "", "ftp://x", "http://", "http:/x", "//x", "x", "http://x:0", "http://x:99999", "http://x:y", "http://x:",
        "http://x/path", "http://x?q", "http://x#f", "http://*.x", "http://a b", "http://[::1", "http+unix:x", "demo:x",
        "http://x\\y", "http+unix:/" + "x" * 108, "http://x\n",
    ],
)  # fmt: skip
def test_refuses_other_urls(text: str) -> None:
    """
    Anything else is refused with a sentence.
    """
    with pytest.raises(ValueError, match=r"upstream URL|more than scheme"):
        parse_server_url(text)


def test_a_password_in_a_url_is_not_repeated() -> None:
    """
    A URL with user and password is refused without repeating it.
    """
    with pytest.raises(ValueError, match="no password") as caught:
        parse_server_url("http://me:hunter2@x:1")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("*", "*"), ("App.Test.", "app.test"), ("*.b\u00fccher.test", "*.xn--bcher-kva.test"), ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
    ],
)  # fmt: skip
def test_hosts_have_one_spelling(text: str, host: str) -> None:
    """
    Hosts are A-labels in lower case without a trailing dot, addresses without brackets.
    """
    assert parse_host(text) == host


@pytest.mark.parametrize("text", ["", ".", "a b", "**", "*.*", "a..b", "http://x", "x:80", "a" * 300])
def test_refuses_other_hosts(text: str) -> None:
    """
    Anything else is no host.
    """
    with pytest.raises(ValueError, match="not a host name"):
        parse_host(text)


def test_exemptions_are_prefixes_or_networks() -> None:
    """
    What begins with a slash is a prefix of the target, the rest is a network.
    """
    assert parse_exemption("/health") == b"/health"
    assert parse_exemption("10.1.2.3/8") == ip_network("10.0.0.0/8")
    for wrong in ("health", "/a b", "/\n", ""):
        with pytest.raises(ValueError, match=r"network|prefix"):
            parse_exemption(wrong)
    assert parse_network("::1").version == 6
