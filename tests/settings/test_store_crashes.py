"""
A commit that is cut short: at each touch of the disk, by an error, by the end of the process, and by a power cut.
"""

from __future__ import annotations

import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from tlsgate.problems import Problem
from tlsgate.settings import FileStore, Filesystem, Generation, StoredCertificate
from tlsgate.sites import ServerCertificate

WRITES = (
    "make_folder",
    "write_file",
    "share_file",
    "sync",
    "rename",
    "make_link",
    "remove_file",
    "remove_folder",
    "set_mode",
)


def stored(name: str, content: int) -> StoredCertificate:
    certificate = ServerCertificate(
        name=name,
        chain=b"chain %d\n" % content * 50,
        key=b"key %d\n" % content * 50,
        names=("localhost",),
        not_before=0.0,
        not_after=1.0,
        key_type="ec-p256",
        fingerprint=f"{content:064}",
    )
    return StoredCertificate(certificate=certificate, source="upload", added_at=0.0)


def generation(number: int) -> Generation:
    """
    One certificate is another in each, so that its files are written; one is the same in all, so that they are shared.
    """
    return Generation(
        number=number,
        parent=number - 1,
        time=float(number),
        author="a",
        document={"site": [{"name": str(number)}]},
        certificates={"default": stored("default", number), "same": stored("same", 0)},
    )


class Killed(BaseException):
    """
    The process is gone.
    """


class Failing(Filesystem):
    """
    A disk whose Nth change goes wrong, and all later ones too if so wished.

    @ivar count: changes so far.
    @ivar failed: the last one that went wrong.
    """

    def __init__(self, at: int, error: BaseException, *, ever_after: bool, after_it: bool) -> None:
        self.count = 0
        self.failed = ""
        self.at = at
        self.error = error
        self.ever_after = ever_after
        self.after_it = after_it

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._failing(found) if name in WRITES else found

    def _failing(self, method: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any) -> None:
            self.count += 1
            now = self.count == self.at or (self.ever_after and self.count > self.at)
            if now:
                self.failed = method.__name__
            if now and not (self.after_it and self.count == self.at):
                raise self.error
            method(*args)
            if now:
                raise self.error

        return call


def seeded(folder: Path) -> Path:
    """
    A state folder whose current generation is 1.
    """
    store = FileStore(folder)
    store.open()
    store.commit(0, generation(1))
    store.close()
    return folder


def whole(folder: Path) -> int:
    """
    The number of the current generation, which is whole, as are all that are listed; and the next commit works.
    """
    store = FileStore(folder)
    store.open()
    current = store.current()
    number = 0 if current is None else current.number
    if current is not None:
        assert current == attrs.evolve(generation(number), parent=current.parent)
    for each in store.numbers():
        assert store.read(each).certificates == generation(each).certificates
    following = store.next_number()
    store.commit(number, attrs.evolve(generation(following), parent=number))
    assert store.current() is not None
    assert list((folder / "generations").glob(".*")) == []
    store.close()
    return number


def commit(store: FileStore, parent: int) -> None:
    """
    What a change asks of the store: the files that it does not touch are shared with the generation before.
    """
    store.open()
    store.current()
    store.commit(parent, generation(parent + 1))


def tidy(store: FileStore) -> None:
    """
    What comes after a change: it is confirmed, and old generations are forgotten.
    """
    number = store.numbers()[-1]
    store.confirm(number)
    store.prune(1, 0.0, 0.0)


def changes_of(tmp_path: Path, *, to_the_end: bool = False) -> int:
    """
    How often a commit changes the disk, and what comes after it if that is asked for.
    """
    disk = Failing(0, Killed(), ever_after=False, after_it=False)
    store = FileStore(seeded(tmp_path / "count"), disk)
    commit(store, 1)
    if to_the_end:
        tidy(store)
    store.close()
    shutil.rmtree(tmp_path / "count")
    return disk.count


def test_a_commit_touches_the_disk_in_every_way(tmp_path: Path) -> None:
    """
    What follows in this file would prove little of a commit that writes everything anew, or that forgets nothing.
    """
    seen: list[str] = []

    class Watched(Filesystem):
        def __getattribute__(self, name: str) -> Any:
            if name in WRITES:
                seen.append(name)
            return super().__getattribute__(name)

    store = FileStore(seeded(tmp_path / "state"), Watched())
    commit(store, 1)
    tidy(store)
    store.close()
    assert set(WRITES) - set(seen) == {"set_mode"}
    assert seen.count("share_file") == 2
    assert store.numbers() == [2]


