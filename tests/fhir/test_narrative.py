import time

import pytest

from bhr_api.fhir.narrative import problems_of

XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


def div(inner: str) -> str:
    return f"<div {XHTML}>{inner}</div>"


@pytest.mark.parametrize(
    "inner",
    [
        "text",
        "<p>a <b>b</b><br/>&lt;&amp;&#160;</p>",
        '<img src="#pic" alt="a"/>',
        '<img src="data:image/png;base64,iVBORw0KGgo="/>',
        '<a href="https://example.org/" name="a">b</a>',
        '<p style="color: red" class="c" xml:lang="de">rot</p>',
        "<!-- a comment --><table><tbody><tr><td colspan='2'>1</td></tr></tbody></table>",
        "<![CDATA[a < b]]>",
    ],
)
def test_basic_html_is_taken(inner: str) -> None:
    assert problems_of(div(inner)) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(div("<script>alert(1)</script>a"), "<script> is not allowed", id="txt-1-script"),
        pytest.param(div("<form>a</form>"), "<form> is not allowed", id="txt-1-form"),
        pytest.param(div("<iframe src='a'/>a"), "<iframe> is not allowed", id="txt-1-iframe"),
        pytest.param(div("<object>a</object>"), "<object> is not allowed", id="txt-1-object"),
        pytest.param(div("<svg xmlns='http://www.w3.org/2000/svg'>a</svg>"), "<svg>", id="txt-1-other-namespace"),
        pytest.param(div("<P>a</P>"), "<P> is not allowed", id="txt-1-xhtml-is-lower-case"),
        pytest.param(div("<p onclick='a()'>a</p>"), "onclick", id="txt-1-event-handler"),
        pytest.param(div("<a href='javascript:a()'>a</a>"), "active content", id="active-link"),
        pytest.param(div("<a href=' java&#10;script:a()'>a</a>"), "active content", id="active-link-in-disguise"),
        pytest.param(div("<a href='data:text/html,a'>a</a>"), "active content", id="active-data"),
        pytest.param(div("<p style='width: expression(a())'>a</p>"), "active content", id="active-style"),
        pytest.param(div(""), "txt-2", id="txt-2-empty"),
        pytest.param(div(" \n<p> </p>"), "txt-2", id="txt-2-only-white-space"),
        pytest.param(div("<img alt='a'/>"), "txt-2", id="txt-2-image-without-source"),
        pytest.param(div("<p>a"), "not well-formed", id="unclosed"),
        pytest.param(div("&nbsp;"), "&#160;", id="html-entity"),
        pytest.param(div("a") + div("b"), "not well-formed", id="two-roots"),
        pytest.param("text", "not well-formed", id="no-element"),
        pytest.param("<div>a</div>", "is not one <div", id="no-namespace"),
        pytest.param(f"<p {XHTML}>a</p>", "is not one <div", id="another-root"),
        pytest.param(f"<!DOCTYPE div>{div('a')}", "document type", id="document-type"),
        pytest.param(div("a<?php b ?>"), "processing instruction", id="processing-instruction"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, said: str) -> None:
    problems = problems_of(text)

    assert any(said in problem for problem in problems), problems


def test_all_that_is_wrong_is_told_once_each() -> None:
    assert len(problems_of(div("<script>a</script><script>b</script><form>c</form>"))) == 2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><div>&b;</div>', id="entities"
        ),
        pytest.param('<!DOCTYPE a SYSTEM "file:///etc/passwd"><div>a</div>', id="external"),
    ],
)
def test_declarations_are_never_expanded(text: str) -> None:
    assert problems_of(text) == ["A document type or an entity declaration is not allowed in a narrative."]


@pytest.mark.parametrize("inner", ["<b>" * 300_000, "<b>" * 300_000 + "a" + "</b>" * 300_000, "a &lt; " * 300_000])
def test_a_large_narrative_is_read_in_linear_time(inner: str) -> None:
    started = time.perf_counter()
    problems_of(div(inner))

    assert time.perf_counter() - started < 5


def test_many_unknown_elements_are_told_in_linear_time() -> None:
    started = time.perf_counter()
    problems = problems_of(div("".join(f"<x{number}>a</x{number}>" for number in range(20_000))))

    assert problems
    assert time.perf_counter() - started < 5
