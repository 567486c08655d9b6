"""
Everything that people upload, by the real openssl and by hand.
"""

from __future__ import annotations

import base64
import random
import shutil
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.certificates import LARGEST, Roots, known_issuers, read_certificate, self_signed
from tlsgate.problems import Problem

NOW = 1_800_000_000.0
NOBODY = Roots(())


def read(*, password=None, now=None, intermediates=(), roots=NOBODY, **parts):
    """
    Read parts given by name, each one content or several.
    """
    listed = {name: [given] if isinstance(given, bytes) else given for name, given in parts.items()}
    return read_certificate(
        listed,
        name="x",
        password=password,
        now=time.time() if now is None else now,
        intermediates=intermediates,
        roots=roots,
    )


def refused(**parts) -> str:
    """
    The code that the parts are refused with.
    """
    with pytest.raises(Problem) as caught:
        read(**parts)
    assert caught.value.detail.endswith(".")
    return caught.value.code


@pytest.fixture(scope="session")
def forms(workshop):
    """
    The workshop's pair in every form that openssl writes.
    """
    run = workshop.run
    secret = ("-passout", "pass:pw")
    run("pkcs12", "-export", "-inkey", "k.pem", "-in", "c.pem", "-out", "modern.pfx", *secret)
    run(
        "pkcs12", "-export", "-legacy", "-inkey", "k.pem", "-in", "c.pem", "-out", "legacy.pfx", *secret, "-name", "one"
    )
    run("pkcs12", "-export", "-inkey", "k.pem", "-in", "c.pem", "-out", "empty.pfx", "-passout", "pass:")
    run("pkcs12", "-export", "-nokeys", "-in", "c.pem", "-out", "nokey.pfx", *secret)
    run("rsa", "-in", "k.pem", "-traditional", "-aes128", "-out", "traditional.key", *secret)
    run("rsa", "-in", "k.pem", "-traditional", "-out", "pkcs1.key")
    run("rsa", "-in", "k.pem", "-outform", "DER", "-out", "der.key")
    run("pkcs8", "-topk8", "-in", "k.pem", "-out", "pkcs8.key", *secret)
    run("pkcs8", "-topk8", "-in", "k.pem", "-outform", "DER", "-out", "pkcs8.der", *secret)
    run("pkcs8", "-topk8", "-in", "k.pem", "-v1", "PBE-SHA1-3DES", "-out", "3des.key", *secret)
    run("pkcs8", "-topk8", "-in", "k.pem", "-scrypt", "-out", "scrypt.key", *secret)
    run("pkcs8", "-topk8", "-in", "k.pem", "-iter", "9000000", "-out", "heavy.key", *secret)
    run("crl2pkcs7", "-nocrl", "-certfile", "c.pem", "-out", "p7.pem")
    run("crl2pkcs7", "-nocrl", "-certfile", "c.pem", "-outform", "DER", "-out", "p7.der")
    run("x509", "-in", "c.pem", "-outform", "DER", "-out", "c.der")
    run("x509", "-in", "c.pem", "-trustout", "-out", "trusted.pem")
    run("req", "-new", "-key", "k.pem", "-subj", "/CN=x", "-out", "request.pem")
    run("req", "-new", "-key", "k.pem", "-subj", "/CN=x", "-outform", "DER", "-out", "request.der")
    run("rsa", "-in", "k.pem", "-pubout", "-out", "public.pem")
    return workshop


@pytest.mark.parametrize("form", ["c.pem", "c.der", "p7.pem", "p7.der"])
@pytest.mark.parametrize("key", ["k.pem", "pkcs1.key", "der.key"])
def test_reads_every_form(forms, form, key) -> None:
    """
    Certificates in PEM, DER and PKCS#7 go with keys in PKCS#8, PKCS#1 and DER.
    """
    result = read(certificate=forms[form], key=forms[key])
    certificate = result.certificate
    assert (certificate.names, certificate.key_type) == (("a.test", "127.0.0.1"), "rsa-2048")
    assert certificate.key.startswith(b"-----BEGIN PRIVATE KEY-----")
    assert (result.source, result.findings) == ("upload", ())