@pytest.mark.parametrize("parent", [0, 1])
@pytest.mark.parametrize("after_it", [False, True])
def test_killed_at_every_change(tmp_path: Path, parent: int, after_it: bool) -> None:
    """
    Whichever change of the disk is the last, the next start finds the old generation or the new one, whole.
    """
    found = set()
    for at in range(1, changes_of(tmp_path, to_the_end=True) + 6):
        folder = seeded(tmp_path / f"state{at}") if parent else tmp_path / f"state{at}"
        store = FileStore(folder, Failing(at, Killed(), ever_after=True, after_it=after_it))
        try:
            commit(store, parent)
            tidy(store)
        except Killed:
            pass
        store.close()
        found.add(whole(folder))
    assert found == {parent, parent + 1}


def test_killed_where_files_hold_many_certificates(tmp_path: Path) -> None:
    """
    The same where a few files hold hundreds of certificates, of which one change writes one anew and shares the others.
    """
    others = {f"c{number}": stored(f"c{number}", 0) for number in range(300)}

    def many(number: int) -> Generation:
        return attrs.evolve(generation(number), certificates={**others, "default": stored("default", number)})

    def killed_at(at: int) -> Failing:
        folder = tmp_path / "state"
        shutil.copytree(template.folder, folder, symlinks=True)
        folder.chmod(0o700)
        disk = Failing(at, Killed(), ever_after=True, after_it=False)
        store = FileStore(folder, disk)
        try:
            store.open()
            store.current()
            store.commit(1, many(2))
            tidy(store)
        except Killed:
            pass
        store.close()
        return disk

    template = FileStore(tmp_path / "template")
    template.open()
    template.commit(0, many(1))
    template.close()
    total = killed_at(1 << 30).count
    # Nearly all files are shared, and one such change is like the next.
    assert total > 100
    shutil.rmtree(tmp_path / "state")
    found = []
    for at in sorted({*range(1, total, 20), total - 1, total}):
        killed_at(at)
        after = FileStore(tmp_path / "state")
        after.open()
        current = after.current()
        after.close()
        assert current is not None
        assert current == many(current.number)
        found.append(current.number)
        shutil.rmtree(tmp_path / "state")
    assert found == sorted(found)
    assert set(found) == {1, 2}


@pytest.mark.parametrize("ever_after", [False, True])
@pytest.mark.parametrize("after_it", [False, True])
def test_an_error_at_every_change(tmp_path: Path, ever_after: bool, after_it: bool) -> None:
    """
    Whichever change of the disk fails, once or from then on, the commit is refused, the old generation stays current in
    this process, and the next start finds a whole one.
    """
    for at in range(1, changes_of(tmp_path) + 1):
        folder = seeded(tmp_path / f"state{at}")
        disk = Failing(at, OSError(28, "No space left on device"), ever_after=ever_after, after_it=after_it)
        store = FileStore(folder, disk)
        try:
            commit(store, 1)
        except Problem as problem:
            assert problem.code == "storage-failed"
            assert store.current() == generation(1)
            assert store.numbers() == [1]
            disk.at, disk.ever_after = 0, False
            following = store.next_number()
            store.commit(1, attrs.evolve(generation(following), parent=1))
            assert store.numbers()[-1] == following
            assert store.read(following).parent == 1
        else:
            # A file that cannot be shared is written.
            assert disk.failed == "share_file", f"change {at} failed and nobody noticed"
            following = 2
        store.close()
        assert whole(folder) == following


