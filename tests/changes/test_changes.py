"""
The pipeline: what a change does, in which order, and that a refused one does nothing.
"""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred

from tlsgate.changes import ChangeRequest
from tlsgate.interfaces import ApplyFailed
from tlsgate.problems import Problem
from tlsgate.settings import Draft, FileStore, Filesystem, Pins
from tlsgate.sites import RedirectMode, Scheme

IN_USE = ApplyFailed("port-in-use", "binding https", "Port 8443 is in use.")


def refusal(lab: Any, edit: Any, **request: Any) -> Problem:
    """
    The problem of a change that is refused, with nothing changed.
    """
    before = lab.changes.current, lab.plane.snapshot, lab.store.numbers(), lab.store.current()
    with pytest.raises(Problem) as caught:
        lab.apply(edit, **request)
    assert (lab.changes.current, lab.plane.snapshot, lab.store.numbers(), lab.store.current()) == before
    assert lab.changes.snapshot == lab.plane.snapshot
    return caught.value


def test_first_start_makes_generation_1(lab: Any) -> None:
    """
    An empty store gets its first generation, and it is served.
    """
    assert lab.plane.generation == 1
    assert lab.store.current() == lab.changes.current
    assert [row["state"] for row in lab.changes.history()] == ["current"]


def test_first_start_that_cannot_bind_stores_nothing(lab: Any) -> None:
    """
    A first generation that cannot be served is not kept, so that a better initial document gets its chance.
    """
    lab.crash()
    lab.folder /= "other"
    lab.plane.prepare_fails.append(IN_USE)
    with pytest.raises(Problem) as caught:
        lab.start()
    assert caught.value.code == "port-in-use"
    lab.start()
    assert lab.changes.current.number == 1


def test_applies_a_change(lab: Any) -> None:
    """
    A change makes the next generation, is served by every worker, and says so.
    """
    outcome = lab.apply(lab.site(redirect={"mode": "browsers"}), reason="because")
    assert (outcome.generation, outcome.serving, outcome.total) == (2, 2, 2)
    assert outcome.made == lab.changes.current == lab.store.current()
    assert lab.plane.snapshot.sites[0].redirect.mode is RedirectMode.BROWSERS
    assert outcome.made.summary == ("Site default: redirect added.",) or "redirect" in outcome.made.summary[0]
    row = lab.changes.history()[0]
    assert (row["number"], row["author"], row["reason"], row["state"]) == (2, "local:root", "because", "current")
    assert lab.changes.history()[1]["state"] == "past"


def test_prepares_before_it_stores(lab: Any) -> None:
    """
    Ports are bound before anything is saved, and the swap comes after both.
    """
    lab.plane.done.clear()
    lab.apply(lab.site(max_body=5))
    assert lab.plane.done == [("prepare", 2), ("commit", 2)]


def test_nothing_new_makes_no_generation(lab: Any) -> None:
    """
    A change that changes nothing is a success without a generation.
    """
    outcome = lab.apply(lambda draft: None, confirm_within=5)
    assert (outcome.generation, outcome.made, outcome.confirm_by) == (1, None, None)
    assert lab.store.numbers() == [1]


def test_dry_run_changes_nothing(lab: Any) -> None:
    """
    A dry run builds everything, gives it up, and shows what would be.
    """
    lab.plane.done.clear()
    outcome = lab.apply(lab.site(hsts={"enabled": True, "max_age": 100000}), dry_run=True)
    assert (outcome.generation, outcome.made) == (1, None)
    assert "hsts-long-without-ramp" in {finding.code for finding in outcome.findings}
    assert outcome.snapshot.sites[0].hsts.enabled
    assert lab.plane.done == [("prepare", 2), ("abort", 2)]
    assert lab.store.numbers() == [1]


def test_dry_run_finds_a_port_in_use(lab: Any) -> None:
    """
    A dry run tells what would fail.
    """
    lab.plane.prepare_fails.append(IN_USE)
    assert refusal(lab, lab.site(max_body=5), dry_run=True).code == "port-in-use"


def test_refuses_a_moved_generation(lab: Any) -> None:
    """
    A change made for another generation than the current one is refused.
    """
    lab.apply(lab.site(max_body=5), if_match=1)
    assert refusal(lab, lab.site(max_body=6), if_match=1).code == "generation-moved"


def test_refuses_invalid_settings(lab: Any) -> None:
    """
    A document that is not valid is refused with what is wrong.
    """
    problem = refusal(lab, lab.site(max_body=-1))
    assert (problem.code, problem.errors[0].pointer) == ("invalid-settings", "/site/0/max_body")


