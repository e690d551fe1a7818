"""JSON Pointer (RFC 6901): places in a JSON document."""

import re
from typing import Any

_TEXT = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")

Tokens = tuple[str, ...]


class NoSuchPlaceError(LookupError):
    """The document has not what the pointer points to; the sentence says where its way ends."""


def tokens_of(text: str) -> Tokens | None:
    """The reference tokens of a pointer, () for the whole document, None for a text that is no pointer (RFC 6901 §3)."""
    if _TEXT.fullmatch(text) is None:
        return None
    # §4: ~1 first and ~0 then, so that ~01 becomes ~1.
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:])


def text_of(tokens: Tokens) -> str:
    """The pointer of these tokens."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)


def value_at(document: Any, tokens: Tokens) -> Any:
    """The value that the pointer references. Raises `NoSuchPlaceError` (RFC 6901 §7)."""
    for number, token in enumerate(tokens):
        document = child_of(document, token, tokens[:number])
    return document


def child_of(holder: Any, token: str, above: Tokens) -> Any:
    """The member or item of `holder`, which stands at `above`. Raises `NoSuchPlaceError`."""
    if isinstance(holder, dict):
        if token not in holder:
            raise NoSuchPlaceError(f"{_object_at(above)} has no member {_short(token)!r}.")
        return holder[token]
    if isinstance(holder, list):
        return holder[index_of(token, len(holder) - 1, above)]
    raise NoSuchPlaceError(f"{_at(above)} is neither an object nor an array, so nothing is below it.")


def index_of(token: str, last: int, above: Tokens) -> int:
    """The index that `token` is in the array at `above`. Raises `NoSuchPlaceError` unless it is one of 0 to `last`."""
    if _INDEX.fullmatch(token) is None or int(token) > last:
        allowed = f"takes an index from 0 to {last}" if last >= 0 else "is empty"
        raise NoSuchPlaceError(f"The array at {_at(above)} {allowed}, not {_short(token)!r}.")
    return int(token)


def _object_at(above: Tokens) -> str:
    return f"The object at {_at(above)}" if above else "The resource"


def _at(above: Tokens) -> str:
    return _short(text_of(above)) if above else "the top of the document"


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
