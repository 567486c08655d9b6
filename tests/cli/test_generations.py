"""
The history from the command line.
"""


def test_history(run) -> None:
    """
    Changes are listed with author and reason, shown, compared and taken back.
    """
    assert run("configure --max-body=5 --reason because").status == 0
    listed = run("generation list")
    assert "because" in listed.out
    assert "local:root" in listed.out
    assert "max_body = 5" in run("generation show 2").out
    assert "max_body" in run("generation diff 1").out
    assert run("generation diff 1 --with=1").out == "Nothing differs.\n"
    assert run("generation rollback 1").status == 0
    assert run("site show default --json").json["max_body"] == 0
    missing = run("generation show 99")
    assert (missing.status, "[not-found]" in missing.err) == (1, True)


def test_confirm(run, gate) -> None:
    """
    A change waits to be confirmed, and says how; confirming keeps it.
    """
    nothing = run("generation confirm")
    assert (nothing.status, "Nothing waits" in nothing.err) == (1, True)
    ran = run("configure --max-body=5 --confirm-within 60")
    assert "tlsgate generation confirm 2" in ran.out
    assert "unconfirmed" in run("generation list").out
    gate.harness.clock.advance(1)
    kept = run("generation confirm")
    assert (kept.status, kept.out) == (0, "Generation 2 is kept.\n"), kept.err
    gate.harness.now += 120
    gate.harness.clock.advance(120)
    assert run("site show default --json").json["max_body"] == 5


def test_if_generation(run) -> None:
    """
    A change for a generation that is no longer current is refused.
    """
    assert run("configure --max-body=5 --if-generation=1").status == 0
    ran = run("configure --max-body=6 --if-generation=1")
    assert (ran.status, "[generation-moved]" in ran.err) == (1, True)
