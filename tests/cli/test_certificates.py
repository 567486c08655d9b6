"""
Certificates from the command line.
"""

import subprocess

import pytest

from tlsgate.certificates import self_signed


def test_upload(run, pair) -> None:
    """
    A pair becomes the default of the https binding; generation, warnings and what to do are told.
    """
    certificate, key = pair("app.test")
    ran = run("certificate", "upload", "--certificate", certificate, "--key", key, "--reason", "first")
    assert ran.status == 0, ran.err
    assert "Certificate default for app.test is served on port 8443" in ran.out
    assert "generation 2 is served by 1 of 1 workers" in ran.out
    assert "[self-signed]" in ran.out
    assert "first" in run("generation list").out


@pytest.mark.parametrize(("own", "where"), [((), ", as the default of https"), (("--no-default", "--name=app"), "")])
def test_upload_for_later(run, pair, own, where) -> None:
    """
    With C{--activate-at} a certificate waits for its time, and what serves is left alone; a time of the past is refused.
    """
    certificate, key = pair("app.test")
    upload = ["certificate", "upload", "--certificate", certificate, "--key", key, *own]
    now = run("certificate show default --json").json["not_before"]
    ran = run(*upload, "--activate-at=2027-01-20T08:00:00Z")
    assert ran.status == 0, ran.err
    assert f"for app.test waits and is served from 2027-01-20T08:00:00Z on{where}." in ran.out
    assert run("certificate show default --json").json["not_before"] == now
    assert run("status --json").json["generation"] == 1
    refused = run(*upload, "--activate-at=2020-01-15T08:00:00Z")
    assert refused.status == 1
    assert "[parameter-invalid]" in refused.err


def test_upload_refused(run, pair, tmp_path) -> None:
    """
    A stranger's key: exit status 1, detail and code on standard error, nothing changed.
    """
    certificate, _ = pair("app.test")
    other = tmp_path / "other.pem"
    other.write_bytes(self_signed("y", ["b.test"], now=1_790_000_000.0).key)
    ran = run("certificate", "upload", "--certificate", certificate, "--key", other)
    assert (ran.status, ran.out) == (1, "")
    assert "[key-mismatch]" in ran.err
    as_json = run("--json", "certificate", "upload", "--certificate", certificate, "--key", other)
    assert (as_json.status, as_json.json["code"]) == (1, "key-mismatch")
    assert run("status --json").json["generation"] == 1


def test_upload_that_serves_its_own_names(run, pair) -> None:
    """
    C{--no-default} leaves the binding's default alone; C{--port} would move it, so they exclude each other.
    """
    certificate, key = pair("app.test")
    upload = ["certificate", "upload", "--name=app", "--certificate", certificate, "--key", key, "--no-default"]
    assert run(*upload).status == 0
    assert run("sni app.test --json").json["bindings"][0]["certificate"] == "app"
    assert run("binding list --json").json["bindings"][1]["default_certificate"] == "default"
    assert run(*upload, "--port=9443").status == 2


def test_dry_run(run, pair) -> None:
    """
    A dry run tells what would happen, and nothing does.
    """
    certificate, key = pair("app.test")
    ran = run("certificate", "upload", "--certificate", certificate, "--key", key, "--dry-run")
    assert "nothing was changed" in ran.out
    assert run("status --json").json["generation"] == 1


def encrypted_key(folder, key, password: str) -> None:
    subprocess.run(
        [
            "openssl",
            "pkcs8",
            "-topk8",
            "-in",
            str(key),
            "-out",
            str(folder / "locked.pem"),
            "-passout",
            f"pass:{password}",
        ],
        check=True,
    )


def test_passwords(run, pair, tmp_path) -> None:
    """
    A password comes from a file, the environment or a prompt; never from an argument.
    """
    certificate, key = pair("app.test")
    encrypted_key(tmp_path, key, "geheim")
    upload = ["certificate", "upload", "--certificate", certificate, "--key", tmp_path / "locked.pem"]
    ran = run(*upload)
    assert (ran.status, "[key-encrypted]" in ran.err, "--password-file" in ran.err) == (1, True, True)
    (tmp_path / "password").write_text("geheim\n")
    assert run(*upload, "--password-file", tmp_path / "password", "--dry-run").status == 0
    assert run(*upload, "--dry-run", env={"TLSGATE_PASSWORD": "geheim"}).status == 0
    asked = run(*upload, "--dry-run", "--password", input="geheim\n")
    assert (asked.status, "geheim" in asked.out + asked.err) == (0, False)
    assert "[wrong-password]" in run(*upload, env={"TLSGATE_PASSWORD": "falsch"}).err


def test_import_pfx(run, pair, tmp_path) -> None:
    """
    A PKCS#12 file with its password.
    """
    certificate, key = pair("app.test")
    pfx = tmp_path / "app.pfx"
    subprocess.run(
        ["openssl", "pkcs12", "-export", "-in", certificate, "-inkey", key, "-out", pfx, "-passout", "pass:p"],
        check=True,
    )
    ran = run("certificate", "import-pfx", pfx, "--name=app", env={"TLSGATE_PASSWORD": "p"})
    assert ran.status == 0, ran.err
    assert run("certificate show app --json").json["source"] == "pfx"
    assert run("certificate import-pfx").status == 2


def test_signed_by_the_local_ca(run) -> None:
    """
    With C{--local-ca} the gate's own CA signs, and the script of the change says so.
    """
    ran = run("certificate self-signed --name=dev --names=dev.test --local-ca --show-script")
    assert ran.status == 0, ran.err
    shown = run("certificate show dev --json").json
    assert (shown["self_signed"], shown["issuer"]) == (False, "CN=tlsgate local CA")
    assert "--local-ca" in ran.out + ran.err


def test_self_signed_list_show_remove(run) -> None:
    """
    A certificate is made, listed, shown without its key, and removed.
    """
    made = run("certificate self-signed --name=lab --names=lab.test,www.lab.test --names=10.0.0.1 --days=10")
    assert made.status == 0, made.err
    assert "lab.test" in run("certificate list").out
    shown = run("certificate show lab")
    assert "10.0.0.1" in shown.out
    assert "PRIVATE" not in shown.out
    assert run("certificate show lab --pem").out.startswith("-----BEGIN CERTIFICATE-----")
    assert run("certificate remove lab").status == 0
    gone = run("certificate show lab")
    assert (gone.status, "[not-found]" in gone.err) == (1, True)


def test_csr(run, tmp_path) -> None:
    """
    A request goes out, can be shown again, and is given up; its certificate must fit.
    """
    out = tmp_path / "app.csr"
    ran = run("certificate", "csr", "--name=app", "--names=app.test", "--subject=O=Example", "--out", out)
    assert ran.status == 0, ran.err
    text = subprocess.run(["openssl", "req", "-in", out, "-noout", "-subject"], check=True, capture_output=True).stdout
    assert b"Example" in text
    assert run("certificate csr --name=app").out == out.read_text()
    signed = tmp_path / "signed.pem"
    signed.write_bytes(self_signed("x", ["app.test"], now=1_790_000_000.0).chain)
    assert "[key-mismatch]" in run("certificate", "csr", "--name=app", "--certificate", signed).err
    assert run("certificate csr --name=app --cancel").status == 0
    assert run("certificate csr --name=app").status == 1
    assert run("certificate csr --name=app --names=a --cancel").status == 2
