"""string parameters: names, addresses and texts, by their beginning (FHIR R4, search.html#string).

Case and accents are folded; punctuation is kept. A HumanName or Address matches by any of its parts.
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from bhr_api.search.criteria import AnyToken, Criterion, InIndex, either
from bhr_api.search.entry import IndexEntry
from bhr_api.search.escapes import unescape
from bhr_api.search.parameters import Parameter
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.types.token import TypedValue
from bhr_api.store.sql import Binder
from bhr_api.store.tables import STRING_HEAD

MODIFIERS = frozenset({"exact", "contains"})

_PARTS = {
    "HumanName": ("family", "given", "prefix", "suffix", "text"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}
_LAST_CHARACTER = "\U0010ffff"


@lru_cache(maxsize=65536)
def normalised(text: str) -> str:
    """`text` without case and accents (R4 search.html#string)."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(character for character in decomposed if not unicodedata.combining(character)).casefold()


def texts(values: list[TypedValue]) -> Iterator[str]:
    """The strings by which each value can be found."""
    for type_code, value in values:
        if isinstance(value, str):
            yield value
        for part in _PARTS.get(type_code, ()):
            found = value.get(part)
            if isinstance(found, str):
                yield found
            elif found:
                yield from (text for text in found if text)


def index(parameter: Parameter, values: list[TypedValue], entry: IndexEntry) -> None:
    """Leave each text normalised for prefixes, and exactly as a token for `:exact`."""
    originals = dict.fromkeys(texts(values))
    for text in originals:
        entry.tokens.add(entry.hasher.exact(parameter.resource_type, parameter.code, text))
    entry.strings.extend((parameter.number, text) for text in dict.fromkeys(map(normalised, originals)))


def match(parameter: Parameter, modifier: str | None, values: list[str], hasher: TokenHasher) -> Criterion:
    """Rows with a text that begins with one of `values`, equals it (`exact`) or holds it (`contains`)."""
    wanted = [unescape(value) for value in values]
    if modifier == "exact":
        return AnyToken(tuple(hasher.exact(parameter.resource_type, parameter.code, text) for text in wanted))
    write = _containing if modifier == "contains" else _beginning
    return either([write(parameter, normalised(text)) for text in wanted])


def _beginning(parameter: Parameter, prefix: str) -> Criterion:
    head = prefix[:STRING_HEAD]

    def where(binder: Binder) -> str:
        low, high = binder.bind(head, "text"), binder.bind(head + _LAST_CHARACTER, "text")
        conditions = f"left(i.value, {STRING_HEAD}) >= {low} AND left(i.value, {STRING_HEAD}) < {high}"
        if len(prefix) > STRING_HEAD:
            conditions += f" AND starts_with(i.value, {binder.bind(prefix, 'text')})"
        return f"({conditions})"

    return InIndex("string_index", parameter.resource_type_number, parameter.number, (where,), is_selective=True)


def _containing(parameter: Parameter, part: str) -> Criterion:
    def where(binder: Binder) -> str:
        return f"strpos(i.value, {binder.bind(part, 'text')}) > 0"

    return InIndex("string_index", parameter.resource_type_number, parameter.number, (where,))
