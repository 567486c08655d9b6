"""
What is served, why, and who still uses plain HTTP.
"""


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


def test_completion(run) -> None:
    """
    Each shell gets its own script.
    """
    for shell in ("bash", "zsh", "fish"):
        assert "_TLSGATE_COMPLETE" in run(f"completion {shell}").out
