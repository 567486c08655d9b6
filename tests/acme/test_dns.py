"""
Records made by hook programs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tlsgate.acme import OrderFailed
from tlsgate.acme._dns import Records, record_name


def hook(folder: Path, body: str, mode: int = 0o700) -> Records:
    program = folder / "hook"
    program.write_text(f"#!{sys.executable}\n{body}\n")
    program.chmod(mode)
    return Records(folder, hook="hook", timeout=5)


def said(records: Records) -> str:
    with pytest.raises(OrderFailed) as caught:
        records.present("_acme-challenge.a.test", "value")
    assert caught.value.problem.code in ("dns-provider", "challenge-impossible")
    return caught.value.problem.said


def test_arguments(tmp_path: Path) -> None:
    """
    A hook gets verb, name and value as they are, without a shell.
    """
    records = hook(tmp_path, f"import sys; open({str(tmp_path / 'out')!r}, 'a').write(repr(sys.argv[1:]))")
    records.present("_acme-challenge.a.test", "$(id);`x`")
    records.cleanup("_acme-challenge.a.test", "v")
    assert (tmp_path / "out").read_text() == (
        "['present', '_acme-challenge.a.test', '$(id);`x`']['cleanup', '_acme-challenge.a.test', 'v']"
    )


def test_refuses_what_others_may_write(tmp_path: Path) -> None:
    """
    A hook that others could have changed is not run.
    """
    assert "nobody but" in said(hook(tmp_path, "raise SystemExit(0)", 0o722))
    (tmp_path / "hook").unlink()
    (tmp_path / "hook").mkdir()
    assert "nobody but" in said(Records(tmp_path, hook="hook"))


def test_failures(tmp_path: Path) -> None:
    """
    A hook that is missing, fails, cannot be run or does not end is told apart.
    """
    assert "cannot be run" in said(Records(tmp_path, hook="missing"))
    assert "status 3: no such zone" in said(hook(tmp_path, "import sys; print('no such zone'); sys.exit(3)"))
    assert "cannot be run" in said(hook(tmp_path, "", 0o600))
    records = Records(tmp_path, hook="hook", timeout=0.3)
    hook(tmp_path, "import time; time.sleep(60)")
    assert "took more than" in said(records)


def test_no_way() -> None:
    """
    Without hook and provider there is no way to make records.
    """
    assert "acme.dns_hook" in said(Records(Path("unused")))


def test_provider_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A provider without dns-lexicon says what to install.
    """
    monkeypatch.setitem(sys.modules, "lexicon.client", None)
    assert "tlsgate[dns]" in said(Records(Path("unused"), provider="cloudflare"))


def test_record_name() -> None:
    """
    The record stands under the name (RFC 8555 section 8.4).
    """
    assert record_name("a.test") == "_acme-challenge.a.test"
