"""Search parameters that a tenant or a package adds: what a SearchParameter must be to be served, and what it becomes.

FHIR R4, searchparameter.html and search.html#ptypes. Whatever the expression of such a parameter comes to in a resource that
nobody foresaw, the resource is stored: values of other types than the parameter is made of are left out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from bhr_api.errors import InvalidResourceError, Issue
from bhr_api.fhir import json_text
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, SEARCH_PARAMETERS, Resource, SearchParameter
from bhr_api.fhirpath.errors import FHIRPathError
from bhr_api.fhirpath.extraction import compile_extractor
from bhr_api.fhirpath.parser import parse
from bhr_api.fhirpath.reached_types import Types, reached_types
from bhr_api.search.added_expressions import check_expression, own_alternatives
from bhr_api.search.parameters import ROW_PARAMETERS, Component, Extractor, Parameter, parameters_of
from bhr_api.search.project_parameters import PROJECT_PARAMETERS
from bhr_api.search.types import date
from bhr_api.search.types.token import TypedValue
from bhr_api.search.value_types import VALUE_TYPES, is_made_of

_SERVED_TYPES = (*VALUE_TYPES, "composite")
# What a composite of an inner element can bind together (search/types/composite.py).
_FIRST_OF_ELEMENT = ("token", "reference")
_SECOND_OF_ELEMENT = ("token", "reference", "number", "quantity")


def built_in(resource_type: str) -> Mapping[str, SearchParameter]:
    """What R4 and the project define for a type, by code, whether it is served or not."""
    return {**SEARCH_PARAMETERS[resource_type], **PROJECT_PARAMETERS.get(resource_type, {})}


def is_built_in(url: str) -> bool:
    """Whether `url` is that of a parameter of R4 or of the project."""
    return url in _built_in_urls()


@lru_cache(maxsize=1)
def _built_in_urls() -> frozenset[str]:
    return frozenset(one.url for name in RESOURCE_TYPE_NUMBERS for one in built_in(name).values())


def definitions_of(resource: Resource) -> list[SearchParameter]:
    """The definitions, one of each base, that a SearchParameter adds; none where it is not active or R4's own.

    Raises InvalidResourceError with everything that keeps it from being served.
    """
    if resource.get("status") != "active" or is_built_in(resource.get("url", "")):
        return []
    if not _is_well_formed(resource):
        raise InvalidResourceError(
            [Issue("error", "structure", "This is no SearchParameter of R4.", "SearchParameter")]
        )
    issues: list[Issue] = []
    found = [_definition(resource, base, place, issues) for place, base in enumerate(resource.get("base", ()))]
    if issues:
        raise InvalidResourceError(list(dict.fromkeys(issues)))
    return [definition for definition in found if definition is not None]


def _is_well_formed(resource: Resource) -> bool:
    """Whether what is asked of it here is as R4 says; packages are not validated."""
    match resource:
        case {"url": str(), "code": str(code), "type": str(), "base": list(bases)} if code:
            parts = resource.get("component", [])
            texts = [resource.get("expression", ""), *bases, *resource.get("target", [])]
            texts += [part.get(name) for part in parts for name in ("definition", "expression")]
            return all(isinstance(text, str) for text in texts)
    return False


def _definition(resource: Resource, base: str, place: int, issues: list[Issue]) -> SearchParameter | None:
    kind, code = resource["type"], resource["code"]
    with _told_as(issues, "not-supported", f"SearchParameter.base[{place}]"):
        if base not in RESOURCE_TYPE_NUMBERS:
            raise ValueError(f"{base} is no resource type; a parameter is added to each type by its name")
        if base == "AuditEvent":
            raise ValueError("audit events are found by columns of the audit, to which nothing is added")
    with _told_as(issues, "not-supported", "SearchParameter.type"):
        if kind not in _SERVED_TYPES:
            raise ValueError(f"a {kind} parameter cannot be served; these can: {', '.join(_SERVED_TYPES)}")
    with _told_as(issues, "value", "SearchParameter.code"):
        if base not in RESOURCE_TYPE_NUMBERS or code not in built_in(base):
            check_code(code)
    if issues:
        return None
    expression, reached = "", None
    with _told_as(issues, "not-supported", "SearchParameter.expression"):
        if "expression" not in resource:
            raise ValueError("there is none, and an XPath is not evaluated; write it in FHIRPath")
        expression = own_alternatives(resource["expression"], base)
        reached = _checked(expression, base, base, kind)
    components = _components(resource, base, reached, issues) if kind == "composite" and not issues else ()
    targets = _targets(resource, issues) if kind == "reference" else ()
    return SearchParameter(resource["url"], code, base, kind, expression, targets, components)


@contextmanager
def _told_as(issues: list[Issue], code: str, place: str) -> Iterator[None]:
    """Tell of what is refused inside as an issue."""
    try:
        yield
    except ValueError as error:
        issues.append(Issue("error", code, f"The search parameter cannot be served: {error}.", place))


def check_code(code: str) -> None:
    """Raise ValueError for a code that no search could name, or that means something else."""
    if not (
        code.isascii() and code[0].isalpha() and len(code) <= 64 and code.replace("-", "").replace("_", "").isalnum()
    ):
        raise ValueError("its code is a letter and up to 63 letters, digits, - and _, so that a search can name it")
    # By these codes parameters of R4 are told apart from others of their type.
    if code in ("near", "phonetic", "url"):
        raise ValueError(f"{code!r} has a meaning of its own in R4")


def _checked(expression: str, type_name: str, base: str, kind: str) -> Types:
    """The types that the expression leads to. Raises ValueError where they are none for the parameter."""
    check_expression(expression)
    reached = reached_types(parse(expression), type_name)
    compile_extractor(expression, type_name)
    if reached is not None and not reached:
        raise ValueError(f"the expression finds nothing in {base}")
    if kind in VALUE_TYPES and reached is not None and not any(is_made_of(kind, one) for one in reached):
        raise ValueError(
            f"it leads to {', '.join(sorted(reached))}; a {kind} parameter is made of {', '.join(VALUE_TYPES[kind])}"
        )
    return reached


def _targets(resource: Resource, issues: list[Issue]) -> tuple[str, ...]:
    targets = [target for target in resource.get("target", ()) if isinstance(target, str)]
    if not {"Resource", "DomainResource"}.isdisjoint(targets):
        return ()
    for place, target in enumerate(targets):
        with _told_as(issues, "value", f"SearchParameter.target[{place}]"):
            if target not in RESOURCE_TYPE_NUMBERS:
                raise ValueError(f"{target!r} is no resource type")
    return tuple(dict.fromkeys(targets))


def _components(resource: Resource, base: str, reached: Types, issues: list[Issue]) -> tuple[tuple[str, str], ...]:
    parts = resource.get("component", ())
    with _told_as(issues, "not-supported", "SearchParameter.component"):
        if len(parts) < 2:
            raise ValueError("a composite has two components or more")
        if reached is None or len(reached) != 1:
            raise ValueError("the elements of a composite are of one type, which its expression tells")
        if reached != {base} and len(parts) > 2:
            raise ValueError("a composite of an element of the resource has two components")
    if issues:
        return ()
    assert reached is not None
    (element_type,) = reached
    for place, part in enumerate(parts):
        with _told_as(issues, "not-supported", f"SearchParameter.component[{place}].expression"):
            check_expression(part["expression"])
            reached_types(parse(part["expression"]), element_type)
            compile_extractor(part["expression"], element_type)
    return tuple((part["definition"].partition("|")[0], part["expression"]) for part in parts)


def packed(definition: SearchParameter) -> bytes:
    """The definition as JSON, to be kept; two definitions of a code that are the same are so byte for byte."""
    return json_text.dumps(
        {
            "url": definition.url,
            "type": definition.type,
            "expression": definition.expression,
            "targets": list(definition.targets),
            "components": [list(component) for component in definition.components],
        }
    )


def unpacked(resource_type: str, code: str, kept: bytes) -> SearchParameter:
    """What `packed` kept."""
    read: dict[str, Any] = json_text.parse(kept)
    components = tuple((url, expression) for url, expression in read["components"])
    return SearchParameter(
        read["url"], code, resource_type, read["type"], read["expression"], tuple(read["targets"]), components
    )


def parts_by_url(resource_type: str, added: Iterable[SearchParameter]) -> Mapping[str, SearchParameter]:
    """What can be part of a composite of the type: parameters that leave values of their own, by url."""
    served = parameters_of(resource_type).values()
    own = [one for one in served if one.code not in ROW_PARAMETERS and (one.is_patient or not one.made_of)]
    defined = built_in(resource_type)
    return {one.url: defined[one.code] for one in own} | {one.url: one for one in added}


def unresolved(definition: SearchParameter, parts: Mapping[str, SearchParameter]) -> str | None:
    """Why the parts of a composite cannot be put together; None if they can. `parts` is what `parts_by_url` gives."""
    kinds = [parts[url].type if url in parts else None for url, _ in definition.components]
    for (url, _), kind in zip(definition.components, kinds, strict=True):
        if kind not in VALUE_TYPES:
            return f"its component {url} is no parameter of {definition.resource_type} that can be part of a composite"
    if (
        kinds
        and definition.expression != definition.resource_type
        and (kinds[0] not in _FIRST_OF_ELEMENT or kinds[1] not in _SECOND_OF_ELEMENT)
    ):
        return (
            "of an element, the first part is a token or reference, and the second one of these, a number or a quantity"
        )
    return None


def parameter_of(definition: SearchParameter, parts: Mapping[str, SearchParameter]) -> Parameter:
    """The definition, ready to use; `parts` hold all of a composite's."""
    base = definition.resource_type
    reached = reached_types(parse(definition.expression), base)
    return Parameter(
        code=definition.code,
        type=definition.type,
        resource_type=base,
        url=definition.url,
        targets=definition.targets,
        expression=definition.expression,
        extract=_extractor(definition.expression, base, definition.type),
        is_canonical=definition.type == "reference" and (reached is None or "canonical" in reached),
        components=tuple(_parts(definition, reached, parts)),
        is_composite_of_resource=definition.type == "composite" and definition.expression == base,
    )