@pytest.mark.parametrize("key", ["traditional.key", "pkcs8.key", "pkcs8.der", "3des.key", "scrypt.key"])
def test_reads_encrypted_keys(forms, key) -> None:
    """
    An encrypted key needs its password, and says so when it is missing or wrong.
    """
    assert read(certificate=forms["c.pem"], key=forms[key], password=b"pw").certificate.key_type == "rsa-2048"
    assert refused(certificate=forms["c.pem"], key=forms[key]) == "key-encrypted"
    assert refused(certificate=forms["c.pem"], key=forms[key], password=b"no") == "wrong-password"


@pytest.mark.parametrize(
    ("words", "locked"),
    [
        (["ecparam", "-name", "prime256v1", "-genkey"], False),
        (["ecparam", "-name", "secp384r1", "-genkey", "-noout"], False),
        (["ecparam", "-name", "secp521r1", "-genkey", "-noout", "-outform", "DER"], False),
        (["ec", "-in", "sec1.key", "-aes256", "-passout", "pass:pw"], True),
        (["genpkey", "-algorithm", "ed25519"], False),
        (["genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:pw"], True),
    ],
)
def test_reads_keys_of_curves(workshop, words, locked) -> None:
    """
    SEC1 keys in PEM (with their parameters before them) and DER, and Ed25519, encrypted or not.
    """
    run = workshop.run
    run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "sec1.key")
    run(*words, "-out", "curve.key")
    known = ("-passin", "pass:pw") if locked else ()
    run("req", "-x509", "-key", "curve.key", *known, "-subj", "/CN=curve.test", "-days", "9", "-out", "curve.pem",
        "-addext", "subjectAltName=DNS:curve.test")  # fmt: skip
    certificate, key = workshop["curve.pem"], workshop["curve.key"]
    assert read(certificate=certificate, key=key, password=b"pw").certificate.names == ("curve.test",)
    if locked:
        assert refused(certificate=certificate, key=key) == "key-encrypted"


def test_reads_the_whole_folder_of_certbot(family) -> None:
    """
    All files of C{live/NAME} at once, with the README, as several parts of one name or of two.
    """
    chain = family.low.pem + family.middle.pem
    files = [
        b"This directory contains your keys.\n",
        family.leaf.pem,
        chain,
        family.leaf.pem + chain,
        family.leaf.key_pem,
    ]
    for parts in ({"certificate": files}, {"certificate": files[:4], "key": files[4:]}):
        made = read(**parts, now=NOW).certificate
        assert made.chain.count(b"BEGIN CERTIFICATE") == 3
        assert made.names == ("leaf.test", "*.leaf.test")


@pytest.mark.parametrize("form", ["modern.pfx", "legacy.pfx"])
def test_reads_pfx(forms, form) -> None:
    """
    PFX files of today and of Windows 2008 open with their password, in whichever part they come.
    """
    assert read(pfx=forms[form], password=b"pw").source == "pfx"
    assert read(certificate=forms[form], password=b"pw").source == "pfx"
    assert refused(pfx=forms[form]) == "key-encrypted"
    assert refused(pfx=forms[form], password=b"no") == "wrong-password"


def test_reads_pfx_without_password(forms) -> None:
    """
    A PFX with an empty password needs none.
    """
    assert read(pfx=forms["empty.pfx"]).certificate.key_type == "rsa-2048"


def test_pfx_without_key(forms) -> None:
    """
    A PFX that was exported without its key is refused with how to export it.
    """
    with pytest.raises(Problem, match="export the private key") as caught:
        read(pfx=forms["nokey.pfx"], password=b"pw")
    assert caught.value.code == "key-unreadable"


@pytest.mark.skipif(shutil.which("keytool") is None, reason="Java's keytool is not installed")
def test_reads_a_java_keystore(tmp_path) -> None:
    """
    A PKCS#12 keystore of Java's keytool is a PFX.
    """
    store = tmp_path / "store.p12"
    subprocess.run(
        ["keytool", "-genkeypair", "-alias", "x", "-keyalg", "EC", "-storetype", "PKCS12", "-keystore", store,
         "-storepass", "changeit", "-dname", "CN=j.test", "-ext", "san=dns:j.test"],
        check=True, capture_output=True,
    )  # fmt: skip
    assert read(pfx=store.read_bytes(), password=b"changeit").certificate.names == ("j.test",)