@pytest.mark.parametrize("after_it", [False, True])
def test_an_error_at_every_change_of_what_comes_after(tmp_path: Path, after_it: bool) -> None:
    """
    A disk that fails while a generation is confirmed or old ones are forgotten is told of, what is listed is whole, and
    the next time does what is left.
    """
    first = changes_of(tmp_path) + 1
    for at in range(first, changes_of(tmp_path, to_the_end=True) + 1):
        folder = seeded(tmp_path / f"state{at}")
        store = FileStore(folder, Failing(at, OSError(5, "Input/output error"), ever_after=False, after_it=after_it))
        commit(store, 1)
        with pytest.raises(Problem) as refused:
            tidy(store)
        assert refused.value.code == "storage-failed"
        assert [store.read(number) for number in store.numbers()][-1] == generation(2)
        tidy(store)
        assert store.confirmed(2)
        assert store.numbers() == [2]
        store.close()
        assert whole(folder) == 2


def test_an_error_once_leaves_nothing(tmp_path: Path) -> None:
    """
    After a refused commit on a disk that works again at once, the folder is as it was.
    """
    for at in range(1, changes_of(tmp_path) + 1):
        folder = seeded(tmp_path / f"state{at}")
        before = sorted(map(str, folder.rglob("*")))
        disk = Failing(at, OSError(5, "Input/output error"), ever_after=False, after_it=False)
        store = FileStore(folder, disk)
        try:
            commit(store, 1)
        except Problem:
            store.close()
        else:
            assert disk.failed == "share_file"
            store.close()
            continue
        assert sorted(map(str, folder.rglob("*"))) == before


class Journal(Filesystem):
    """
    A disk that can lose what was not made durable: content of files, and the latest entries of folders.

    @ivar undo: for each entry made since its folder was synced, in order: the folder, and what takes it back.
    @ivar dirty: files whose content is not durable.
    @ivar attic: where removed files are kept, so that they can come back.
    """

    def __init__(self, attic: Path) -> None:
        self.undo: list[tuple[Path, Callable[[], None]]] = []
        self.dirty: set[Path] = set()
        self.attic = attic

    def make_folder(self, path: Path) -> None:
        super().make_folder(path)
        self.undo.append((path.parent, lambda: shutil.rmtree(path, ignore_errors=True)))

    def write_file(self, path: Path, content: bytes) -> None:
        super().write_file(path, content)
        self.dirty.add(path)
        self.undo.append((path.parent, lambda: path.unlink(missing_ok=True)))

    def share_file(self, path: Path, existing: Path) -> None:
        super().share_file(path, existing)
        self.undo.append((path.parent, lambda: path.unlink(missing_ok=True)))

    def make_link(self, path: Path, target: str) -> None:
        super().make_link(path, target)
        self.undo.append((path.parent, lambda: path.unlink(missing_ok=True)))

    def rename(self, old: Path, new: Path) -> None:
        replaced = new.readlink() if new.is_symlink() else None
        super().rename(old, new)
        self.dirty = {new / path.relative_to(old) if path.is_relative_to(old) else path for path in self.dirty}

        def back() -> None:
            new.rename(old)
            if replaced is not None:
                new.symlink_to(replaced)

        self.undo.append((new.parent, back))

    def remove_file(self, path: Path) -> None:
        kept = self.attic / f"{len(list(self.attic.iterdir()))}"
        path.rename(kept)
        self.undo.append((path.parent, lambda: kept.rename(path) and None))

    def remove_folder(self, path: Path) -> None:
        super().remove_folder(path)
        self.undo.append((path.parent, lambda: path.mkdir(0o700)))

    def sync(self, path: Path) -> None:
        super().sync(path)
        self.dirty.discard(path)
        self.undo = [(folder, back) for folder, back in self.undo if folder != path]

    def cut(self, kept: int) -> None:
        """
        The power is gone: of the entries that are not durable, the first C{kept} reached the disk.
        """
        for path in self.dirty:
            if path.exists():
                path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2])
        for _, back in reversed(self.undo[kept:]):
            back()


class PoweredOff(Journal):
    """
    A L{Journal} whose power goes after its Nth change.
    """

    def __init__(self, attic: Path, at: int) -> None:
        super().__init__(attic)
        self.left = at

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in WRITES:
            return found

        def call(*args: Any) -> None:
            if self.left == 0:
                raise Killed
            self.left -= 1
            found(*args)

        return call