def test_refuses_names_that_are_no_file_names(lab: Any) -> None:
    """
    A certificate's name that could climb is refused.
    """
    assert refusal(lab, lab.certify("../up")).code == "invalid-settings"


@pytest.mark.parametrize("within", [4, 3601, 0, -5])
def test_refuses_silly_confirmation_times(lab: Any, within: int) -> None:
    """
    confirm_within is 5 to 3600 seconds.
    """
    assert refusal(lab, lab.site(max_body=5), confirm_within=within).code == "parameter-invalid"


@pytest.mark.parametrize("code", ["port-in-use", "port-forbidden"])
def test_refuses_what_cannot_be_built(lab: Any, code: str) -> None:
    """
    What the data plane cannot build is a problem with its code.
    """
    lab.plane.prepare_fails.append(ApplyFailed(code, "binding https", "No."))
    assert refusal(lab, lab.site(max_body=5)).code == code


def test_takes_a_failed_swap_back(lab: Any) -> None:
    """
    A worker that does not answer makes every worker serve what it served before.
    """
    lab.plane.done.clear()
    lab.plane.commit_fails.append(ApplyFailed("worker-unresponsive", "worker 2", "Worker 2 does not answer."))
    assert refusal(lab, lab.site(max_body=5)).code == "worker-unresponsive"
    assert lab.plane.done == [("prepare", 2), ("commit", 2), ("prepare", 1), ("commit", 1)]
    assert lab.apply(lab.site(max_body=5)).serving == 2


def test_refuses_what_is_pinned(lab: Any) -> None:
    """
    A pinned value cannot be changed, others can, and it does not enter the store.
    """
    lab.pins = Pins.of({"site": [{"name": "default", "max_body": 7}]}, "--config x.toml")
    lab.restart()
    assert lab.plane.snapshot.sites[0].max_body == 7
    problem = refusal(lab, lab.site(max_body=8))
    assert problem.code == "pinned"
    assert "--config x.toml" in problem.detail
    lab.apply(lab.site(forwarded=True))
    assert lab.plane.snapshot.sites[0].max_body == 7
    assert lab.changes.current.document["site"][0].get("max_body") is None


def test_reload_takes_other_pins(lab: Any) -> None:
    """
    A configuration that was read again is served without a new generation; a bad one leaves everything.
    """
    Deferred.fromCoroutine(lab.changes.reload(Pins.of({"site": [{"name": "default", "max_body": 9}]}, "--config x")))
    assert lab.plane.snapshot.sites[0].max_body == 9
    assert lab.store.numbers() == [1]
    failures: list[Any] = []
    wrong = Pins.of({"site": [{"name": "default", "max_body": -9}]}, "--config x")
    Deferred.fromCoroutine(lab.changes.reload(wrong)).addErrback(failures.append)
    assert failures[0].value.code == "invalid-settings"
    assert lab.changes.effective.sites[0].max_body == 9
    assert lab.changes.document["site"][0]["max_body"] == 9


class _FullDisk(Filesystem):
    """
    Nothing more can be written.
    """

    def write_file(self, path: Any, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))


class _NoLinks(Filesystem):
    """
    The last step of a commit fails.
    """

    def make_link(self, path: Any, target: str) -> None:
        raise OSError(30, "Read-only file system", str(path))


@pytest.mark.parametrize(
    ("disk", "steps"),
    [
        (_FullDisk, [("prepare", 2), ("abort", 2)]),
        (_NoLinks, [("prepare", 2), ("commit", 2), ("prepare", 1), ("commit", 1)]),
    ],
)
def test_a_store_that_fails_changes_nothing(lab: Any, disk: type[Filesystem], steps: Any) -> None:
    """
    A disk that is full or read-only is a clear problem, what served goes on, and later changes work again.
    """
    assert isinstance(lab.store, FileStore)
    lab.store._filesystem = disk()
    lab.plane.done.clear()
    problem = refusal(lab, lab.site(max_body=5))
    assert problem.code == "storage-failed"
    assert lab.plane.done == steps
    lab.store._filesystem = Filesystem()
    assert lab.apply(lab.site(max_body=5)).made.number == 2


def test_an_edit_can_refuse(lab: Any) -> None:
    """
    What the edit raises refuses the change, and the next one is not held up.
    """

    def edit(draft: Draft) -> None:
        draft.document.clear()
        raise Problem("not-found", "There is no such site.")

    assert refusal(lab, edit).code == "not-found"
    assert lab.apply(lab.site(max_body=5)).generation == 2


