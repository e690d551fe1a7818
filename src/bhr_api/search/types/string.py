"""string parameters: names, addresses and texts, by their beginning (FHIR R4, search.html#string).

Case and accents are folded; punctuation is kept. A HumanName or Address matches by any of its parts.
"""

from collections.abc import Iterator

from bhr_api.errors import InvalidParameterError, UnsupportedModifierError
from bhr_api.search import phonetic
from bhr_api.search.criteria import AnyToken, Both, Criterion, InIndex, either
from bhr_api.search.entry import IndexEntry
from bhr_api.search.escapes import unescape
from bhr_api.search.folding import normalised
from bhr_api.search.parameters import Parameter
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.types.token import TypedValue
from bhr_api.store.sql import Binder
from bhr_api.store.tables import STRING_HEAD

MODIFIERS = frozenset({"exact", "contains"})
PHONETIC = "phonetic"

_PARTS = {
    "HumanName": ("family", "given", "prefix", "suffix", "text"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}
_LAST_CHARACTER = "\U0010ffff"


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
    """Leave each text normalised for prefixes, and exactly as a token for `:exact`; of a phonetic parameter, its keys."""
    originals = dict.fromkeys(texts(values))
    if parameter.code == PHONETIC:
        entry.tokens.update(_sound(parameter, key, entry.hasher) for text in originals for key in phonetic.keys(text))
        return
    for text in originals:
        entry.tokens.add(entry.hasher.exact(parameter.resource_type, parameter.code, text))
    entry.strings.extend((parameter.number, text) for text in dict.fromkeys(map(normalised, originals)))


def match(parameter: Parameter, modifier: str | None, values: list[str], hasher: TokenHasher) -> Criterion:
    """Rows with a text that begins with one of `values`, equals it (`exact`) or holds it (`contains`)."""
    wanted = [unescape(value) for value in values]
    if parameter.code == PHONETIC:
        if modifier is not None:
            raise UnsupportedModifierError(f"{PHONETIC}:{modifier}", "words are compared by their sound only")
        return either([_sounding(parameter, text, hasher) for text in wanted])
    if modifier == "exact":
        return AnyToken(tuple(hasher.exact(parameter.resource_type, parameter.code, text) for text in wanted))
    write = _containing if modifier == "contains" else _beginning
    return either([write(parameter, normalised(text)) for text in wanted])


def _sounding(parameter: Parameter, text: str, hasher: TokenHasher) -> Criterion:
    """Every word of `text` sounds like one of the name."""
    words = [phonetic.keys(word) for word in phonetic.words(text)]
    found = [AnyToken(tuple(_sound(parameter, key, hasher) for key in sorted(keys))) for keys in words]
    if not found:
        raise InvalidParameterError(PHONETIC, text, "there is no word in it")
    return found[0] if len(found) == 1 else Both(found)


def _sound(parameter: Parameter, key: str, hasher: TokenHasher) -> int:
    return hasher.code(parameter.resource_type, PHONETIC, key)


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
