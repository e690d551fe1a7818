r"""The escapes of search values: `\,` `\|` `\$` and `\\` (FHIR R4, search.html#escaping)."""

from bhr_api.errors import InvalidParameterError


def _split(text: str, separator: str) -> list[str]:
    """The parts between unescaped separators, still escaped."""
    if separator not in text:
        return [text]
    parts: list[str] = []
    start = position = 0
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        if text[position] == separator:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    parts.append(text[start:])
    return parts


def unescape(text: str) -> str:
    """`text` with its escapes resolved; a backslash before any other character stands for itself."""
    if "\\" not in text:
        return text
    out: list[str] = []
    position = 0
    while position < len(text):
        if text[position] == "\\" and text[position + 1 : position + 2] in tuple(",|$\\"):
            position += 1
        out.append(text[position])
        position += 1
    return "".join(out)


def escaped(text: str) -> str:
    """`text` so that it stands for itself in a value."""
    return "".join(f"\\{character}" if character in ",|$\\" else character for character in text)


def split_commas(text: str) -> list[str]:
    """The alternatives of an OR list, still escaped."""
    return _split(text, ",")


def split_pipes(text: str) -> list[str]:
    """The parts of a token or quantity, unescaped."""
    return [unescape(part) for part in _split(text, "|")]


def split_composite(parameter: str, text: str, parts: int) -> list[str]:
    """The parts of a composite value, still escaped; there must be exactly `parts` of them."""
    found = _split(text, "$")
    if len(found) != parts or not all(found):
        raise InvalidParameterError(parameter, text, f"a value has {parts} parts joined by $")
    return found
