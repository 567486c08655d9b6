"""
Tokens from the command line.
"""


def test_tokens(run) -> None:
    """
    A token's secret is alone on standard output; it works over HTTPS until it is revoked.
    """
    made = run("token create ci --permission=view_settings --expires-in=90d --network=127.0.0.0/8")
    assert made.status == 0, made.err
    secret = made.out.strip()
    assert secret.startswith("tlsg_")
    ident = run("token list --json").json["tokens"][0]["id"]
    assert secret not in run("token list").out
    assert run("status", "--json", env={"TLSGATE_TOKEN": secret}).status == 0
    refused = run("configure", "--max-body=5", env={"TLSGATE_TOKEN": secret})
    assert (refused.status, "[permission-missing]" in refused.err) == (1, True)
    assert run("token", "revoke", ident).status == 0
    late = run("status", "--json", env={"TLSGATE_TOKEN": secret})
    assert (late.status, "[token-invalid]" in late.err) == (1, True)


def test_usage(run) -> None:
    """
    A token needs a name and a permission that there is, and a time that can be read.
    """
    assert run("token create --permission=admin").status == 2
    assert run("token create x").status == 2
    assert run("token create x --permission=everything").status == 2
    assert run("token create x --permission=admin --expires-in=soon").status == 2
