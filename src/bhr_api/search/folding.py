"""Texts without case and accents (FHIR R4, search.html#string), here and in the database."""

import unicodedata
from functools import lru_cache


@lru_cache(maxsize=65536)
def normalised(text: str) -> str:
    """`text` without case and accents."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(character for character in decomposed if not unicodedata.combining(character)).casefold()


def normalised_sql(value: str) -> str:
    """SQL of the text `value` folded in the same way; of the combining characters it drops those of Latin and Greek."""
    return f"lower(regexp_replace(normalize({value}, NFKD), '[\\u0300-\\u036f]', '', 'g'))"
