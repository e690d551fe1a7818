"""Phonetic keys of names, for `Patient?phonetic` and `Practitioner?phonetic` (FHIR R4, patient.html#search).

R4: "A portion of either family or given name using some kind of phonetic matching algorithm". Each word has two keys,
and two words sound alike when they share one:

* in English, its NYSIIS code (Taft 1970, Name Search Techniques, New York State Identification and Intelligence
  System, Special Report 1) at full length, in capitals;
* in Spanish, whose spelling nearly gives the sound, its phonemes as most of America says them, in small letters: `s` for
  c, s and z, `y` for ll and y (Real Academia Española, Ortografía de la lengua española, 2010, chapter I). NYSIIS alone
  keeps Jiménez from Giménez, and Hernández from Ernández.

The keys are stored, so they must not change with a library's release: the rules are written here.
"""

import re
import unicodedata

# Letters that Unicode does not decompose.
_UNDECOMPOSED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t"}
)
_WORD = re.compile(r"[^\s,;/()\-\u2010-\u2015]+")
_NOT_A_LETTER = re.compile("[^a-z]")

_VOWELS = frozenset("AEIOU")
_BEGINNINGS = {"MAC": "MCC", "KN": "NN", "K": "C", "PH": "FF", "PF": "FF", "SCH": "SSS"}
_ENDINGS = {"EE": "Y", "IE": "Y", "DT": "D", "RT": "D", "RD": "D", "NT": "D", "ND": "D"}
_SEQUENCES = {"EV": "AF", "KN": "NN", "SCH": "SSS", "PH": "FF"}
_LETTERS = {**dict.fromkeys("AEIOU", "A"), "Q": "G", "Z": "S", "M": "N", "K": "C"}

# Spelling to phoneme, the first that fits; `c` is the sound of ch and `j` that of ge, gi and j. A letter not named
# stands for itself.
_SPANISH = {
    "ph": "f",
    # Echeverría, in Basque Etxeberria.
    "t?ch|tx": "c",
    "c(?=[eiy])": "s",
    "qu(?=[eiy])|ck|[cqk]": "k",
    "gu(?=[eiy])": "g",
    # An x that was a j: Ximénez, Mexía.
    "g(?=[eiy])|j|^x|(?<=[aeiou])x(?=[aeiou])": "j",
    # Calixto is Calisto.
    "x(?=[a-z])|z": "s",
    "x": "ks",
    "v": "b",
    "^h?i(?=[aeou])|ll(?=[aeiou])": "y",
    "y(?![aeiou])": "i",
    # Hu- and W- sound alike: Huerta.
    "w": "u",
    "h": "",
}
_SPELLING = re.compile("|".join(f"({spelling})" for spelling in _SPANISH))
_PHONEMES = tuple(_SPANISH.values())
_DOUBLED = re.compile(r"(.)\1+")


def words(text: str) -> list[str]:
    """The words of a name; both parts of a double name, and an apostrophe's two sides as one.

    Whoever asks for several words means each of them: `all(keys(word) & stored for word in words(text))`.
    """
    return [word for word in _WORD.findall(text) if key(word)]


def keys(text: str) -> frozenset[str]:
    """The keys by which each word of `text` can be found, as index and query need them."""
    return frozenset(one for word in _WORD.findall(text) for one in (key(word), spanish_key(word)) if one)


def key(word: str) -> str:
    """The NYSIIS code of `word`, in capitals; of a word without Latin letters itself, folded; "" if it has no letter."""
    folded = _folded(word)
    letters = _NOT_A_LETTER.sub("", folded)
    return _nysiis(letters.upper()) if letters else _without_signs(folded)


def spanish_key(word: str) -> str:
    """The phonemes of `word` read as Spanish, in small letters; else as `key`. A word that is only mute keeps its letters."""
    folded = _folded(word)
    letters = _NOT_A_LETTER.sub("", folded)
    phonemes = _SPELLING.sub(lambda match: _PHONEMES[(match.lastindex or 0) - 1], letters)
    return _DOUBLED.sub(r"\1", phonemes) or letters or _without_signs(folded)


def _folded(word: str) -> str:
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFKD", word.casefold().translate(_UNDECOMPOSED))
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _without_signs(folded: str) -> str:
    # A vowel sign of an Indic script is a mark, and belongs to its word.
    return "".join(character for character in folded if unicodedata.category(character)[0] in "LM")


def _nysiis(name: str) -> str:
    """Taft's code of capitals A to Z, not cut to six letters."""
    name = _with_beginning(name)
    for ending, code in _ENDINGS.items():
        if name.endswith(ending):
            name = name.removesuffix(ending) + code
            break
    code = name[0]
    letters = list(name)
    for at in range(1, len(letters)):
        _transcode(letters, at)
        # Only what differs from the code's last letter is added to it.
        if letters[at] != code[-1]:
            code += letters[at]
    return _with_end(code)


def _with_beginning(name: str) -> str:
    for beginning, code in _BEGINNINGS.items():
        if name.startswith(beginning):
            return code + name[len(beginning) :]
    return name


def _transcode(letters: list[str], at: int) -> None:
    """Replace what begins at `at`, of which what comes before is already transcoded."""
    for sequence, code in _SEQUENCES.items():
        if letters[at : at + len(sequence)] == list(sequence):
            letters[at : at + len(sequence)] = code
            return
    letter, previous = letters[at], letters[at - 1]
    following = letters[at + 1] if at + 1 < len(letters) else ""
    is_mute = letter == "H" and (previous not in _VOWELS or following not in _VOWELS)
    is_glide = letter == "W" and previous in _VOWELS
    letters[at] = previous if is_mute or is_glide else _LETTERS.get(letter, letter)


def _with_end(code: str) -> str:
    if len(code) > 1:
        code = code.removesuffix("S")
    if code.endswith("AY"):
        code = code[:-2] + "Y"
    # What was cut may bring two of a letter together: Yay.
    return _DOUBLED.sub(r"\1", code.removesuffix("A") or code)
