"""
Bindings, sites and upstreams from the command line.
"""


def test_bindings(run) -> None:
    """
    A binding is added, changed in one setting, listed and removed.
    """
    assert run("binding add other --scheme=https --endpoint=tcp:9443").status == 0
    changed = run("binding set other --tls-profile=modern --json")
    assert (changed.json["binding"]["tls_profile"], changed.json["binding"]["endpoint"]) == ("modern", "tcp:9443")
    assert "9443" in run("binding list").out
    missing = run("binding set none --tls-profile=modern")
    assert (missing.status, "[not-found]" in missing.err) == (1, True)
    assert run("binding remove other").status == 0
    assert "9443" not in run("binding list").out


def test_sites(run) -> None:
    """
    A site is added with several hosts, shown as TOML, changed and removed.
    """
    assert run("site add app --hosts=a.test,b.test --host=c.test --upstream=app").status == 0
    assert 'hosts = ["a.test", "b.test", "c.test"]' in run("site show app").out
    assert run("site set app --max-body=1024 --redirect=report").status == 0
    shown = run("site show app --json").json
    assert (shown["max_body"], shown["redirect"]["mode"], len(shown["hosts"])) == (1024, "report", 3)
    assert run("site set app --redirect=null --max-body=null").status == 0
    shown = run("site show app --json").json
    assert (shown["max_body"], shown["redirect"]["mode"]) == (0, "disabled")
    assert run("site remove app").status == 0
    assert "a.test" not in run("site list").out


def test_upstreams(run) -> None:
    """
    An upstream is added with its servers; one is drained, resumed, and the upstream removed.
    """
    added = run("upstream add farm --server=http://127.0.0.1:9001 --server=http://127.0.0.1:9002 --health-path=/ok")
    assert added.status == 0, added.err
    assert run("upstream drain farm http://127.0.0.1:9001").status == 0
    states = [server["state"] for server in run("upstream show farm --json").json["servers"]]
    assert states == ["drain", "up"]
    assert "drain" in run("upstream list").out
    assert run("upstream resume farm http://127.0.0.1:9001").status == 0
    assert run("upstream set farm --selection=round-robin").status == 0
    assert run("upstream remove farm").status == 0
    refused = run("upstream remove app")
    assert (refused.status, "[in-use]" in refused.err) == (1, True)


def test_usage(run) -> None:
    """
    What cannot be meant is a usage error, before the gate is asked.
    """
    assert run("site add").status == 2
    assert run("site add a --name=b --hosts=x").status == 2
    assert run("site set default").status == 2
    assert run("site set default --max-body=many").status == 2
    assert run("site set default --forwarded=perhaps").status == 2
    assert run("site set default --hsts=all").status == 2
    assert run("site set default --unknown=1").status == 2
