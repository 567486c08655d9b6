"""
Settings documents and C{configure}.
"""

import pytest


def test_check(run, tmp_path) -> None:
    """
    A document is checked without a gate; each error with file, line and a suggestion.
    """
    bad = tmp_path / "bad.toml"
    bad.write_text('[[site]]\nname = "x"\nhosts = ["*"]\nupstrem = "app"\n')
    ran = run("check", bad)
    assert ran.status == 1
    assert f"{bad}:4:" in ran.err
    assert "did you mean 'upstream'?" in ran.err
    assert run("--json", "check", bad).json["valid"] is False
    assert run("check", tmp_path / "none.toml").status == 2
    (tmp_path / "worse.toml").write_text("a = \n")
    assert "line 1" in run("check", tmp_path / "worse.toml").err


def test_check_of_what_is_shipped(run) -> None:
    """
    The documents of conf are without errors.
    """
    ran = run("check", "conf/minimal.toml")
    assert (ran.status, ran.out) == (0, "conf/minimal.toml: no errors\n")


def test_settings_and_apply(run, tmp_path) -> None:
    """
    The settings come out as TOML and go back in, changed; what the gate refuses is told with its line.
    """
    document = tmp_path / "gate.toml"
    document.write_text(run("settings").out + "\n[timeouts]\nidle = 30.0\n")
    dry = run("apply", document, "--dry-run")
    assert (dry.status, run("status --json").json["generation"]) == (0, 1)
    assert run("apply", document).status == 0
    assert run("settings --json").json["timeouts"]["idle"] == 30.0
    document.write_text(document.read_text().replace("idle = 30.0", "idle = -1.0"))
    ran = run("apply", document)
    assert ran.status == 1
    assert "[invalid-settings]" in ran.err
    assert f"{document}:" in ran.err


def test_apply_a_patch(run) -> None:
    """
    A merge patch instead of a file.
    """
    assert run("apply", '--patch={"timeouts": {"idle": 20}}').status == 0
    assert run("settings --json").json["timeouts"]["idle"] == 20
    assert run("apply", "--patch={").status == 2
    assert run("apply").status == 2


@pytest.mark.parametrize(
    "line",
    [
        "configure --redirect=all --hsts-enabled=true --hsts-max-age=31556926 --force default",
        "configure --redirect=all --hstsEnabled=true --hstsMaxAge=31556926 --force default",
        "configure --webForceSSL=true --hsts-enabled --hsts-max-age 31556926 --site=default --force default",
        "configure --redirect-mode all --hsts-enabled=True --hsts-max-age=31556926 --force default",
    ],
)
def test_configure(run, line) -> None:
    """
    Redirect and HSTS in one change, in our spelling and in Octopus's.
    """
    ran = run(line)
    assert ran.status == 0, ran.err
    site = run("site show default --json").json
    assert site["redirect"]["mode"] == "all"
    assert (site["hsts"]["enabled"], site["hsts"]["max_age"]) == (True, 31556926)
    assert "[hsts-long-without-ramp]" in ran.out
    assert run("status --json").json["generation"] == 2


def test_configure_other_site(run) -> None:
    """
    The site can be named; with several and no default, it must be.
    """
    assert run("site add app --hosts=a.test --upstream=app").status == 0
    assert run("configure --site=app --max-body=10").status == 0
    assert run("site remove default").status == 0
    assert run("configure --max-body=20").status == 0
    assert run("site show app --json").json["max_body"] == 20
    assert run("site add app2 --hosts=b.test --upstream=app").status == 0
    ran = run("configure --max-body=20")
    assert (ran.status, "app, app2" in ran.err) == (2, True)


def test_configure_nothing(run) -> None:
    """
    Without a setting there is nothing to do, and that is said.
    """
    assert run("configure").status == 2


def test_show_script(run) -> None:
    """
    The same change as commands to paste.
    """
    out = run("configure --max-body=5 --show-script --dry-run").out
    assert "tlsgate site set --name=default --max-body=5 --dry-run" in out
    assert "curl --cacert" in out
