"""
The deploy hooks, run as certbot and acme.sh run them, on files as these lay them out, against a real gate.
"""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from _certificates import Pair, make_pair
from _clients import served_fingerprint

HOOKS = Path(__file__).parents[2] / "conf" / "hooks"

#: What acme.sh gives its hooks: settings kept in a file, and words for the person who watches.
ACME_SH = """
_getdeployconf() {{ eval "_v=\\"\\${{$1:-}}\\""; [ -n "$_v" ] || {{ [ -f {conf} ] && . {conf}; }}; return 0; }}
_savedeployconf() {{ printf "%s='%s'\\n" "$1" "$2" >> {conf}; }}
_info() {{ echo "$@"; }}
_err() {{ echo "$@" >&2; }}
"""


@pytest.fixture
def lineage(tmp_path):
    """
    Makes a folder as certbot's C{live/NAME}: links into C{archive}, replaced at each renewal.
    """
    made: list[Pair] = []

    def renew(name: str) -> tuple[Path, Pair]:
        pair = make_pair(tmp_path / "made", name.removeprefix("*.").split("-0001")[0])
        made.append(pair)
        archive, live = tmp_path / "archive" / name, tmp_path / "live" / name
        archive.mkdir(parents=True, exist_ok=True)
        live.mkdir(parents=True, exist_ok=True)
        for file, source in (("fullchain", pair.certificate), ("privkey", pair.key)):
            (archive / f"{file}{len(made)}.pem").write_bytes(source.read_bytes())
            link = live / f"{file}.pem"
            link.unlink(missing_ok=True)
            link.symlink_to(f"../../archive/{name}/{file}{len(made)}.pem")
        return live, pair

    return renew


