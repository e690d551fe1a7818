"""Every search parameter of a type as OpenAPI parameters and as the form of POST _search (FHIR R4, search.html)."""

from collections.abc import Iterator, Mapping
from typing import Any

from bhr_api.fhir.definitions import SEARCH_PARAMETERS, SearchParameter
from bhr_api.interactions.capabilities import (
    includes_of,
    parameters_served,
    reverse_includes_of,
    special_parameters_served,
)
from bhr_api.openapi.examples import examples
from bhr_api.openapi.primitive_schemas import Schema
from bhr_api.openapi.schemas import ref
from bhr_api.openapi.search_values import search_value
from bhr_api.search.parameters import Parameter
from bhr_api.search.project_parameters import PROJECT_PARAMETERS
from bhr_api.search.query import DEFAULT_COUNT, MAXIMUM_COUNT

OpenApiParameter = dict[str, Any]

_PREFIXES = "Prefixes: eq (none), ne, gt, lt, ge, le, sa, eb, ap."
_FORMS: Mapping[str, tuple[str, list[str]]] = {
    "token": (
        "`code`, `system|code`, `|code` (no system) or `system|`. Modifiers: `:not`, `:text`, `:of-type`, `:in`, `:not-in`,"
        " `:below`, `:above`, `:missing`.",
        ["http://loinc.org|44261-6"],
    ),
    "reference": (
        "`Type/id`, `id` or an absolute URL. Modifiers: `:Type` (`subject:Patient=id`), `:identifier`,"
        " `:below`, `:above`, `:missing`.",
        ["Patient/sample-0001"],
    ),
    "string": (
        "The beginning of the text, without regard to case and accents. Modifiers: `:exact`, `:contains`, `:missing`.",
        ["Tallow"],
    ),
    "date": (f"A date or time of any precision, as an interval. {_PREFIXES} Modifier: `:missing`.", ["ge2026-01-01"]),
    "number": (f"A number; its digits say how exact. {_PREFIXES} Modifier: `:missing`.", ["gt0.5"]),
    "quantity": (
        f"`number`, `number|system|code` or `number||unit`. {_PREFIXES} Modifier: `:missing`.",
        ["ge10|http://unitsofmeasure.org|{score}"],
    ),
    "uri": ("The whole URI. Modifiers: `:below`, `:above`, `:missing`.", ["https://example.org/fhir/Questionnaire/q1"]),
    "composite": (
        "The parts of one element, joined by `$`. Modifier: `:missing`.",
        ["http://loinc.org|44261-6$ge10"],
    ),
}
# Parameters that lead to more types than these lead nearly anywhere.
_MOST_TARGETS = 20
_ALTERNATIVES = "Values joined by `,` are alternatives (`\\,` is a comma)."


def form_name(type: str) -> str:
    """The component that holds the values of a search parameter type: `SearchToken`."""
    return f"Search{type.capitalize()}"


def form_schemas() -> dict[str, Schema]:
    """The values of a parameter, one schema for each type of search parameter.

    They are arrays, sent as the same parameter several times: all of them must hold (search.html#combining).
    """
    return {
        form_name(type): {
            "type": "array",
            "description": "Each must hold; the parameter is sent once for each.",
            "items": {"type": "string", "description": f"{text} {_ALTERNATIVES}", "examples": shown},
        }
        for type, (text, shown) in _FORMS.items()
    }


def _repeated(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _parameter(name: str, schema: Schema, description: str) -> OpenApiParameter:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_CONTROLS: tuple[OpenApiParameter, ...] = (
    _parameter(
        "_count",
        {"type": "integer", "minimum": 0, "default": DEFAULT_COUNT},
        f"Matches on a page, at most {MAXIMUM_COUNT}; 0 asks for the number of matches alone.",
    ),
    _parameter(
        "_sort",
        {"type": "string"},
        "Search parameters in the order that they sort by; `-` before one turns it round: `-_lastUpdated`.",
    ),
    _parameter(
        "_total", {"type": "string", "enum": ["none", "estimate", "accurate"]}, "Whether Bundle.total is counted."
    ),
    _parameter(
        "_summary", {"type": "string", "enum": ["true", "text", "data", "count", "false"]}, "Which elements to answer."
    ),
    _parameter("_elements", {"type": "string"}, "Names of elements to answer, joined by `,`: `id,status`."),
    _parameter("_cursor", {"type": "string"}, "A place in the pages; take it from the `next` link, never make it."),
)


def control_parameters() -> dict[str, OpenApiParameter]:
    """What shapes the answer of any search, by component name."""
    return {parameter["name"]: parameter for parameter in _CONTROLS}


def type_parameters(resource_type: str) -> dict[str, OpenApiParameter]:
    """The search parameters and includes of a type, by component name (`Observation.code`)."""
    return {
        f"{resource_type}.{parameter['name']}": parameter
        for parameter in (*_criteria(resource_type), *_includes(resource_type))
    }


def _criteria(resource_type: str) -> Iterator[OpenApiParameter]:
    example = examples().get(resource_type)
    for code, definition in special_parameters_served(resource_type).items():
        yield _parameter(code, {"type": "string"}, definition.type)
    for code, parameter in parameters_served(resource_type).items():
        shown = None if example is None else search_value(parameter, example)
        # In the text, since Swagger UI would fill every field with what stands in `example`.
        such_as = f"; such as `{shown}`" if shown else ""
        yield _parameter(code, ref(form_name(parameter.type)), f"{_description(parameter)}{such_as}")


def _description(parameter: Parameter) -> str:
    definition = _definition(parameter.resource_type, parameter.code)
    text = f"{parameter.type}: `{definition.expression}`" if definition.expression else parameter.type
    if not parameter.targets:
        return text
    targets = " | ".join(parameter.targets) if len(parameter.targets) <= _MOST_TARGETS else "any type"
    return f"{text} → {targets}"


def _definition(resource_type: str, code: str) -> SearchParameter:
    return PROJECT_PARAMETERS.get(resource_type, {}).get(code) or SEARCH_PARAMETERS[resource_type][code]


def _includes(resource_type: str) -> Iterator[OpenApiParameter]:
    forward = "What the matches refer to comes with them: `Type:parameter` or `Type:parameter:TargetType`."
    backward = "What refers to the matches comes with them: `Type:parameter`."
    for name, text, values in (
        ("_include", forward, includes_of(resource_type)),
        ("_revinclude", backward, reverse_includes_of(resource_type)),
    ):
        if values:
            items = {"type": "string", "examples": values}
            yield _parameter(name, _repeated(items), f"{text} Modifier: `:iterate`.")


def search_form(resource_type: str) -> Schema:
    """The form that POST _search takes: the same parameters; those with a modifier have no name of their own here."""
    criteria = {code: ref(form_name(parameter.type)) for code, parameter in parameters_served(resource_type).items()}
    includes = {parameter["name"]: _repeated({"type": "string"}) for parameter in _includes(resource_type)}
    controls = {parameter["name"]: parameter["schema"] for parameter in _CONTROLS}
    return {
        "type": "object",
        "properties": criteria | includes | controls,
        "additionalProperties": {"type": "string"},
    }
