"""Narrative.div: basic HTML without active content (FHIR R4, narrative.html#xhtml, invariants txt-1 and txt-2)."""

import re
from xml.parsers import expat

XHTML = "http://www.w3.org/1999/xhtml"

# txt-1: HTML 4.0 chapters 7 to 11 (except section 4 of chapter 9) and 15, <a>, images and style attributes.
_ELEMENT_NAMES = """
    a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i
    img li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var
"""
_ATTRIBUTE_NAMES = """
    abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff
    charset cite class colspan compact coords dir frame headers height href hreflang hspace id lang longdesc
    name nowrap rel rev rowspan rules scope shape span src start style summary tabindex title type valign value
    vspace width
"""
ELEMENTS = frozenset(_ELEMENT_NAMES.split())
ATTRIBUTES = frozenset(_ATTRIBUTE_NAMES.split())
_XML_LANG = "http://www.w3.org/XML/1998/namespace lang"
_ADDRESSES = frozenset({"href", "src", "longdesc", "cite"})
# narrative.html: "to ensure ... that there is no active content". Browsers skip white space and controls in a scheme.
_ACTIVE = re.compile(r"(javascript|vbscript|data(?!:image/))", re.IGNORECASE)
_SKIPPED = re.compile(r"[\x00-\x20]+")
_STYLE_WITH_CODE = re.compile(r"expression\s*\(|javascript:|vbscript:|behavior\s*:|-moz-binding|@import", re.IGNORECASE)


def problems_of(div: str) -> list[str]:
    """What is wrong with the text of a Narrative.div, one sentence each; empty if nothing is."""
    return _DivReader().read(div)


class _DivReader:
    """Reads XML once, without entities or a document type, and collects what Narrative does not allow."""

    def __init__(self) -> None:
        self.problems: dict[str, None] = {}  # A set that keeps the order.
        self.has_content = False
        self.depth = 0
        self.parser = expat.ParserCreate("UTF-8", " ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.ProcessingInstructionHandler = self._instruction
        self.parser.StartDoctypeDeclHandler = self._document_type

    def read(self, div: str) -> list[str]:
        try:
            self.parser.Parse(div, True)
        except expat.ExpatError as error:
            self._add(_not_well_formed(error))
        except _DocumentTypeFound:
            self._add("A document type or an entity declaration is not allowed in a narrative.")
        else:
            if not self.has_content:
                self._add("The narrative has neither text nor an image; txt-2 wants some.")
        return list(self.problems)

    def _add(self, sentence: str) -> None:
        self.problems[sentence] = None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        if self.depth == 0 and (local != "div" or namespace != XHTML):
            self._add(f'The narrative is not one <div xmlns="{XHTML}">.')
        elif namespace != XHTML or local not in ELEMENTS:
            self._add(f"<{local[:40]}> is not allowed in a narrative; txt-1 allows basic HTML formatting only.")
        self.depth += 1
        if attributes:
            self._check_attributes(local, attributes)

    def _check_attributes(self, element: str, attributes: dict[str, str]) -> None:
        for name, value in attributes.items():
            if name not in ATTRIBUTES and name != _XML_LANG:
                shown = name.rpartition(" ")[2][:40]
                self._add(f"The attribute {shown} of <{element[:40]}> is not allowed in a narrative (txt-1).")
            elif name in _ADDRESSES and _ACTIVE.match(_SKIPPED.sub("", value)):
                self._add(f"The {name} of <{element[:40]}> is active content, which a narrative must not have.")
            elif name == "style" and _STYLE_WITH_CODE.search(value):
                self._add(f"The style of <{element[:40]}> is active content, which a narrative must not have.")
            if element == "img" and name == "src":
                self.has_content = True

    def _end(self, _name: str) -> None:
        self.depth -= 1

    def _text(self, text: str) -> None:
        if not self.has_content and text.strip(" \t\r\n"):
            self.has_content = True

    def _instruction(self, target: str, _data: str) -> None:
        self._add(f"The processing instruction <?{target[:40]}?> is not allowed in a narrative.")

    def _document_type(self, *_: object) -> None:
        # Nothing is declared and so nothing expands: the parser stops before it reads the declarations.
        raise _DocumentTypeFound


class _DocumentTypeFound(Exception):
    pass


def _not_well_formed(error: expat.ExpatError) -> str:
    what = expat.ErrorString(error.code)
    if error.code == expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]:
        # narrative.html: "there is no support for HTML entities like &nbsp;"; Unicode characters are used instead.
        what = "undefined entity; write the character itself or, for a no-break space, &#160;"
    return f"The narrative is not well-formed XHTML: {what} at line {error.lineno}, column {error.offset + 1}."