def certbot(live: Path, domains: str, **environment: object) -> subprocess.CompletedProcess[str]:
    """
    Run the hook as certbot does: a shell command, with what was renewed in the environment.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TLSGATE_")}
    words = {"TLSGATE_HOOK_CONF": "/nonexistent", "TLSGATE_TRIES": 0, **environment}
    return subprocess.run(
        shlex.quote(str(HOOKS / "certbot-deploy")),
        shell=True,
        check=False,
        env={
            **clean,
            "RENEWED_LINEAGE": str(live),
            "RENEWED_DOMAINS": domains,
            **{name: str(value) for name, value in words.items()},
        },
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_certbot_over_the_socket(gate, lineage) -> None:
    """
    A new lineage is served under its name, and the renewed one in its place.
    """
    for _ in range(2):
        live, pair = lineage("bot.test-0001")
        ran = certbot(live, "bot.test www.bot.test", TLSGATE_STATE=gate.state)
        assert (ran.returncode, ran.stdout) == (0, "tlsgate: serves bot.test-0001 (bot.test www.bot.test)\n"), (
            ran.stderr
        )
        assert served_fingerprint(gate.https, "bot.test") == pair.fingerprint
    rows = gate.call("GET", "/api/v1/generations").json["generations"]
    assert rows[0]["reason"] == "certbot renewed"


def test_certbot_over_https(gate, lineage, tmp_path) -> None:
    """
    With a URL the hook sends a token from a file, trusts the named CA only, and may keep all that in a file.
    """
    live, pair = lineage("url.test")
    token = tmp_path / "token"
    token.write_text(gate.token + "\n")
    conf = tmp_path / "hook.conf"
    conf.write_text(
        f"TLSGATE_URL=https://127.0.0.1:{gate.admin}\nTLSGATE_TOKEN_FILE={token}\n"
        f"TLSGATE_CACERT={gate.state}/admin-ca.pem\nTLSGATE_NAME=by-url\n"
    )
    ran = certbot(live, "url.test", TLSGATE_HOOK_CONF=conf)
    assert ran.returncode == 0, ran.stderr
    assert served_fingerprint(gate.https, "url.test") == pair.fingerprint
    assert gate.call("GET", "/api/v1/certificates/by-url").status == 200
    untrusted = certbot(live, "url.test", TLSGATE_URL=f"https://127.0.0.1:{gate.admin}", TLSGATE_TOKEN=gate.token)
    assert (untrusted.returncode, "not reached" in untrusted.stderr) == (1, True)


def test_certbot_refused(gate, lineage) -> None:
    """
    What the gate refuses makes the hook fail with the reason, and changes nothing.
    """
    live, pair = lineage("bad.test")
    assert certbot(live, "bad.test", TLSGATE_STATE=gate.state).returncode == 0
    other, _ = lineage("other.test")
    (live / "privkey.pem").unlink()
    (live / "privkey.pem").symlink_to(other / "privkey.pem")
    ran = certbot(live, "bad.test", TLSGATE_STATE=gate.state)
    assert ran.returncode == 1
    assert "key-mismatch" in ran.stderr
    assert served_fingerprint(gate.https, "bad.test") == pair.fingerprint


def test_certbot_without_a_gate(lineage, tmp_path) -> None:
    """
    No gate, or no lineage: exit status 1 and one line.
    """
    live, _ = lineage("x.test")
    ran = certbot(live, "x.test", TLSGATE_STATE=tmp_path)
    assert (ran.returncode, "not reached" in ran.stderr) == (1, True)
    assert certbot(Path(), "", RENEWED_LINEAGE="").returncode == 1


def test_acme_sh(gate, tmp_path) -> None:
    """
    acme.sh's hook gets the five paths; a wildcard has a name that can stand in a path; settings are kept for renewals.
    """
    conf = tmp_path / "domain.conf"
    words = ACME_SH.format(conf=conf)

    def deploy(pair: Pair, **environment: str) -> subprocess.CompletedProcess[str]:
        files = ["*.sh.test", pair.key, "leaf", "ca", pair.certificate]
        script = (
            f". {shlex.quote(str(HOOKS / 'acme-sh-tlsgate.sh'))}\n{words}\ntlsgate_deploy {shlex.join(map(str, files))}"
        )
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TLSGATE_")}
        return subprocess.run(
            ["sh", "-c", script], check=False, env={**clean, **environment}, capture_output=True, text=True, timeout=60
        )

    first = make_pair(tmp_path / "made", "*.sh.test")
    ran = deploy(first, TLSGATE_STATE=str(gate.state), TLSGATE_TRIES="0")
    assert (ran.returncode, ran.stdout) == (0, "tlsgate serves wildcard.sh.test.\n"), ran.stderr
    assert served_fingerprint(gate.https, "a.sh.test") == first.fingerprint
    second = make_pair(tmp_path / "made", "*.sh.test")
    assert deploy(second).returncode == 0
    assert served_fingerprint(gate.https, "a.sh.test") == second.fingerprint
    third = make_pair(tmp_path / "made", "*.sh.test")
    refused = deploy(Pair(third.certificate, second.key, third.leaf))
    assert (refused.returncode, "key-mismatch" in refused.stderr) == (1, True)
    assert served_fingerprint(gate.https, "a.sh.test") == second.fingerprint


def test_form_as_terraform_writes_it(gate, tmp_path) -> None:
    """
    The form of the Terraform example: parts without file names, the chain after the leaf; a second time is no change.
    """
    pair = make_pair(tmp_path, "form.test")
    boundary = "tlsgate-7d1f0c9a"
    part = f"--{boundary}\r\nContent-Disposition: form-data; name="
    body = "".join(
        [
            *(part, '"certificate"\r\n\r\n', pair.certificate.read_text(), "\r\n"),
            *(part, '"key"\r\n\r\n', pair.key.read_text(), f"\r\n--{boundary}--\r\n"),
        ]
    ).encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    path = "/app/https/settings/uploadCertificate?reason=terraform"
    first = gate.call("POST", path, content=body, fields=kind)
    assert (first.status, first.json["certificate"]["fingerprint"]) == (200, pair.fingerprint)
    again = gate.call("POST", path, content=body, fields=kind)
    assert (again.status, again.json["generation"]) == (200, first.json["generation"])


def test_document_as_ansible_sends_it(gate, tmp_path) -> None:
    """
    The JSON of the Ansible example.
    """
    pair = make_pair(tmp_path, "ansible.test")
    # Ansible's file lookup strips the end of the file.
    body = {"certificate": pair.certificate.read_text().rstrip(), "key": pair.key.read_text().rstrip()}
    answer = gate.call("PUT", "/api/v1/certificates/shop?reason=ansible", body)
    assert answer.status == 201
    assert served_fingerprint(gate.https, "ansible.test") == pair.fingerprint