def test_refuses_a_password_that_takes_hours(forms) -> None:
    """
    A key whose password is hashed millions of times is refused before it is opened.
    """
    begun = time.monotonic()
    assert refused(certificate=forms["c.pem"], key=forms["heavy.key"], password=b"pw") == "key-unreadable"
    assert time.monotonic() - begun < 0.5


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.decode().encode("utf-16"),
        lambda text: text.decode().encode("utf-16-be"),
        lambda text: text.strip().replace(b"\n", b"\\n"),
        lambda text: b"Bag Attributes\n  friendlyName: \xc3\xa4\nsubject=CN = a\n\n" + text + b"\ntrailing words\n",
        lambda text: b"".join(b"   " + line + b"  \n" for line in text.splitlines()),
        lambda text: b"".join(text.splitlines()[1:-1]),
    ],
)
def test_reads_what_editors_make_of_pem(forms, spoil) -> None:
    """
    Line endings, marks, encodings, indentation, text around and missing frames do no harm.
    """
    assert read(certificate=spoil(forms["c.pem"]), key=spoil(forms["k.pem"])).certificate.names[0] == "a.test"


def test_one_file_and_exchanged_parts(forms) -> None:
    """
    Key and certificate may share a part or stand in each other's, which is told.
    """
    pair = (forms["c.pem"], forms["k.pem"])
    assert read(certificate=b"".join(pair)).findings == ()
    assert read(certificate=list(pair)).findings == ()
    exchanged = read(certificate=pair[1], key=pair[0])
    assert [finding.code for finding in exchanged.findings] == ["parts-exchanged"]


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("missing-part", {}),
        ("missing-part", {"certificate": "c.pem"}),
        ("missing-part", {"key": "k.pem"}),
        ("key-unreadable", {"certificate": "c.pem", "key": "c.pem"}),
        ("key-unreadable", {"certificate": "c.pem", "key": "public.pem"}),
        ("certificate-unreadable", {"certificate": "k.pem", "key": "k.pem"}),
        ("certificate-unreadable", {"certificate": "request.pem", "key": "k.pem"}),
        ("certificate-unreadable", {"certificate": "request.der", "key": "k.pem"}),
        ("certificate-unreadable", {"certificate": "trusted.pem", "key": "k.pem"}),
        ("certificate-unreadable", {"certificate": "public.pem", "key": "k.pem"}),
    ],
)
def test_says_what_is_missing(forms, code, parts) -> None:
    """
    What is in a part by mistake is named in the refusal.
    """
    assert refused(**{part: forms[name] for part, name in parts.items()}) == code


@pytest.mark.parametrize("rubbish", [b"hello", b"", b" \n", b"\x30\x80" * 1000, b"-----BEGIN CERTIFICATE-----\nAA"])
def test_refuses_rubbish(forms, rubbish) -> None:
    """
    What is neither certificate nor key is refused as the part that it came in.
    """
    assert refused(certificate=rubbish, key=forms["k.pem"]) == "certificate-unreadable"
    assert refused(certificate=forms["c.pem"], key=rubbish) == "key-unreadable"