def test_changes_come_one_at_a_time(lab: Any) -> None:
    """
    A change that begins while another runs is made from its result.
    """
    hold: Deferred[None] = Deferred()
    prepare = lab.plane.prepare

    async def slow(snapshot: Any) -> Any:
        await hold
        return await prepare(snapshot)

    lab.plane.prepare = slow
    request = ChangeRequest(author="a")
    one = Deferred.fromCoroutine(lab.changes.apply(request, lab.site(max_body=1)))
    two = Deferred.fromCoroutine(lab.changes.apply(request, lab.site(forwarded=True)))
    assert lab.changes.current.number == 1
    hold.callback(None)
    assert one.called
    assert two.called
    assert lab.changes.current.number == 3
    assert lab.changes.effective.sites[0].max_body == 1
    assert lab.changes.effective.sites[0].forwarded


def test_rollback_brings_certificates_back(lab: Any) -> None:
    """
    A rollback is a new generation with old settings and certificates; an unknown number is not found.
    """
    old = lab.changes.current
    lab.apply(lab.certify("default", key="other"))
    lab.apply(lab.site(max_body=5))
    request = ChangeRequest(author="x")
    results: list[Any] = []
    Deferred.fromCoroutine(lab.changes.rollback(1, request)).addBoth(results.append)
    assert results[0].generation == 4
    assert lab.changes.current.document == old.document
    assert lab.changes.current.certificates == old.certificates
    assert lab.changes.current.reason == "back to generation 1"
    Deferred.fromCoroutine(lab.changes.rollback(99, request)).addBoth(results.append)
    assert results[1].value.code == "not-found"


def test_rollback_remembers_hsts(lab: Any) -> None:
    """
    Going back to before HSTS sends max-age=0 for as long as the largest value could live.
    """
    lab.apply(lab.site(hsts={"enabled": True, "max_age": 5000}))
    Deferred.fromCoroutine(lab.changes.rollback(1, ChangeRequest(author="x")))
    assert lab.plane.snapshot.sites[0].hsts.off_until == lab.wall + 5000


def test_restart_serves_the_same(lab: Any) -> None:
    """
    After a crash the same generation is served, with its history.
    """
    lab.apply(lab.site(max_body=5), reason="why")
    before, rows = lab.changes.snapshot, lab.changes.history()
    lab.restart()
    assert lab.plane.snapshot == before
    assert lab.changes.history() == rows


def test_a_damaged_old_generation_is_no_reason_not_to_start(lab: Any) -> None:
    """
    Only the current generation must be whole; another one that is not is left out of the history.
    """
    lab.apply(lab.site(max_body=5))
    (lab.folder / "generations" / "000001" / "generation.json").write_bytes(b"{")
    lab.restart()
    assert [row["number"] for row in lab.changes.history()] == [2]


def test_forgets_the_old(lab: Any) -> None:
    """
    As many generations are kept as the settings say.
    """
    lab.apply(lambda draft: draft.document.update(generations={"keep": 3}))
    for size in range(1, 6):
        lab.apply(lab.site(max_body=size))
    assert [row["number"] for row in lab.changes.history()] == [7, 6, 5]
    assert lab.store.numbers() == [5, 6, 7]


def test_diff_tells_what_changed_without_a_secret(lab: Any) -> None:
    """
    A diff holds a JSON Patch, sentences and fingerprints; secrets and keys stand nowhere in it.
    """

    def edit(draft: Draft) -> None:
        draft.document["alerts"] = {"webhook_secret": "hunter2"}
        lab.certify("default", key="other")(draft)
        lab.site(max_body=5)(draft)

    made = lab.apply(edit).made
    diff = lab.changes.diff(1, 2)
    assert {"op": "add", "path": "/site/0/max_body", "value": 5} in diff["patch"]
    assert "Site default: max_body is now 5." in diff["summary"]
    assert diff["certificates"][0]["to"] == b"other".hex().ljust(64, "0")
    for text in (json.dumps(diff), repr(made.summary), json.dumps(lab.changes.history())):
        assert "hunter2" not in text
        assert "secret key" not in text


def test_tells_its_listeners(lab: Any) -> None:
    """
    Listeners hear of each change in a turn of its own, until they stop listening.
    """
    heard: list[Any] = []
    stop = lab.changes.subscribe(heard.append)
    lab.apply(lab.site(max_body=5), author="me")
    assert heard == []
    lab.clock.advance(0)
    assert [(event["what"], event["number"], event["author"]) for event in heard] == [("applied", 2, "me")]
    stop()
    lab.apply(lab.site(max_body=6))
    lab.clock.advance(0)
    assert len(heard) == 1