def _parts(definition: SearchParameter, reached: Types, parts: Mapping[str, SearchParameter]) -> Iterator[Component]:
    for url, expression in definition.components:
        assert reached is not None
        (element_type,) = reached
        part = parts[url]
        yield Component(part.code, part.type, _extractor(expression, element_type, part.type))


def _extractor(expression: str, type_name: str, kind: str) -> Extractor:
    """The values that a parameter of type `kind` is made of; what cannot be evaluated has none."""
    extract = compile_extractor(expression, type_name)
    if kind == "composite":
        return _without_errors(extract)

    def found(element: Any, root: Resource | None = None) -> list[TypedValue]:
        return [value for value in values(element, root) if is_made_of(kind, value[0]) and _can_be_kept(kind, value)]

    values = _without_errors(extract)
    return found


def _without_errors(extract: Callable[..., list[TypedValue]]) -> Extractor:
    def found(element: Any, root: Resource | None = None) -> list[TypedValue]:
        try:
            return extract(element, root)
        except FHIRPathError:
            return []

    return found


def _can_be_kept(kind: str, value: TypedValue) -> bool:
    if kind != "date":
        return True
    try:
        # FHIRPath knows times to the hour, which FHIR does not.
        return bool(list(date.intervals([value])))
    except ValueError:
        return False