def test_refuses_a_megabyte_and_more(forms) -> None:
    """
    More than 1 MiB in all is too large, and 1 MiB of anything is answered within a second.
    """
    assert refused(certificate=b"A" * (LARGEST + 1), key=b"") == "too-large"
    key = forms["k.pem"]
    for text in (
        b"A",
        b"-----BEGIN CERTIFICATE-----\n",
        b"\x30\x80",
        b"-----BEGIN X-----\n-----END X-----\n",
        b"MII\n",
    ):
        begun = time.process_time()
        assert refused(certificate=text * ((LARGEST - len(key)) // len(text)), key=key) == "certificate-unreadable"
        assert time.process_time() - begun < 1


@pytest.mark.parametrize("kind", ["ec-p256", "ec-p384", "ec-p521", "ed25519", "rsa-2048"])
def test_takes_every_kind_of_key(kind) -> None:
    """
    RSA, the three curves and Ed25519 serve.
    """
    made = self_signed("x", ["a.test"], key_type=kind, now=NOW)
    assert read(certificate=made.chain, key=made.key, now=NOW).certificate == made


@pytest.mark.parametrize(
    "key",
    [rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256K1()), ec.generate_private_key(ec.SECP224R1())],
)  # fmt: skip
def test_refuses_weak_keys(make, key) -> None:
    """
    Short RSA and curves that no browser takes are too weak.
    """
    made = make("a.test", key=key)
    assert refused(certificate=made.pem, key=made.key_pem, now=NOW) == "key-too-weak"


def test_key_mismatch_and_no_leaf(make, family) -> None:
    """
    A stranger's key is a mismatch; only certificates of CAs have no leaf.
    """
    stranger = make("b.test")
    assert refused(certificate=family.leaf.pem, key=stranger.key_pem, now=NOW) == "key-mismatch"
    assert refused(certificate=family.low.pem + family.root.pem, key=stranger.key_pem, now=NOW) == "no-leaf"


def test_a_ca_that_names_hosts_is_a_mismatch(make, workshop) -> None:
    """
    What C{openssl req -x509} makes is marked as a CA's, but names a host: with a stranger's key it is a mismatch.
    """
    assert refused(certificate=workshop["c.pem"], key=make("b.test").key_pem, now=NOW) == "key-mismatch"


def test_a_lone_self_signed_certificate_is_a_mismatch(make, family) -> None:
    """
    So does C{openssl req -x509} without names; a lone intermediate is no leaf.
    """
    stranger = make("b.test")
    assert refused(certificate=make("a.test", ca=True).pem, key=stranger.key_pem, now=NOW) == "key-mismatch"
    assert refused(certificate=family.low.pem, key=stranger.key_pem, now=NOW) == "no-leaf"


def test_refuses_what_has_expired(make) -> None:
    """
    An expired certificate is refused with its date; one of the future is not.
    """
    old = make("a.test", end=-1)
    with pytest.raises(Problem, match="expired on 2027-01-15") as caught:
        read(certificate=old.pem, key=old.key_pem, now=NOW)
    assert caught.value.code == "certificate-expired"
    future = make("a.test", begin=86400)
    assert read(certificate=future.pem, key=future.key_pem, now=NOW).certificate.not_before == NOW + 86400


def test_orders_the_chain(family) -> None:
    """
    The leaf may stand anywhere and issuers in any order and twice; the chain comes out in order, without the root.
    """
    wanted = family.leaf.pem + family.low.pem + family.middle.pem
    pems = [family.root.pem, family.middle.pem, family.low.pem, family.leaf.pem, family.low.pem]
    for seed in range(5):
        random.Random(seed).shuffle(pems)
        result = read(certificate=b"junk\n".join(pems), key=family.leaf.key_pem, now=NOW)
        assert (result.certificate.chain, result.findings) == (wanted, ())


def test_completes_the_chain(family, make) -> None:
    """
    Intermediates that are known already complete a chain, which is told; strangers are left out, which is told too.
    """
    key = family.leaf.key_pem
    known = known_issuers(
        [read(certificate=family.leaf.pem, chain=family.low.pem + family.middle.pem, key=key, now=NOW).certificate]
    )
    completed = read(certificate=family.leaf.pem, key=key, intermediates=known, now=NOW)
    assert completed.certificate.chain == family.leaf.pem + family.low.pem + family.middle.pem
    assert [finding.code for finding in completed.findings] == ["chain-completed"]
    with_stranger = read(
        certificate=family.leaf.pem, chain=make("Other", ca=True, by=family.root).pem, key=key, now=NOW
    )
    assert [finding.code for finding in with_stranger.findings] == ["unused-certificate"]


def test_a_loop_of_issuers_ends(make) -> None:
    """
    Two CAs that certify each other make a chain of finite length.
    """
    one, two = make("One", ca=True), make("Two", ca=True)
    one_by_two, two_by_one = make("One", two, ca=True, key=one.key), make("Two", one, ca=True, key=two.key)
    leaf = make("a.test", one)
    chain = [leaf.pem, one_by_two.pem, two_by_one.pem]
    result = read(certificate=b"".join(chain), key=leaf.key_pem, now=NOW)
    assert result.certificate.chain == b"".join(chain)


def test_pfx_with_a_chain_in_disorder(family) -> None:
    """
    The certificates of a PFX are sorted as any others.
    """
    friendly = pkcs12.serialize_key_and_certificates(
        "grün".encode(), family.leaf.key, family.leaf.certificate,
        [family.root.certificate, family.middle.certificate, family.low.certificate], NoEncryption(),
    )  # fmt: skip
    result = read(pfx=friendly, now=NOW)
    assert result.certificate.chain.count(b"BEGIN") == 3


def test_openssl_self_signed_authority_is_a_leaf(forms) -> None:
    """
    C{openssl req -x509} marks its certificate as a CA; with its key it serves all the same.
    """
    leaf = x509.load_pem_x509_certificate(forms["c.pem"])
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert read(certificate=forms["c.pem"], key=forms["k.pem"]).certificate.names[0] == "a.test"


def test_serves_sha1_signatures(forms) -> None:
    """
    A certificate that is signed with SHA-1 is accepted: whether to trust it is the clients' business.
    """
    forms.run(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Old"
    )
    forms.run(
        "x509",
        "-req",
        "-in",
        "request.pem",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-sha1",
        "-CAcreateserial",
        "-out",
        "sha1.pem",
    )
    assert read(certificate=forms["sha1.pem"], key=forms["k.pem"]).certificate.names == ()


def test_never_shows_a_secret(forms) -> None:
    """
    Neither a result nor a problem shows the key or the password.
    """
    result = read(certificate=forms["c.pem"], key=forms["pkcs8.key"], password=b"pw")
    assert "PRIVATE KEY" not in repr(result)
    with pytest.raises(Problem) as caught:
        read(certificate=forms["c.pem"], key=forms["pkcs8.key"], password=b"a secret word")
    assert "secret" not in caught.value.detail


def framed(label: bytes) -> st.SearchStrategy[bytes]:
    """
    PEM blocks with anything in them.
    """
    frame = b"-----BEGIN %s-----\n%s-----END %s-----\n"
    return st.binary(max_size=200).map(lambda der: frame % (label, base64.encodebytes(der), label))


CONTENT = st.one_of(
    st.binary(max_size=300),
    framed(b"CERTIFICATE"),
    framed(b"PRIVATE KEY"),
    framed(b"ENCRYPTED PRIVATE KEY"),
    st.binary(max_size=200).map(lambda rest: b"\x30" + rest),
)


@settings(deadline=None, max_examples=150)
@given(certificate=CONTENT, key=CONTENT, password=st.none() | st.binary(max_size=8))
def test_any_bytes_give_a_problem(certificate, key, password) -> None:
    """
    Whatever is sent, the answer is a problem with a code.
    """
    with pytest.raises(Problem):
        read(certificate=certificate, key=key, pfx=certificate, password=password)


PAIR = self_signed("x", ["a.test"], now=NOW)
DER = x509.load_pem_x509_certificate(PAIR.chain).public_bytes(Encoding.DER)
KEY = ec.generate_private_key(ec.SECP256R1())
PFX = pkcs12.serialize_key_and_certificates(
    b"x", KEY, None, None,
    PrivateFormat.PKCS12.encryption_builder().kdf_rounds(10).key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC).build(b"pw"),
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(
    original=st.sampled_from([DER, PAIR.chain, PFX]),
    edits=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.integers(0, 2000) | st.none(),
)
def test_damaged_material_gives_a_problem_or_a_certificate(original, edits, cut) -> None:
    """
    Real material with bytes changed or cut off is a certificate or a problem, never another exception.
    """
    damaged = bytearray(original)
    for at, value in edits:
        damaged[at % len(damaged)] = value
    try:
        read(certificate=bytes(damaged[:cut]), key=PAIR.key, password=b"pw", now=NOW)
    except Problem as problem:
        assert problem.detail