def test_bindings_come_and_go(lab: Any) -> None:
    """
    A binding can be added and removed like any other setting.
    """
    second = {"name": "second", "scheme": "https", "endpoint": "tcp:9443"}
    lab.apply(lambda draft: draft.document["binding"].append(second))
    assert lab.plane.snapshot.bindings[-1].scheme is Scheme.HTTPS
    made = lab.apply(lambda draft: draft.document["binding"].pop()).made
    assert made.summary == ("Binding second removed.",)


def test_the_soak_begins_with_each_change_of_the_redirect(lab: Any) -> None:
    """
    A redirect's soak counts from its last change, not from other changes.
    """
    lab.apply(lab.site(redirect={"mode": "all"}))
    assert lab.plane.snapshot.sites[0].redirect.changed_at == lab.wall
    began = lab.wall
    lab.advance(100)
    lab.apply(lab.site(max_body=5))
    assert lab.plane.snapshot.sites[0].redirect.changed_at == began
    lab.apply(lab.site(redirect={"mode": "browsers"}))
    assert lab.plane.snapshot.sites[0].redirect.changed_at == began + 100


class _Probe:
    """
    Finds what it is told to find.
    """

    def __init__(self) -> None:
        self.proved: list[Any] = []
        self.fails = False

    async def failing(self, paths: Any) -> dict[Any, str]:
        return {}

    async def prove(self, paths: Any, already: Any) -> None:
        self.proved.extend(paths)
        if self.fails and paths:
            raise Problem("would-lock-out", "No.", step="tcp")


def test_a_failed_probe_takes_the_change_back(lab: Any) -> None:
    """
    A way that does not open after the swap brings the old generation back; nothing is stored.
    """
    lab.probe = probe = _Probe()
    lab.restart()
    probe.fails = True
    lab.plane.done.clear()
    assert refusal(lab, lab.site(redirect={"mode": "all"})).code == "would-lock-out"
    assert lab.plane.done == [("prepare", 2), ("commit", 2), ("prepare", 1), ("commit", 1)]
    assert lab.apply(lab.site(redirect={"mode": "all"}), force=frozenset({"default"})).generation == 2


def test_only_touched_ways_are_probed(lab: Any) -> None:
    """
    A change of a body limit walks nowhere; a new certificate is met at every https binding.
    """
    lab.probe = probe = _Probe()
    lab.restart()
    lab.apply(lab.site(max_body=5))
    assert probe.proved == []
    lab.apply(lab.certify("default", key="other"))
    (path,) = probe.proved
    assert (path.binding.name, path.site.name, path.through) == ("https", "default", False)
    assert path.fingerprints == {b"other".hex().ljust(64, "0")}


def test_hsts_steps_up_with_time(lab: Any) -> None:
    """
    A ramp's step makes a generation by the gate when it is due, up to the goal and no further.
    """
    lab.apply(lab.usual_ports)
    lab.apply(lab.site(hsts={"enabled": True, "ramp": True, "max_age": 10000, "ramp_hold": 3600.0}))
    values = [lab.plane.snapshot.sites[0].hsts.max_age]
    for _ in range(8):
        lab.advance(1800)
        Deferred.fromCoroutine(lab.changes.tick())
        values.append(lab.plane.snapshot.sites[0].hsts.max_age)
    assert values == [300, 300, 3600, 3600, 10000, 10000, 10000, 10000, 10000]
    assert [row["author"] for row in lab.changes.history()[:2]] == ["gate", "gate"]
    assert lab.changes.current.memory["default"].hsts_largest == 10000


def test_hsts_waits_for_a_trusted_certificate(lab: Any) -> None:
    """
    A ramp does not step up over a certificate that browsers do not trust.
    """
    lab.trusts = False
    lab.apply(lab.usual_ports)
    lab.apply(lab.site(hsts={"enabled": True, "ramp": True, "max_age": 10000, "ramp_hold": 3600.0}))
    lab.advance(7200)
    Deferred.fromCoroutine(lab.changes.tick())
    assert lab.plane.snapshot.sites[0].hsts.max_age == 300
    lab.trusts = True
    Deferred.fromCoroutine(lab.changes.tick())
    assert lab.plane.snapshot.sites[0].hsts.max_age == 3600


def test_no_key_in_a_repr(lab: Any) -> None:
    """
    What is logged or raised of a generation shows no key.
    """
    made = lab.apply(lab.certify("second", "b.test")).made
    assert "secret key" not in repr(made)
    assert "secret key" not in repr(attrs.evolve(lab.changes.snapshot))
