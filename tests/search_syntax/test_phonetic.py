import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhr_api.search.phonetic import key, keys, spanish_key, words


# dropby.com/NYSIIS.html, the examples to Taft's rules, with the doubled first letters of NNAT, FFALAP and SSANAF
# dropped as the rule "if current is not the last letter of the key" has it.
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Macintosh", "MCANT"),
        ("Knuth", "NAT"),
        ("Koehn", "CAN"),
        ("Phillipson", "FALAPSAN"),
        ("Pfeister", "FASTAR"),
        ("Schoenhoeft", "SANAFT"),
        ("McKee", "MCY"),
        ("Mackie", "MCY"),
        ("Heitschmidt", "HATSNAD"),
        ("Bart", "BAD"),
        ("Hurd", "HAD"),
        ("Hunt", "HAD"),
        ("Westerlund", "WASTARLAD"),
        ("Casstevens", "CASTAFAN"),
        ("Vasquez", "VASG"),
        ("Frazier", "FRASAR"),
        ("Bowman", "BANAN"),
        ("McKnight", "MCNAGT"),
        ("Rickert", "RACAD"),
        ("Deutsch", "DAT"),
        ("Westphal", "WASTFAL"),
        ("Shriver", "SRAVAR"),
        ("Kuhl", "CAL"),
        ("Rawson", "RASAN"),
        ("Jiles", "JAL"),
        ("Carraway", "CARY"),
        ("Yamada", "YANAD"),
    ],
)
def test_the_published_examples_of_nysiis(name: str, code: str) -> None:
    assert key(name) == code


@pytest.mark.parametrize(
    "alike",
    [
        pytest.param("Jiménez Giménez Ximénez Jimenes", id="j-g-x"),
        pytest.param("Hernández Ernandez Hernandes Ernandes", id="mute-h"),
        pytest.param("González Gonzales Gonsalez", id="c-s-z"),
        pytest.param("Vázquez Vásquez Básquez Vaskes", id="b-v"),
        pytest.param("Ceballos Zeballos Zevallos Seballos Cevayos", id="ll-y"),
        pytest.param("Muñoz Munoz Muños", id="n-with-and-without-tilde"),
        pytest.param("Ybarra Ibarra Ivarra", id="i-y"),
        pytest.param("Mejía Mexía Megía", id="x-between-vowels"),
        pytest.param("Quiroz Quirós Kiroz", id="qu-k"),
        pytest.param("Guevara Guebara", id="gu-before-e"),
        pytest.param("Huerta Uerta Werta", id="hu-w"),
        pytest.param("Calixto Calisto", id="x-before-a-consonant"),
        pytest.param("Echeverría Etcheverria Echeberria Etxeberria", id="basque"),
        pytest.param("Yepes Yépez Llepes", id="initial-y"),
        pytest.param("Smith Smyth Smithe", id="english-i-y"),
        pytest.param("Catherine Katherine Catharine", id="english-c-k"),
        pytest.param("Stephen Steven Stefan", id="english-ph-v"),
        pytest.param("Brown Browne Braun", id="english-w"),
        pytest.param("O'Brien O’Brien OBrien Obrian", id="apostrophes"),
        pytest.param("Søren Soren Sören", id="letters-that-do-not-decompose"),
        pytest.param("Straße Strasse", id="sharp-s"),
        pytest.param("Łukasz Lukasz", id="polish-l"),
        pytest.param("李", id="a-script-without-rules"),
        pytest.param("Иванов ИВАНОВ", id="case-of-another-script"),
    ],
)
def test_names_that_sound_alike_share_a_key(alike: str) -> None:
    first, *others = alike.split()
    assert keys(first)
    assert [other for other in others if not keys(first) & keys(other)] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bell", "Bay"),
        ("Miller", "Mayer"),
        ("Ben", "Van"),
        ("García", "Garza"),
        ("Guerrero", "Herrero"),
        ("Peña", "Pérez"),
        ("Smith", "Schmidt"),
        ("Rodríguez", "Ramírez"),
        ("Anna", "Jane"),
        ("李", "王"),
    ],
)
def test_names_that_do_not_sound_alike_share_no_key(one: str, other: str) -> None:
    assert not keys(one) & keys(other)


@pytest.mark.parametrize(
    ("name", "phonemes"),
    [
        ("Castillo", "kastiyo"),
        ("Jiménez", "jimenes"),
        ("Chávez", "cabes"),
        ("Quiñones", "kinones"),
        ("Guerrero", "gerero"),
        ("Huerta", "uerta"),
        ("Yturbide", "iturbide"),
        ("Hierro", "yero"),
        ("Félix", "feliks"),
        ("Rey", "rei"),
        ("H", "h"),
    ],
)
def test_the_spanish_key_is_what_is_said(name: str, phonemes: str) -> None:
    assert spanish_key(name) == phonemes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" - . 3 ", []),
        ("María José", ["María", "José"]),
        ("García-Márquez", ["García", "Márquez"]),
        ("Smith,John\tJ.R.", ["Smith", "John", "J.R."]),
        ("O'Brien–Ruiz", ["O'Brien", "Ruiz"]),
        ("de la Cruz (3rd)", ["de", "la", "Cruz", "3rd"]),
    ],
)
def test_a_name_is_its_words(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_each_word_of_a_name_is_found_in_english_and_spanish() -> None:
    assert keys("Ana García-Muñoz") == {"AN", "ana", "GARC", "garsia", "MAN", "munos"}


# Without the letters whose upper case is not Latin-1, or which are signs.
latin = st.text(st.characters(codec="latin-1", categories=["L"], exclude_characters="µªºÿ"), max_size=20)


@given(latin)
def test_case_and_accents_do_not_matter(word: str) -> None:
    assert keys(word.upper()) == keys(word.lower())
    assert keys(unicodedata.normalize("NFD", word)) == keys(word)


@given(st.from_regex("[a-z]{1,20}", fullmatch=True))
def test_a_code_is_capitals_that_never_repeat(word: str) -> None:
    code = key(word)
    assert code.isupper()
    assert all(one != following for one, following in pairwise(code))
    assert len(code) <= len(word)


@given(st.text(), st.text())
def test_a_name_has_the_keys_of_each_of_its_parts(one: str, other: str) -> None:
    assert keys(f"{one} {other}") == keys(one) | keys(other)
    assert "" not in keys(one)
