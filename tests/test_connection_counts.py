import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from bhr_api.connection_counts import ConnectionCounts

SPAWN = multiprocessing.get_context("spawn")


def count_as_worker(path: Path, connections: int, told: Connection) -> None:
    """A worker that has so many connections, and answers whether it has the fewest, until it is killed."""
    counts = ConnectionCounts(path)
    counts.join()
    counts.add(connections)
    while True:
        told.send(counts.are_fewest_here())
        told.recv()


class Worker:
    """A worker process with a number of connections."""

    def __init__(self, path: Path, connections: int) -> None:
        self._asking, told = SPAWN.Pipe()
        self._process = SPAWN.Process(target=count_as_worker, args=(path, connections, told), daemon=True)
        self._process.start()
        self._told: bool = self._asking.recv()

    def has_fewest(self) -> bool:
        self._asking.send(None)
        answer: bool = self._asking.recv()
        return answer

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


@contextmanager
def worker(path: Path, connections: int) -> Iterator[Worker]:
    made = Worker(path, connections)
    yield made
    made.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    ConnectionCounts.make_file(tmp_path / "connections", 2)
    return tmp_path / "connections"


def test_a_worker_alone_has_the_fewest(path: Path) -> None:
    with worker(path, 1_000) as alone:
        assert alone.has_fewest()


def test_of_two_workers_who_has_fewer_is_known_to_both(path: Path) -> None:
    with worker(path, 3) as more, worker(path, 2) as fewer:
        assert (more.has_fewest(), fewer.has_fewest()) == (False, True)


def test_with_as_many_each_has_the_fewest(path: Path) -> None:
    with worker(path, 2) as one, worker(path, 2) as other:
        assert (one.has_fewest(), other.has_fewest()) == (True, True)


def test_the_successor_of_a_killed_worker_takes_its_place_and_begins_at_nothing(path: Path) -> None:
    with worker(path, 3) as survivor:
        with worker(path, 9):
            assert survivor.has_fewest()
        with worker(path, 0) as successor:
            assert (survivor.has_fewest(), successor.has_fewest()) == (False, True)
        with worker(path, 4):
            # Nothing is left of the one with no connections, for whom all would wait.
            assert survivor.has_fewest()


def test_who_takes_no_more_keeps_nobody_waiting(path: Path) -> None:
    leaving = ConnectionCounts(path)
    leaving.join()
    with worker(path, 5) as staying:
        assert not staying.has_fewest()
        leaving.leave()
        leaving.add(-1)
        assert staying.has_fewest()
