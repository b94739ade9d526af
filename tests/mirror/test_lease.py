"""One writer at a time, without clocks: the alive are waited for in vain, the dead are taken over from."""

from __future__ import annotations

import threading
import uuid

import pytest

from terminal_task_gen.errors import UsageError
from terminal_task_gen.mirror.lease import Lease
from terminal_task_gen.mirror.remote import RemoteFolder
from terminal_task_gen.run_lock import Writer

ALONE = Writer()


def part(index: int, count: int) -> Writer:
    return Writer(family=f"of{count}", name=f"p{index}of{count}")


@pytest.fixture
def remote() -> RemoteFolder:
    return RemoteFolder(f"memory://leases/{uuid.uuid4().hex}")


def make(remote: RemoteFolder, staging_id: str, writer: Writer = ALONE, *, lease_sec: float = 0.4) -> Lease:
    return Lease(remote, staging_id=staging_id, lease_sec=lease_sec, writer=writer, notice=lambda text: None)


def test_who_let_go_is_followed_at_once(remote: RemoteFolder) -> None:
    first, second = make(remote, "a", lease_sec=60), make(remote, "b", lease_sec=60)
    first.acquire()
    first.release()
    second.acquire()
    assert second.renew()
    assert not first.renew()
    assert list(remote.list_sizes("writers")) == ["writers/all.1.json"]


def test_the_same_staging_folder_does_not_wait_for_itself(remote: RemoteFolder) -> None:
    make(remote, "a", lease_sec=60).acquire()
    make(remote, "a", lease_sec=60).acquire()


def test_a_dead_writer_is_taken_over_from_and_knows_when_it_comes_back(remote: RemoteFolder) -> None:
    dead, heir = make(remote, "a"), make(remote, "b")
    dead.acquire()
    heir.acquire()
    assert heir.renew()
    assert not dead.renew()


@pytest.mark.parametrize(("holder", "comer"), [(ALONE, ALONE), (part(0, 2), ALONE), (part(0, 2), part(0, 3))])
def test_who_may_not_work_beside_a_living_writer_is_refused(
    remote: RemoteFolder, holder: Writer, comer: Writer
) -> None:
    alive = make(remote, "a", holder, lease_sec=1.0)
    alive.acquire()
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.1):
            alive.renew()

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        with pytest.raises(UsageError, match=r"is writing memory://leases.*wait for it"):
            make(remote, "b", comer).acquire()
    finally:
        stop.set()
        heart.join()
    assert alive.renew()


def test_partitions_of_one_n_work_side_by_side_and_the_last_is_known(remote: RemoteFolder) -> None:
    first, second = make(remote, "a", part(0, 2), lease_sec=60), make(remote, "b", part(1, 2), lease_sec=60)
    first.acquire()
    second.acquire()
    assert not first.leave()
    assert second.leave()


def test_of_many_that_come_at_once_one_gets_it(remote: RemoteFolder) -> None:
    make(remote, "dead", lease_sec=0.2).acquire()
    leases = [make(remote, f"s{number}", lease_sec=2.0) for number in range(4)]
    outcomes: list[bool] = []

    def come(lease: Lease) -> None:
        try:
            lease.acquire()
        except UsageError:
            outcomes.append(False)
        else:
            outcomes.append(True)
            for _ in range(20):
                stop.wait(0.1)
                assert lease.renew()

    stop = threading.Event()
    threads = [threading.Thread(target=come, args=(lease,)) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False, False, False, True]
