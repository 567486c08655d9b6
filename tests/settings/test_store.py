"""
Generations in a folder, with a disk that works.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from tlsgate.problems import Problem
from tlsgate.settings import FileStore, Filesystem, Generation, SiteMemory, StoredCertificate
from tlsgate.sites import ServerCertificate

CERTIFICATE = ServerCertificate(
    name="default",
    chain=b"a chain\n",
    key=b"a secret key\n",
    names=("localhost", "127.0.0.1"),
    not_before=1.0,
    not_after=2.5,
    key_type="ec-p256",
    fingerprint="ab" * 32,
    staple=b"\0staple",
)
STORED = StoredCertificate(certificate=CERTIFICATE, source="upload", added_at=3.0, details={"names": ["a"]})


def generation(number: int = 1, parent: int | None = None, **more: object) -> Generation:
    """
    A generation with something in every field.
    """
    return attrs.evolve(
        Generation(
            number=number,
            parent=number - 1 if parent is None else parent,
            time=1700000000.25,
            author="local:root",
            reason="because of ü",
            summary=("One.", "Two."),
            document={"site": [{"name": f"s{number}", "hosts": ["*"]}]},
            certificates={"default": STORED},
            memory={"s": SiteMemory(hsts_largest=300)},
            confirm_by=1700000060.0,
            findings=({"code": "c", "severity": "info", "message": "m", "pointer": ""},),
        ),
        **more,
    )


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    store = FileStore(tmp_path / "state")
    store.open()
    return store


def reopened(store: FileStore) -> FileStore:
    store.close()
    again = FileStore(store.folder)
    again.open()
    return again


def refused(store: FileStore) -> str:
    """
    The one line with which the store does not open.
    """
    store.close()
    with pytest.raises(Problem) as caught:
        FileStore(store.folder).open()
    assert caught.value.code == "storage-failed"
    assert "\n" not in caught.value.detail
    return caught.value.detail


def test_is_empty_at_first(store: FileStore) -> None:
    """
    A new store has no current generation, and the first number is 1.
    """
    assert store.current() is None
    assert store.numbers() == []
    assert store.next_number() == 1


def test_keeps_every_field(store: FileStore) -> None:
    """
    What was committed is read back equal, by this and by the next process.
    """
    store.commit(0, generation())
    assert store.current() == generation()
    again = reopened(store)
    assert again.current() == generation()
    assert again.read(1) == generation()


def test_keeps_many(store: FileStore) -> None:
    """
    Of a thousand certificates a change writes one file of many, and shares the others with the generation before.
    """
    one = next(iter(generation().certificates.values()))
    many = {f"s{n}": attrs.evolve(one, certificate=attrs.evolve(one.certificate, name=f"s{n}")) for n in range(1000)}
    store.commit(0, generation(1, certificates=many))
    less = {name: kept for name, kept in many.items() if name != "s7"}
    store.commit(1, generation(2, certificates=less))
    assert reopened(store).current() == generation(2, certificates=less)
    folder = store.folder / "generations"
    names = sorted(path.name for path in (folder / "000002" / "certificates").iterdir())
    shared = [
        name
        for name in names
        if (folder / "000001" / "certificates" / name).samefile(folder / "000002" / "certificates" / name)
    ]
    assert (len(names), len(shared)) == (64, 63)


class WithoutLinks(Filesystem):
    """
    A disk that gives no file a second name.
    """

    def share_file(self, path: Path, existing: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))


@pytest.mark.parametrize("filesystem", [Filesystem, WithoutLinks])
def test_keeps_every_change_of_many(tmp_path: Path, filesystem: type[Filesystem]) -> None:
    """
    Where files of many pairs are shared, a certificate that was replaced, removed, added or swapped with another is
    read back as it was committed, also when the mapping of the last generation was changed meanwhile, and where nothing
    can be shared.
    """
    store = FileStore(tmp_path / "state", filesystem())
    store.open()
    one = STORED.certificate

    def stored(name: str, key: bytes) -> StoredCertificate:
        return attrs.evolve(STORED, certificate=attrs.evolve(one, name=name, key=key))

    kept = {f"s{n}": stored(f"s{n}", b"%d" % n) for n in range(300)}
    made = [generation(1, certificates=dict(kept))]
    store.commit(0, attrs.evolve(made[0], certificates=kept))
    for number, change in enumerate(
        [{"s1": b"new"}, {"s2": None}, {"t": b"added"}, {"s3": b"4", "s4": b"3"}, {"s2": b"back", "s5": None}], 2
    ):
        for name, key in change.items():
            if key is None:
                del kept[name]
            else:
                kept[name] = stored(name, key)
        made.append(generation(number, certificates=dict(kept)))
        store.commit(number - 1, attrs.evolve(made[-1], certificates=kept))
    again = reopened(store)
    for expected in made:
        assert again.read(expected.number) == expected


@pytest.mark.parametrize("count", [1, 300])
def test_outlines_without_certificates(store: FileStore, count: int) -> None:
    """
    The outline of a generation is the generation without its certificates, whose files are not even there to be read.
    """
    many = {f"s{n}": attrs.evolve(STORED, certificate=attrs.evolve(CERTIFICATE, name=f"s{n}")) for n in range(count)}
    store.commit(0, generation(certificates=many))
    for path in (store.folder / "generations" / "000001" / "certificates").iterdir():
        path.unlink()
    assert store.outline(1) == generation(certificates={})
    with pytest.raises(Problem) as damaged:
        store.read(1)
    assert damaged.value.code == "storage-failed"
    with pytest.raises(Problem) as missing:
        store.outline(2)
    assert missing.value.code == "not-found"


def test_counts_certificates(store: FileStore) -> None:
    """
    A file of many certificates that is gone, together with the line of its sum, is missed.
    """
    many = {f"s{n}": attrs.evolve(STORED, certificate=attrs.evolve(CERTIFICATE, name=f"s{n}")) for n in range(300)}
    store.commit(0, generation(certificates=many))
    folder = store.folder / "generations" / "000001"
    (folder / "certificates" / "07.json").unlink()
    sums = (folder / "SHA256SUMS").read_text().splitlines(keepends=True)
    (folder / "SHA256SUMS").write_text("".join(line for line in sums if "07.json" not in line))
    with pytest.raises(Problem) as caught:
        reopened(store).current()
    assert "SHA256SUMS" in caught.value.detail


def test_compares_before_it_swaps(store: FileStore) -> None:
    """
    A change made for a generation that is no longer current is refused and leaves nothing.
    """
    store.commit(0, generation(1))
    store.commit(1, generation(2))
    with pytest.raises(Problem) as caught:
        store.commit(1, generation(3))
    assert caught.value.code == "generation-moved"
    assert store.numbers() == [1, 2]
    assert reopened(store).current() == generation(2)


def test_numbers_only_grow(store: FileStore) -> None:
    """
    A whole folder that never became current keeps its number, and is not part of the history.
    """
    store.commit(0, generation(1))
    store.commit(1, generation(2))
    (store.folder / "current").unlink()
    (store.folder / "current").symlink_to("generations/000001")
    again = reopened(store)
    assert again.numbers() == [1]
    assert again.next_number() == 3
    with pytest.raises(Problem):
        again.commit(1, generation(2))
    again.commit(1, generation(3, parent=1))
    assert again.current() == generation(3, parent=1)


def test_files_are_private(store: FileStore) -> None:
    """
    Folders are 0700 and files 0600, whatever the umask allows.
    """
    before = os.umask(0)
    try:
        store.commit(0, generation())
    finally:
        os.umask(before)
    for path in [store.folder, *store.folder.rglob("*")]:
        if not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_sums_are_of_sha256sum(store: FileStore) -> None:
    """
    A person can check a generation's folder with sha256sum.
    """
    store.commit(0, generation())
    subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=store.folder / "current", check=True
    )


def test_two_gates_are_one_too_many(store: FileStore) -> None:
    """
    A second gate on the folder is told which process has it; once that has closed, it may.
    """
    with pytest.raises(Problem) as caught:
        FileStore(store.folder).open()
    assert caught.value.code == "storage-failed"
    assert f"process {os.getpid()}" in caught.value.detail
    reopened(store)


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    """
    A gate that was killed does not keep the next one out.
    """
    program = (
        "import pathlib, sys; from tlsgate.settings import FileStore\n"
        f"store = FileStore(pathlib.Path({str(tmp_path / 'state')!r})); store.open()\n"
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(Problem, match=f"process {process.pid}"):
            FileStore(tmp_path / "state").open()
        process.kill()
        process.wait()
    FileStore(tmp_path / "state").open()


def test_tightens_an_empty_folder(tmp_path: Path) -> None:
    """
    An empty folder that was made for the gate is closed to others.
    """
    (tmp_path / "state").mkdir(mode=0o755)
    FileStore(tmp_path / "state").open()
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_refuses_a_link_as_state_folder(tmp_path: Path) -> None:
    """
    A state folder that is a link could lead anywhere.
    """
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "state").symlink_to("real")
    with pytest.raises(Problem, match="is a link"):
        FileStore(tmp_path / "state").open()


def test_refuses_folders_and_keys_that_others_can_read(store: FileStore) -> None:
    """
    Loose permissions are refused with the command that mends them.
    """
    store.commit(0, generation())
    for path, mode in (
        (store.folder, 0o750),
        (store.folder / "generations" / "000001", 0o701),
        (store.folder / "generations" / "000001" / "certificates" / "default.key", 0o640),
    ):
        right = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode)
        detail = refused(store)
        assert f"chmod {right:o} '{path}'" in detail
        path.chmod(right)
    assert reopened(store).current() == generation()


class _AnothersFolder(Filesystem):
    """
    A disk on which everything belongs to the next user.
    """

    def stat(self, path: Path) -> os.stat_result | None:
        found = super().stat(path)
        return None if found is None else os.stat_result([*found[:4], found.st_uid + 1, *found[5:]])


def test_refuses_a_folder_of_another_user(store: FileStore) -> None:
    """
    Who owns the folder could replace what is in it.
    """
    store.close()
    with pytest.raises(Problem, match=f"belongs to user {os.geteuid() + 1}"):
        FileStore(store.folder, _AnothersFolder()).open()


@pytest.mark.parametrize(
    "file", ["generation.json", "certificates/default.pem", "certificates/default.key", "SHA256SUMS"]
)
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "edited", "fifo", "folder", "link"])
def test_names_the_damaged_file(store: FileStore, file: str, damage: str) -> None:
    """
    A current generation that is not whole is refused with the file to blame.
    """
    store.commit(0, generation())
    path = store.folder / "generations" / "000001" / file
    content = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[:-3])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "edited":
        path.write_bytes(content.replace(b"a", b"b"))
    elif damage == "fifo":
        os.mkfifo(path)
    elif damage == "folder":
        path.mkdir(mode=0o700)
    elif damage == "link":
        path.symlink_to("/dev/zero")
    with pytest.raises(Problem) as caught:
        store.current()
    assert caught.value.code == "storage-failed"
    assert str(store.folder / "generations" / "000001") in caught.value.detail
    if file != "SHA256SUMS":
        assert str(path) in caught.value.detail
    assert "a secret key" not in caught.value.detail


def test_refuses_a_link_to_nothing(store: FileStore) -> None:
    """
    A current link that names no generation is an error, not an empty store.
    """
    store.commit(0, generation())
    (store.folder / "current").unlink()
    (store.folder / "current").symlink_to("generations/000007")
    assert "'000007', which is no generation" in refused(store)


def test_refuses_a_lost_link(store: FileStore) -> None:
    """
    Generations without a current link are not taken for an empty store.
    """
    store.commit(0, generation(1))
    store.commit(1, generation(2))
    (store.folder / "current").unlink()
    assert "ln -s generations/000002" in refused(store)


@pytest.mark.parametrize("name", ["", ".hidden", "../up", "a/b", "a b", "a\0b", "ü", "x" * 129, "a\n"])
def test_refuses_names_that_are_no_file_names(store: FileStore, name: str) -> None:
    """
    A certificate's name that could climb or hide is refused before anything is written.
    """
    with pytest.raises(Problem) as caught:
        store.commit(0, generation(certificates={name: STORED}))
    assert caught.value.code == "invalid-settings"
    assert store.next_number() == 1


def test_confirmations_last(store: FileStore) -> None:
    """
    A confirmation is remembered by the next process; that of no generation is refused.
    """
    store.commit(0, generation())
    assert not store.confirmed(1)
    store.confirm(1)
    store.confirm(1)
    assert reopened(store).confirmed(1)
    with pytest.raises(Problem) as caught:
        store.confirm(9)
    assert caught.value.code == "not-found"


def test_forgets_the_old(store: FileStore) -> None:
    """
    Pruning keeps so many of the newest, and what it is told to spare; a forgotten one is not found.
    """
    for number in range(1, 7):
        store.commit(number - 1, generation(number))
    assert store.prune(2, 0, 0.0, {3}) == [1, 2, 4]
    assert store.numbers() == [3, 5, 6]
    with pytest.raises(Problem) as caught:
        store.read(4)
    assert caught.value.code == "not-found"


def test_never_forgets_the_current(store: FileStore) -> None:
    """
    However old the current generation is and however few are kept, it stays.
    """
    store.commit(0, generation(1))
    store.commit(1, generation(2))
    late = (store.folder / "current" / "generation.json").stat().st_mtime + 100
    assert store.prune(5, 101, late) == []
    assert store.prune(0, 10, late) == [1]
    assert reopened(store).current() == generation(2)


def test_shares_unchanged_files_between_generations(store: FileStore) -> None:
    """
    A file that a change does not touch is the same file in both generations; pruning one keeps the other's.
    """
    first = generation()
    store.commit(0, first)
    store.commit(1, attrs.evolve(first, number=2, parent=1, reason="again"))
    names = ["generations/000001/certificates/default.key", "generations/000002/certificates/default.key"]
    one, two = ((store.folder / name).stat() for name in names)
    assert one.st_ino == two.st_ino
    assert store.prune(1, 0, first.time + 1e9) == [1]
    assert store.read(2).certificates == first.certificates
