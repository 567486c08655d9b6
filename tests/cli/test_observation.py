"""
What is served, why, and who still uses plain HTTP.
"""

import json

import pytest
from click.shell_completion import BashComplete

from tlsgate.cli import command


def test_status_for_people(run) -> None:
    """
    Status shows bindings, certificates and sites in tables.
    """
    ran = run("status")
    assert (ran.status, ran.err) == (0, "")
    assert "generation 1, 1 of 1 workers" in ran.out
    assert "binding https" in ran.out


def test_status_shows_the_countdown(run, gate) -> None:
    """
    What comes undone by itself is said, until it is confirmed.
    """
    assert run("configure --redirect=report --confirm-within 60").status == 0
    assert "comes undone at " in run("status").out
    gate.harness.clock.advance(1)
    assert run("generation confirm").status == 0
    assert "undone" not in run("status").out


def test_status_for_scripts(run) -> None:
    """
    C{--json} gives the API's document, before the command or after it.
    """
    before, after = run("--json status"), run("status --json")
    assert before.json["generation"] == after.json["generation"] == 1
    assert {"bindings", "certificates", "sites", "findings", "workers"} <= before.json.keys()


def test_sni(run) -> None:
    """
    The certificate of a name, and why.
    """
    assert "default" in run("sni gate.test").out
    assert run("sni --json").json["name"] == ""


def test_redirect(run) -> None:
    """
    The report is empty where nobody came; a request is explained by its rule.
    """
    assert run("redirect report").out == "nobody has used plain HTTP\n"
    assert "disabled" in run("redirect explain http://gate.test/a?b=c").out
    assert run("configure --redirect=browsers --force default").status == 0
    ran = run("redirect explain --json --browser http://gate.test/a?b=c")
    assert (ran.json["redirected"], ran.json["location"]) == (True, "https://gate.test:8443/a?b=c")
    assert run("redirect explain --header nonsense http://gate.test/").status == 2


@pytest.mark.parametrize(
    ("words", "incomplete", "offered"),
    [
        ([], "cert", ["certificate"]),
        (["certificate"], "import-", ["import-pfx", "import-folder"]),
        (["configure"], "--hsts-m", ["--hsts-max-age"]),
        (["configure", "--redirect"], "b", ["browsers"]),
        (["site", "set", "--hsts-enabled"], "", ["true", "false"]),
        (["token", "create", "--permission"], "v", ["view_settings"]),
    ],
)
def test_what_is_offered(words, incomplete, offered) -> None:
    """
    Commands, options and the words that settings may be are completed, by what a shell asks.
    """
    found = BashComplete(command, {}, "tlsgate", "_TLSGATE_COMPLETE").get_completions(words, incomplete)
    assert sorted(item.value for item in found) == sorted(offered)


def test_audit(gate, run) -> None:
    """
    Who did what is a table for people, and records for scripts.
    """
    assert run("configure --max-body=-1").status == 1
    ran = run("audit --limit 5")
    assert (ran.status, "PATCH /api/v1/sites/default" in ran.out, "[invalid-settings]" in ran.out) == (0, True, True)
    assert run("audit --code pinned").out == "There is nothing.\n"
    [record] = run("audit --json --code invalid-settings").json["records"]
    assert record["status"] == 422
    assert run("audit --since yesterday").status == 1


def test_events(gate, run) -> None:
    """
    Events that are wanted are printed, a line each, until there are enough.
    """
    for size in (1, 2):
        assert run(f"configure --max-body={size}").status == 0
    lines = run("events --after 0 --kind generation --count 2 --json").out.splitlines()
    assert [json.loads(line)["data"]["number"] for line in lines] == [2, 3]
    assert run("events --after 1 --count 1").out.startswith("2 generation {")


def test_one_error_is_told_once(run) -> None:
    """
    A refusal says what is wrong once, and with several errors each of them.
    """
    assert run("configure --redirect=sometimes").err.count("must be") == 1
    assert run("configure --redirect=sometimes --max-body=-1").err.count("\n  /site/0/") == 2


def test_completion(run) -> None:
    """
    Each shell gets its own script.
    """
    for shell in ("bash", "zsh", "fish"):
        assert "_TLSGATE_COMPLETE" in run(f"completion {shell}").out
