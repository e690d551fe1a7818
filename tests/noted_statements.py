"""What PostgreSQL is asked to carry out, noted while tests run."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from asyncpg.protocol import Protocol


@dataclass(slots=True)
class Noted:
    """What PostgreSQL carried out: statements with the values of each execution; `copied` are COPY commands.

    What is only prepared is not among it: so asyncpg learns the types of a table that it copies into.
    """

    executions: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(list))
    copied: set[str] = field(default_factory=set)


@contextmanager
def noting(dsn: str) -> Iterator[Noted]:
    """Note everything that leaves for this database by asyncpg's protocol, through which SQLAlchemy goes too.

    Servers of other tests run in this process as well, on databases of their own.
    """
    noted = Noted()
    database = urlsplit(dsn).path.removeprefix("/")
    watched: set[Any] = set()
    set_connection = Protocol.set_connection

    def connected(protocol: Any, connection: Any) -> None:
        if connection._params.database == database:
            watched.add(protocol)
        set_connection(protocol, connection)

    def queried(query: str, **_: Any) -> None:
        noted.executions[query].append(())

    def executed(state: Any, args: Any, **_: Any) -> None:
        noted.executions[state.query].append(tuple(args))

    def executed_many(state: Any, args: Any, **_: Any) -> None:
        # What is noted must not use up what is to be sent.
        assert isinstance(args, list)
        noted.executions[state.query] += [tuple(row) for row in args]

    def copied(command: str, **_: Any) -> None:
        noted.copied.add(command)

    notes: dict[str, Callable[..., None]] = {
        "query": queried,
        "bind": executed,
        "bind_execute": executed,
        "bind_execute_many": executed_many,
        "copy_in": copied,
        "copy_out": copied,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, note in notes.items():
            patch.setattr(Protocol, name, after(note, getattr(Protocol, name), watched))
        patch.setattr(Protocol, "set_connection", connected)
        yield noted


def after(note: Callable[..., None], send: Callable[..., Any], watched: Collection[Any]) -> Callable[..., Any]:
    """`send`, noted first by what `note` takes of its arguments where the protocol is one of `watched`."""
    taken = len(inspect.signature(note).parameters) - 1

    def noted(protocol: Any, *args: Any, **named: Any) -> Any:
        if protocol in watched:
            note(*args[:taken], **named)
        return send(protocol, *args, **named)

    return noted
