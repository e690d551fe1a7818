"""The interactions of one resource type as OpenAPI operations (FHIR R4, http.html)."""

import re
from collections.abc import Sequence
from typing import Any

from bhr_api.fhir.definitions import is_resource_type
from bhr_api.interactions.requests import SERVER_WRITTEN
from bhr_api.openapi.answers import content, headers, put_off, refusals
from bhr_api.openapi.documented_types import DOCUMENTED_TYPES
from bhr_api.openapi.patches import PATCH_BODY
from bhr_api.openapi.primitive_schemas import Schema
from bhr_api.openapi.schemas import ANY_RESOURCE, ref
from bhr_api.openapi.search_parameters import control_parameters, type_parameters
from bhr_api.routers.requests import FHIR_JSON

Operation = dict[str, Any]
Paths = dict[str, dict[str, Any]]

ANY_TAG = "Any resource type"
# What every address below /fhir takes.
SHARED_PARAMETERS = ("_format", "_pretty", "X-Request-Id")
HISTORY_PARAMETERS = ("_count", "_since", "_at", "_cursor")


def parameter_refs(*names: str) -> list[dict[str, str]]:
    """References to parameter components."""
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def type_paths(name: str | None) -> Paths:
    """The addresses of the resource type `name`, or of any type under `{type}`."""
    return _TypePaths(name).paths()


