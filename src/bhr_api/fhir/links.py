"""What a resource refers to, by the types of its elements (FHIR R4, http.html#trules; narrative.html).

Links are Reference.reference, elements of type uri, url, oid and uuid, and `<a href>` and `<img src>` of the narrative.
Canonicals and other texts are none, whatever they look like.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from bhr_api.fhir.definitions import PRIMITIVE_TYPES, Resource, is_resource_type, is_type, json_names

_URI_TYPES = frozenset({"uri", "url", "oid", "uuid"})
# A uri of these names tells which one something is, and leads nowhere: canonicals and codes must go on meeting it.
_NAMING = frozenset({"url", "system"})

# XML has no "<" inside a tag, so that each of these stops at the next one.
_TAG = re.compile(r"""<(?:[\w.-]+:)?(?:a|img)(?=\s)(?:[^<>"']|"[^"<]*"|'[^'<]*')*+>""")
_ATTRIBUTE = re.compile(r"""([^\s=<>"']++)(\s*=\s*)("[^"]*"|'[^']*')""")


def replace_links(resource: Resource, replaced: Callable[[str], str]) -> None:
    """Put `replaced(link)` in the place of every link in `resource`, at any depth; in place."""
    _walk_all(resource, "Resource", replaced)


def references_in(resource: Resource) -> Iterator[str]:
    """Every Reference.reference in `resource`, in its order."""
    found: list[str] = []
    _walk_all(resource, "Resource", lambda link: link, found.append)
    return iter(found)


def located_references(resource: Resource) -> list[tuple[str, str]]:
    """(place, Reference.reference) of each Reference in `resource` and what it contains, in its order.

    The place is FHIRPath after the type: `.participant[0].actor`. What a Bundle or Parameters carries is left out: its
    references are about what is carried beside it (bundle.html#references).
    """
    found: list[tuple[str, str]] = []
    _locate(resource, str(resource.get("resourceType")), "", found)
    return found


def _locate(node: Mapping[str, Any], type_name: str, place: str, found: list[tuple[str, str]]) -> None:
    parts = _parts(type_name)
    for name, value in node.items():
        kind = parts.get(name)
        if kind is None:
            if name[0:1] == "_":
                _locate_in(value, "Element", f"{place}.{_path_name(type_name, name[1:])}", found)
        elif kind == "reference":
            found.append((place, value))
        elif isinstance(value, dict | list) and (kind != "Resource" or name == "contained"):
            _locate_in(value, kind, f"{place}.{_path_name(type_name, name)}", found)


def _locate_in(value: Any, type_name: str, place: str, found: list[tuple[str, str]]) -> None:
    if isinstance(value, dict):
        _locate(value, _own_type(value, type_name), place, found)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            if isinstance(item, dict):
                _locate(item, _own_type(item, type_name), f"{place}[{position}]", found)


@cache
def _path_name(type_name: str, name: str) -> str:
    """How FHIRPath names an element: `value.ofType(Reference)` for what JSON calls `valueReference`."""
    element, code = json_names(type_name).get(name, (None, ""))
    return name if element is None or element.name == name else f"{element.name}.ofType({code})"


def _ignore(_reference: str) -> None:
    """For a walk that does not look for references."""


@cache
def _parts(type_name: str) -> Mapping[str, str]:
    """The elements of a type that are or hold links: the JSON name, and how to treat it or the type to go on with."""
    if not is_type(type_name):
        return {}
    kinds = {name: _kind(type_name, name, code) for name, (_, code) in json_names(type_name).items()}
    return {name: kind for name, kind in kinds.items() if kind}


def _kind(type_name: str, name: str, code: str) -> str:
    if type_name == "Reference" and name == "reference":
        return "reference"
    if code == "xhtml":
        return "narrative"
    if code in _URI_TYPES:
        return "" if code == "uri" and name in _NAMING else "link"
    return "" if code in PRIMITIVE_TYPES else "Resource" if is_resource_type(code) else code


def _walk(
    node: dict[str, Any], type_name: str, replaced: Callable[[str], str], met: Callable[[str], None] = _ignore
) -> None:
    parts = _parts(type_name)
    for name, value in node.items():
        kind = parts.get(name)
        if kind is None:
            if name[0:1] == "_":
                # What belongs to a primitive: its extensions (json.html#primitive).
                _walk_all(value, "Element", replaced, met)
        elif isinstance(value, str):
            if kind == "reference":
                met(value)
            node[name] = _in_narrative(value, replaced) if kind == "narrative" else replaced(value)
        elif kind == "link" and isinstance(value, list):
            node[name] = [replaced(item) if isinstance(item, str) else item for item in value]
        else:
            _walk_all(value, kind, replaced, met)


def _walk_all(value: Any, type_name: str, replaced: Callable[[str], str], met: Callable[[str], None] = _ignore) -> None:
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                _walk(item, _own_type(item, type_name), replaced, met)
    elif isinstance(value, dict):
        _walk(value, _own_type(value, type_name), replaced, met)


def _own_type(node: Mapping[str, Any], type_name: str) -> str:
    return str(node.get("resourceType")) if type_name == "Resource" else type_name


def _in_narrative(div: str, replaced: Callable[[str], str]) -> str:
    """The narrative with its links replaced, and not one other character changed."""
    if "href" not in div and "src" not in div:
        return div
    return _TAG.sub(lambda tag: _ATTRIBUTE.sub(lambda attribute: _replaced(attribute, replaced), tag[0]), div)


def _replaced(attribute: re.Match[str], replaced: Callable[[str], str]) -> str:
    name, between, quoted = attribute.groups()
    if name not in ("href", "src"):
        return attribute[0]
    link = quoted[1:-1]
    new = replaced(link)
    return attribute[0] if new == link else f'{name}{between}"{new}"'
