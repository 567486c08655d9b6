from pathlib import Path
from typing import Any

import pytest

from tlsgate.settings import GateOptions, OptionRefused, default_document, read_options, validate_document


def read(**more: Any) -> GateOptions:
    return read_options(**{"environ": {}, "foreground": True, **more})


def written(folder: Path, text: str) -> str:
    path = folder / "document.toml"
    path.write_text(text)
    return str(path)


def test_defaults() -> None:
    """
    Without options nothing is pinned, and generation 1 is the default document.
    """
    options = read()
    assert options.first_document() == default_document()
    assert not options.pins
    assert options.state == Path("tlsgate-state").absolute()
    assert options.admin_endpoint == "tcp:8444:interface=127.0.0.1"
    assert (options.workers, options.access_log, options.drain_timeout) == (None, "-", 30.0)
    assert read(foreground=False).access_log == "none"


def test_state_folder() -> None:
    """
    The state folder is the option's, else the first that systemd names.
    """
    assert read(environ={"STATE_DIRECTORY": "/a:/b"}).state == Path("/a")
    assert read(environ={"STATE_DIRECTORY": "/a"}, state="/c").state == Path("/c")


def test_endpoints_and_upstreams_are_pinned() -> None:
    """
    Several endpoints get a binding each, several upstreams are servers of one.
    """
    options = read(http=["8000"], https=["9443", "tcp:9444"], upstream=["http://a:1", "http://b:2"])
    settings = validate_document(options.pins.apply(options.first_document()))
    assert {b.name: b.endpoint.port for b in settings.bindings} == {"http": 8000, "https": 9443, "https-2": 9444}
    assert [server.url.host for server in settings.upstreams[0].servers] == ["a", "b"]
    assert settings.bindings[1].default_certificate == "default"


def test_drain_timeout_is_pinned() -> None:
    """
    The option is what holds, and the setting says so.
    """
    options = read(drain_timeout="2.5")
    assert options.drain_timeout == 2.5
    assert options.pins.describe() == {"/timeouts/drain": "--drain-timeout"}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("workers", "many"), ("workers", "-1"), ("workers", "99999"), ("workers", "\u0661"), ("upstream", ["ftp://x"]),
        ("http", ["none", "80"]), ("http", ["tcp:x"]), ("https", ["ssl:443"]), ("admin", "x"), ("state", ""),
        ("store", "redis://x"), ("store", "etcd://a:1,b:2/prefix"),
        ("access_log", ""), ("access_log_format", "xml"), ("drain_timeout", "soon"),
        ("drain_timeout", "nan"), ("drain_timeout", "-1"), ("drain_timeout", "1_0"), ("config", "/nowhere"),
        ("initial", "/nowhere"),
    ],
)  # fmt: skip
def test_refusals_name_the_option(option: str, value: Any) -> None:
    """
    What is wrong with an option begins with its name.
    """
    with pytest.raises(OptionRefused, match="^--" + option.replace("_", "-")):
        read(**{option: value})


def test_good_values() -> None:
    """
    All other options pass as they were meant.
    """
    options = read(workers="0", admin="none", access_log="x.log", access_log_format="json")
    assert options.workers == 0
    assert options.admin_endpoint is None
    assert options.access_log == str(Path("x.log").absolute())


def test_config_is_pinned_and_read_again(tmp_path: Path) -> None:
    """
    C{--config} pins what it names, options win over it, and it can be read again.
    """
    path = written(tmp_path, '[acme]\nemail = "a@b"\n[[binding]]\nname = "https"\nscheme = "https"\nendpoint = 1443\n')
    options = read(config=path, https=["2443"])
    served = options.pins.apply(options.first_document())
    assert [entry["endpoint"] for entry in served["binding"]] == ["tcp:8080", "tcp:2443"]
    assert options.pins.describe()["/acme/email"] == f"--config {path}"
    written(tmp_path, '[acme]\nemail = "c@d"\n')
    assert options.reloaded().pins.overlay["acme"] == {"email": "c@d"}
    written(tmp_path, "[acme\n")
    with pytest.raises(OptionRefused, match="--config"):
        options.reloaded()


@pytest.mark.parametrize(
    "text",
    [
        '[[upstream]]\nname = "backend"\nservers = [{ url = "http://a:1" }]\n',
        '[[site]]\nname = "x"\nhosts = ["*"]\nupstream = "b"\n[[upstream]]\nname = "b"\nservers = [{ url = "http://a:1" }]\n',
        '[[site]]\nname = "x"\nhosts = ["*"]\nupstream = "app"\n',
        '[[binding]]\nname = "plain"\nscheme = "http"\nendpoint = 8080\n',
        '[[binding]]\nname = "https"\nstrict_sni = true\n',
    ],
)
def test_config_stands_beside_the_default_document(tmp_path: Path, text: str) -> None:
    """
    On an empty state folder a C{--config} is enough, whatever names it uses.
    """
    options = read(config=written(tmp_path, text))
    validate_document(options.pins.apply(options.first_document()))


def test_config_may_need_what_is_stored(tmp_path: Path) -> None:
    """
    Once there is a generation, C{--config} may name a part of what it has.
    """
    path = written(tmp_path, '[[site]]\nname = "stored"\nmax_body = 5\n')
    with pytest.raises(OptionRefused, match="site/0/hosts"):
        read(config=path, state=str(tmp_path / "state"))
    (tmp_path / "state" / "generations").mkdir(parents=True)
    assert read(config=path, state=str(tmp_path / "state")).pins.describe()["/site/stored/max_body"]


def test_initial(tmp_path: Path) -> None:
    """
    C{--initial} is generation 1 and pins nothing; it is checked whole, also together with what is pinned.
    """
    site = (
        '[[site]]\nname = "x"\nhosts = ["*"]\nupstream = "b"\n[[upstream]]\nname = "b"\nservers = [{ url = "demo:" }]\n'
    )
    options = read(initial=written(tmp_path, site))
    assert options.initial == options.first_document()
    assert not options.pins
    with pytest.raises(OptionRefused, match=r"document.toml:4: site/0/upstream: There is no upstream"):
        read(initial=written(tmp_path, site.replace('"b"', '"c"', 1)))
    looped = site.replace("demo:", "http://127.0.0.1:80")
    with pytest.raises(OptionRefused, match="in circles"):
        read(initial=written(tmp_path, looped), http=["80"])


def test_errors_are_told_with_line_and_path(tmp_path: Path) -> None:
    """
    A wrong document is told line by line.
    """
    with pytest.raises(OptionRefused, match=r"^--config .*document.toml:3: site/0/upstrem: .*'upstream'"):
        read(config=written(tmp_path, '[[site]]\nname = "x"\nupstrem = "app"\n'))