def test_power_cut_at_every_change(tmp_path: Path) -> None:
    """
    Whenever the power goes, and however much of what was not synced is lost, a whole generation is found; and once a
    commit has returned it is the new one.
    """
    total = changes_of(tmp_path, to_the_end=True)
    found = set()
    for at in range(total + 1):
        for kept in range(8):
            folder = seeded(tmp_path / f"state{at}-{kept}")
            attic = tmp_path / f"attic{at}-{kept}"
            attic.mkdir()
            disk = PoweredOff(attic, at)
            store = FileStore(folder, disk)
            done = False
            try:
                commit(store, 1)
                done = True
                tidy(store)
            except Killed:
                pass
            store.close()
            waiting = len(disk.undo)
            disk.cut(kept)
            number = whole(folder)
            found.add(number)
            assert number == 2 or not done
            shutil.rmtree(folder)
            if kept >= waiting:
                break
    assert found == {1, 2}


# Looking for files that are not there marks the commit in the trace.  The package's own table of contents is passed
# over: what it imports takes most of a second, for each system call.
COMMIT = """
import os, pathlib, pickle, types
room = sys.modules["tlsgate.settings"] = types.ModuleType("tlsgate.settings")
import tlsgate
room.__path__ = [tlsgate.__path__[0] + "/settings"]
from tlsgate.settings._store import FileStore
store = FileStore(pathlib.Path(sys.argv[1]))
generation = pickle.loads(pathlib.Path(sys.argv[2]).read_bytes())
store.open()
store.current()
os.access("/begin-of-commit", os.F_OK)
store.commit(1, generation)
store.confirm(2)
store.prune(1, 0.0, 0.0)
os.access("/end-of-commit", os.F_OK)
"""

# -S and explicit paths make the interpreter start with the same system calls every time.
PATHS = f"import sys; sys.path[:0] = {[path for path in sys.path if path]!r}\n"

CALL = re.compile(r"^(?:\[pid +\d+\] |\d+ +)?([a-z0-9_]+)\(")


#: Between two of these nothing changes on the disk, so that being killed there is being killed at the next one.
TELLING = frozenset(
    {
        "openat",
        "write",
        "fsync",
        "fdatasync",
        "mkdir",
        "mkdirat",
        "rename",
        "renameat",
        "renameat2",
        "link",
        "linkat",
        "symlink",
        "symlinkat",
        "unlink",
        "unlinkat",
        "rmdir",
        "chmod",
        "fchmod",
        "ftruncate",
    }
)


def _traced(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["strace", "-f", "-qq", *options, sys.executable, "-S", "-c", PATHS + COMMIT, folder, folder.parent / "pickle"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )


@pytest.mark.slow
def test_killed_at_every_system_call(tmp_path: Path) -> None:
    """
    A process that is killed at any system call of a commit, of its confirmation or of forgetting what is old leaves the
    old generation or the new one, whole.
    """
    template = seeded(tmp_path / "template")
    (tmp_path / "pickle").write_bytes(pickle.dumps(generation(2)))
    shutil.copytree(template, tmp_path / "dry", symlinks=True)
    trace = _traced(tmp_path / "dry")
    assert trace.returncode == 0, trace.stderr[-2000:]
    seen: dict[str, int] = {}
    points: list[tuple[str, int]] = []
    inside = False
    for line in trace.stderr.splitlines():
        call = CALL.match(line)
        if call is None:
            continue
        seen[call[1]] = seen.get(call[1], 0) + 1
        inside = (inside or "/begin-of-commit" in line) and "/end-of-commit" not in line
        if inside and call[1] in TELLING and (call[1] != "openat" or "O_CREAT" in line):
            points.append((call[1], seen[call[1]]))
    names = {name for name, _ in points}
    assert {"fsync", "mkdir", "symlink", "write", "rmdir"} <= names
    assert names & {"link", "linkat"}
    assert names & {"unlink", "unlinkat"}
    assert names & {"rename", "renameat", "renameat2"}
    found = []
    for name, when in points:
        folder = tmp_path / f"{name}-{when}"
        shutil.copytree(template, folder, symlinks=True)
        folder.chmod(0o700)
        killed = _traced(folder, "-e", f"trace={name}", "-e", f"inject={name}:signal=SIGKILL:when={when}")
        assert killed.returncode != 0, (name, when)
        found.append(whole(folder))
        shutil.rmtree(folder)
    # The order is that of the commit: first always the old one, then always the new one.
    assert found == sorted(found)
    assert set(found) == {1, 2}