class _TypePaths:
    """Writes the operations of one type; `name` None stands for the types that have no operations of their own."""

    def __init__(self, name: str | None) -> None:
        self.name = name
        self.label = name or "resource"
        self.one = f"{'an' if self.label[0] in 'AEIO' else 'a'} {self.label}"
        self.tag = name or ANY_TAG
        self.schema: Schema = ref(name or ANY_RESOURCE)
        self.is_written_by_clients = name not in SERVER_WRITTEN
        self.base = f"/fhir/{name or '{type}'}"
        self.snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() if name else "any"

    def paths(self) -> Paths:
        one = f"{self.base}/{{id}}"
        paths: Paths = {
            self.base: {"get": self._search()},
            f"{self.base}/_search": {"post": self._search_by_form()},
            one: {"get": self._read()},
        }
        if self.is_written_by_clients:
            paths[self.base] |= {
                "post": self._create(),
                "put": self._conditional_update(),
                "patch": self._conditional_patch(),
                "delete": self._conditional_delete(),
            }
            paths[one] |= {"put": self._update(), "patch": self._patch(), "delete": self._delete()}
            paths[f"{self.base}/_history"] = {"get": self._history("type")}
            paths[f"{one}/_history"] = {"get": self._history("instance")}
            paths[f"{one}/_history/{{version_id}}"] = {"get": self._vread()}
        return paths

    def _operation(
        self, verb: str, summary: str, letter: str, parameters: Sequence[str], answers: dict[str, Any], text: str = ""
    ) -> Operation:
        scope = f"Needs a scope such as `system/{self.name or '*'}.{letter}`."
        # Swagger UI does not follow references among the parameters of a path, so each operation names all of its own.
        all_parameters = (*(() if self.name else ("type",)), *parameters, *SHARED_PARAMETERS)
        return {
            "tags": [self.tag],
            "summary": summary,
            "description": f"{text} {scope}".strip(),
            "operationId": f"{self.snake}_{verb}",
            "parameters": parameter_refs(*all_parameters),
            "responses": answers,
        }

    # Reading

    def _read(self) -> Operation:
        answers = {"200": self._stored(f"The {self.label}"), "304": {"description": "The client has this version."}}
        answers |= refusals("BadRequest", "NotFound", "Gone")
        return self._operation("read", f"Read {self.one}", "r", ("id", "If-None-Match", "If-Modified-Since"), answers)

    def _vread(self) -> Operation:
        answers = {"200": self._stored("The version")} | refusals("BadRequest", "NotFound", "Gone")
        return self._operation("vread", f"Read one version of {self.one}", "r", ("id", "version_id"), answers)

    def _history(self, level: str) -> Operation:
        parameters = ("id", *HISTORY_PARAMETERS) if level == "instance" else (*HISTORY_PARAMETERS, "Prefer-async")
        of_what = f"{self.one}" if level == "instance" else f"all {self.label} resources"
        missing = ("NotFound",) if level == "instance" else ()
        later = {} if level == "instance" else put_off()
        answers = {"200": history_answer()} | later | refusals("BadRequest", *missing, "TooCostly")
        letter = "r" if level == "instance" else "s"
        return self._operation(
            f"history_{level}", f"The versions of {of_what}, newest first", letter, parameters, answers
        )

    def _search_parameters(self) -> tuple[str, ...]:
        return (*(type_parameters(self.name) if self.name else ()), *control_parameters())

    def _search(self) -> Operation:
        answers = {"200": self._found()} | put_off() | refusals("BadRequest", "TooCostly")
        parameters = (*self._search_parameters(), *(() if self.name else ("criteria",)), "Prefer-handling")
        return self._operation("search", f"Search {self.label} resources", "s", parameters, answers)

    def _search_by_form(self) -> Operation:
        answers = (
            {"200": self._found()} | put_off() | refusals("BadRequest", "TooLarge", "UnsupportedMediaType", "TooCostly")
        )
        schema = ref(f"{self.name}Search" if self.name else "AnySearch")
        body = {"content": {"application/x-www-form-urlencoded": {"schema": schema}}}
        summary = f"Search {self.label} resources by a form"
        text = "For searches that are long, or whose values should not stand in logs of addresses."
        operation = self._operation("search_by_form", summary, "s", ("Prefer-handling",), answers, text)
        return operation | {"requestBody": body}

    # Writing

    def _body(self) -> dict[str, Any]:
        return {"required": True, "content": content(self.schema, self.name or "Goal")}

    def _write_refusals(self, *more: str) -> dict[str, Any]:
        return refusals("BadRequest", "Conflict", "TooLarge", "UnsupportedMediaType", "Invalid", *more)

    def _create(self) -> Operation:
        answers = {
            "200": self._written("If-None-Exist found this one; nothing was stored"),
            "201": self._written("It was stored"),
            **self._write_refusals("SeveralMatches"),
        }
        text = "The server chooses the id. With `If-None-Exist` it is stored only where nothing meets the criteria."
        operation = self._operation("create", f"Create {self.one}", "c", ("If-None-Exist", "Prefer"), answers, text)
        return operation | {"requestBody": self._body()}

    def _update(self) -> Operation:
        answers = self._updated() | self._write_refusals("NotFound", "PreconditionFailed")
        text = (
            "Stores the next version, or the first under this id. Send `If-Match` so that no change of others is lost."
        )
        operation = self._operation("update", f"Update {self.one}", "u", ("id", "If-Match", "Prefer"), answers, text)
        return operation | {"requestBody": self._body()}

    def _conditional_update(self) -> Operation:
        answers = self._updated() | self._write_refusals("SeveralMatches")
        text = "Updates the one resource that meets the criteria, or creates one where none does."
        parameters = ("criteria", "If-Match", "Prefer")
        summary = f"Update the {self.label} that meets the criteria"
        operation = self._operation("conditional_update", summary, "u", parameters, answers, text)
        return operation | {"requestBody": self._body()}

    def _patch(self) -> Operation:
        answers = self._patched() | self._write_refusals("NotFound", "PreconditionFailed")
        text = "Changes what the patch names, and leaves the rest as it is. Needs a scope to read as well."
        operation = self._operation("patch", f"Patch {self.one}", "u", ("id", "If-Match", "Prefer"), answers, text)
        return operation | {"requestBody": PATCH_BODY}

    def _conditional_patch(self) -> Operation:
        answers = self._patched() | self._write_refusals("NotFound", "SeveralMatches")
        text = "Patches the one resource that meets the criteria."
        parameters = ("criteria", "If-Match", "Prefer")
        summary = f"Patch the {self.label} that meets the criteria"
        operation = self._operation("conditional_patch", summary, "u", parameters, answers, text)
        return operation | {"requestBody": PATCH_BODY}

    def _patched(self) -> dict[str, Any]:
        return {"200": self._written("The next version was stored")}

    def _delete(self) -> Operation:
        answers = _deleted() | refusals("BadRequest", "NotFound", "Conflict", "PreconditionFailed")
        text = "Its versions stay readable by vread and history."
        return self._operation("delete", f"Delete {self.one}", "d", ("id", "If-Match", "Prefer"), answers, text)

    def _conditional_delete(self) -> Operation:
        answers = _deleted() | refusals("BadRequest", "Conflict", "SeveralMatches")
        summary = f"Delete the {self.label} that meets the criteria"
        text = "Where nothing does, nothing is deleted and the answer is 204 all the same."
        parameters = ("criteria", "If-Match", "Prefer")
        return self._operation("conditional_delete", summary, "d", parameters, answers, text)

    # Answers

    def _stored(self, description: str, *more: str) -> dict[str, Any]:
        example = f"{self.name}Stored" if self.name else None
        return {
            "description": f"{description}.",
            "headers": headers("ETag", "Last-Modified", *more),
            "content": content(self.schema, example),
        }

    def _written(self, description: str) -> dict[str, Any]:
        """What a write answers: the resource, or with `Prefer: return=OperationOutcome` what became of it."""
        stored = self._stored(description, "Location")
        (media,) = stored["content"].values()
        media["schema"] = {"anyOf": [media["schema"], ref("OperationOutcome")]}
        return stored

    def _updated(self) -> dict[str, Any]:
        return {
            "200": self._written("The next version was stored"),
            "201": self._written("It was created"),
        }

    def _found(self) -> dict[str, Any]:
        name = f"{self.name}Searchset" if self.name else "AnySearchset"
        return {
            "description": "A page of matches with what comes with them; follow the `next` link for more.",
            "headers": headers(),
            "content": content(ref(name), name if self.name else None),
        }


def history_answer() -> dict[str, Any]:
    """A page of versions."""
    return {
        "description": "A page of versions; follow the `next` link for older ones.",
        "headers": headers(),
        "content": content(ref("HistoryBundle"), "History"),
    }


def _deleted() -> dict[str, Any]:
    return {
        "200": {
            "description": "It is deleted, and `Prefer: return=OperationOutcome` asked to be told.",
            "headers": headers(),
            "content": {FHIR_JSON: {"schema": ref("OperationOutcome")}},
        },
        "204": {"description": "It is deleted.", "headers": headers("ETag")},
    }


def tags() -> list[dict[str, Any]]:
    """One tag for each documented type, with the page of the standard that defines it."""
    described = [
        {"name": name, "description": text, "externalDocs": {"url": f"https://hl7.org/fhir/R4/{name.lower()}.html"}}
        for name, text in DOCUMENTED_TYPES.items()
    ]
    assert all(is_resource_type(name) for name in DOCUMENTED_TYPES)
    any_type = "The same interactions for every R4 resource type, also for those without a section of their own."
    return [*described, {"name": ANY_TAG, "description": any_type}]
