"""An expansion as a ValueSet (FHIR R4, valueset.html#expansion)."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.terminology.expansions import Entry

Key = tuple[str, str]
"""(system, code)."""

MAX_LEVELS = 40
"""Codes further down than this are put beside one another: readers of JSON have their limits."""

# Without the definition, these say what was expanded. R4 SHALL keep status and version.
_IDENTITY = ("language", "url", "identifier", "version", "name", "title", "status", "experimental")
# Of the definition as a resource: the answer is another, and the narrative would be of rules that it may not show.
_OF_THE_DEFINITION_ALONE = ("id", "meta", "text", "expansion")


@dataclass(frozen=True, slots=True)
class Words:
    """Which names of a code are shown.

    `language` is that of the display, where the code has a designation in it. With `designations` those are shown that
    are of one of `uses`, (system, code) where a system of None is any; all of them if `uses` is None.
    """

    language: str | None = None
    designations: bool = False
    uses: Sequence[tuple[str | None, str]] | None = None


def rendered(definition: Resource, expansion: Resource, *, with_definition: bool) -> Resource:
    """The ValueSet that holds `expansion`, a finished ValueSet.expansion, and with it the rules if they are wanted."""
    # publication-status.html: unknown is what is not known; HL7's own value sets come as facts, without their status.
    known = {"resourceType": "ValueSet", "status": "unknown", **definition}
    if with_definition:
        kept = {name: value for name, value in known.items() if name.lstrip("_") not in _OF_THE_DEFINITION_ALONE}
    else:
        names = ("resourceType", *(form for name in _IDENTITY for form in (name, f"_{name}")))
        kept = {name: known[name] for name in names if name in known}
    return {**kept, "expansion": expansion}


def contained(entry: Entry, words: Words) -> Resource:
    """ValueSet.expansion.contains of one code."""
    row: Resource = {"system": entry.system}
    if entry.is_abstract:
        row["abstract"] = True
    if entry.is_inactive:
        row["inactive"] = True
    if entry.version:
        row["version"] = entry.version
    row["code"] = entry.code
    display = in_language(entry.designations, words.language) or entry.display
    if display:
        row["display"] = display
    if words.designations and (shown := [one for one in entry.designations if _is_shown(one, words.uses)]):
        row["designation"] = shown
    return row


def in_language(designations: Iterable[Resource], language: str | None) -> str | None:
    """The first designation in the language or a dialect of it (`de` takes `de-CH`); None if there is none."""
    return next(iter(all_in_language(designations, language)), None)


def all_in_language(designations: Iterable[Resource], language: str | None) -> list[str]:
    """Every designation in the language or a dialect of it."""
    if language is None:
        return []
    wanted = language.casefold()
    return [
        str(one["value"])
        for one in designations
        if "value" in one and f"{one.get('language', '')}-".casefold().startswith(f"{wanted}-")
    ]


_LANGUAGES = "urn:ietf:bcp:47"


def _is_shown(designation: Resource, uses: Sequence[tuple[str | None, str]] | None) -> bool:
    """$expand, designation: "a token that specifies a system+code that is either a use or a language"."""
    if uses is None:
        return True
    use = designation.get("use", {})
    for system, code in uses:
        if system in (None, _LANGUAGES) and in_language([designation], code):
            return True
        if code == use.get("code") and system in (None, use.get("system", "")):
            return True
    return False


def nested(rows: Sequence[Resource], parents: Callable[[Resource], Iterable[Key]]) -> list[Resource]:
    """The rows with each code below the first of its parents that is among them, as `contains.contains`.

    The rows are changed. Codes that run in a circle stay at the top.
    """
    by_key = {(row["system"], row["code"]): row for row in rows}
    below: dict[Key, list[Key]] = {}
    top: list[Resource] = []
    waiting: deque[tuple[Key, list[Resource], int]] = deque()
    for key, row in by_key.items():
        parent = next((one for one in parents(row) if one in by_key and one != key), None)
        if parent is None:
            waiting.append((key, top, 1))
        else:
            below.setdefault(parent, []).append(key)
    placed = _place(by_key, below, waiting)
    return top + [row for key, row in by_key.items() if key not in placed]


def _place(
    by_key: Mapping[Key, Resource], below: Mapping[Key, list[Key]], waiting: deque[tuple[Key, list[Resource], int]]
) -> set[Key]:
    placed: set[Key] = set()
    while waiting:
        key, place, level = waiting.popleft()
        place.append(by_key[key])
        placed.add(key)
        children = below.get(key, ())
        if children:
            inner = by_key[key].setdefault("contains", []) if level < MAX_LEVELS else place
            waiting.extend((child, inner, level + 1) for child in children)
    return placed
