"""The references of an import that led nowhere when their resources were stored: looked at again when all of them are.

They wait in a file that has no name, so that the memory of an import stays the same whatever the order of its resources.
"""

import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice

from bhr_api.errors import Issue
from bhr_api.fhir import json_text
from bhr_api.fhir.references import LocalReference
from bhr_api.interactions.context import BrokenReference, Context
from bhr_api.interactions.integrity import broken_issue, leading_nowhere

_BATCH = 1_000

_Waiting = tuple[str, BrokenReference]


class OpenReferences:
    """Where each reference that leads nowhere yet stood, and what it names."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `close`)

    def add(self, unresolved: Sequence[BrokenReference], places: Sequence[str]) -> None:
        """Remember references of resources that are stored; `places` are those of the changes, or of all of them."""
        # Several attempts at one transaction leave the same ones.
        for broken in dict.fromkeys(unresolved):
            place = places[broken.position if len(places) > 1 else 0]
            self._file.write(json_text.dumps([place, broken.expression, *broken.target]) + b"\n")

    async def dangling(self, context: Context) -> AsyncIterator[tuple[str, Issue]]:
        """(place, what is wrong) of each that leads nowhere still."""
        self._file.seek(0)
        waiting = self._waiting()
        while batch := list(islice(waiting, _BATCH)):
            async with context.database.acquire() as connection:
                nowhere = await leading_nowhere(context, connection, [broken for _, broken in batch])
            for place, broken in batch:
                if broken in nowhere:
                    issue = broken_issue(broken)
                    sentence = f"Stored, but with a reference that leads nowhere: {issue.diagnostics}"
                    yield place, Issue("warning", issue.code, sentence, issue.expression)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def _waiting(self) -> Iterator[_Waiting]:
        for line in self._file:
            place, expression, resource_type, id, version = json_text.parse(line)
            yield place, BrokenReference(0, expression, LocalReference(resource_type, id, version))
