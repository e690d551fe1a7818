"""Every way to ask for, search for or write over a resource that the caller may not see, for any type."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bhr_api.access import Letter
from bhr_api.fhir.definitions import Resource
from bhr_api.search.parameters import parameters_of
from tests.security.answers import FORM
from tests.security.minimal_resources import minimal_resource

OWN = "own-patient"
INNOCENT = "innocent"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request; `letters` are the SMART interactions that it needs on the type."""

    letters: str
    method: str
    path: str
    body: Resource | str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        bundle = self.body.get("entry", ()) if isinstance(self.body, dict) else ()
        entries = "; ".join(f"{entry['request']}" for entry in bundle[:3])
        return f"{self.method} {self.path} {self.headers or ''} {entries}".strip()


@dataclass(frozen=True, slots=True)
class Target:
    """The hidden resource: its type, id (also its identifier), and the patient whose record it is in."""

    resource_type: str
    id: str
    patient: str

    @property
    def deleted_id(self) -> str:
        """The id of a like resource that was deleted."""
        return f"{self.id}-gone"

    def body(self, *, patient: str | None = None, id: str | None = None) -> Resource:
        """A body that a writer would send: about `patient`, the hidden one by default."""
        return minimal_resource(self.resource_type, id or self.id, patient or self.patient, INNOCENT)


def reads(target: Target) -> Iterator[Attempt]:
    """read, vread and history of the instance, living and deleted."""
    for id in (target.id, target.deleted_id):
        path = f"/{target.resource_type}/{id}"
        yield Attempt("r", "GET", path)
        yield Attempt("r", "GET", f"{path}/_history")
        yield Attempt("r", "GET", f"{path}/_history?_since=2020-01-01")
        for version in (1, 2, 3):
            yield Attempt("r", "GET", f"{path}/_history/{version}")
    path = f"/{target.resource_type}/{target.id}"
    yield Attempt("r", "HEAD", path)
    yield Attempt("r", "GET", f"{path}?_pretty=true&_summary=true")
    yield Attempt("r", "GET", path, headers={"If-None-Match": 'W/"2"'})
    yield Attempt("r", "GET", path, headers={"If-Modified-Since": "Fri, 01 Jan 2038 00:00:00 GMT"})


def searches(target: Target) -> Iterator[Attempt]:
    """Searches that the hidden resource would meet, by whatever it holds, with counts, orders and includes."""
    path = f"/{target.resource_type}"
    for query in _queries(target):
        yield Attempt("s", "GET", f"{path}?{query}")
    yield Attempt("s", "GET", path)
    yield Attempt("s", "GET", f"{path}/_history")
    yield Attempt("s", "POST", f"{path}/_search", f"_id={target.id}&_total=accurate", FORM)
    for patient in (target.patient, OWN):
        yield Attempt("s", "GET", f"/Patient/{patient}/{target.resource_type}?_total=accurate")


def _queries(target: Target) -> Iterator[str]:
    served = parameters_of(target.resource_type)
    yield "_total=accurate"
    yield "_summary=count"
    yield "_count=1&_sort=-_lastUpdated&_total=estimate"
    yield f"_id={target.id},{target.deleted_id}&_total=accurate"
    yield "_lastUpdated=gt2020-01-01&_total=accurate"
    yield "_tag=a-tag&_total=accurate"
    if "identifier" in served:
        yield f"identifier={target.id}&_total=accurate"
    for code in ("patient", "subject", "beneficiary", "actor", "target"):
        if code in served and served[code].type == "reference":
            yield f"{code}=Patient/{target.patient}&_total=accurate"
    for code in ("code", "status", "category"):
        if code in served:
            yield f"{code}:missing=false&_total=accurate&_sort={code if served[code].type != 'composite' else '_id'}"
    yield f"_include={target.resource_type}:*&_include:iterate=*"
    yield f"_id={target.id}&_include={target.resource_type}:*&_revinclude=Provenance:target"


def includes(target: Target) -> Iterator[Attempt]:
    """Searches of what the caller may see, which refer to the hidden resource or are referred to by it."""
    name = target.resource_type
    yield Attempt("", "GET", "/Task?_id=pointer&_include=Task:*")
    yield Attempt("", "GET", f"/Task?_include=Task:focus:{name}&_include:iterate={name}:*")
    yield Attempt("", "GET", "/List?_include=List:item&_revinclude:iterate=Provenance:target")
    for anchor in ("Patient", "Organization", "Practitioner"):
        yield Attempt("", "GET", f"/{anchor}?_revinclude={name}:*&_revinclude:iterate=Provenance:target")


def writes(target: Target) -> Iterator[Attempt]:
    """create, update and delete, plain and conditional, of the hidden resource or into its record."""
    name, path = target.resource_type, f"/{target.resource_type}/{target.id}"
    theirs, mine = target.body(), target.body(patient=OWN)
    yield Attempt("c", "POST", f"/{name}", theirs)
    for criteria in _criteria(target):
        fresh = target.body(patient=OWN, id="fresh")
        yield Attempt("cs", "POST", f"/{name}", fresh, {"If-None-Exist": criteria})
        yield Attempt("us", "PUT", f"/{name}?{criteria}", mine)
        yield Attempt("us", "PUT", f"/{name}?{criteria}", {k: v for k, v in mine.items() if k != "id"})
        yield Attempt("ds", "DELETE", f"/{name}?{criteria}")
    for headers in ({}, {"If-Match": 'W/"1"'}, {"If-Match": 'W/"2"'}):
        yield Attempt("u", "PUT", path, theirs, headers)
        yield Attempt("u", "PUT", path, mine, headers)
        yield Attempt("d", "DELETE", path, headers=headers)
    yield Attempt("u", "PUT", f"/{name}/{target.deleted_id}", target.body(id=target.deleted_id))
    yield Attempt("u", "PUT", f"/{name}/{target.deleted_id}", target.body(id=target.deleted_id, patient=OWN))
    yield Attempt("d", "DELETE", f"/{name}/{target.deleted_id}")


def _criteria(target: Target) -> Iterator[str]:
    yield f"_id={target.id}"
    if "identifier" in parameters_of(target.resource_type):
        yield f"identifier={target.id}"


def referring_writes(target: Target) -> Iterator[Attempt]:
    """Transactions whose resources, in the caller's own record, refer to the hidden one."""
    hidden = f"{target.resource_type}/{target.id}"
    for criteria in _criteria(target):
        task = minimal_resource("Task", "own-task", OWN, INNOCENT)
        task["focus"] = {"reference": f"{target.resource_type}?{criteria}"}
        yield _transaction([Attempt("c", "POST", "/Task", task)])
    for targets in ([hidden], [hidden, f"Patient/{OWN}"]):
        provenance = minimal_resource("Provenance", "own-provenance", OWN, INNOCENT)
        provenance["target"] = [{"reference": one} for one in targets]
        yield Attempt("", "POST", "/Provenance", provenance)


def bundled(target: Target) -> Iterator[Attempt]:
    """The same, as entries: one batch of all, and a transaction of each kind."""
    single = [one for one in single_attempts(target) if one.method != "HEAD" and not one.path.endswith("_search")]
    yield _bundle("batch", single)
    yield _bundle("transaction", [one for one in single if one.method == "GET"][:8])
    for one in writes(target):
        yield _transaction([one])


def _transaction(attempts: list[Attempt]) -> Attempt:
    return _bundle("transaction", attempts)


def _bundle(type: str, attempts: list[Attempt]) -> Attempt:
    entries = [_entry(attempt) for attempt in attempts]
    letters = "".join(sorted({letter for attempt in attempts for letter in attempt.letters}))
    return Attempt(letters, "POST", "", {"resourceType": "Bundle", "type": type, "entry": entries})


_REQUEST_NAMES = {
    "If-Match": "ifMatch",
    "If-None-Match": "ifNoneMatch",
    "If-None-Exist": "ifNoneExist",
}


def _entry(attempt: Attempt) -> dict[str, Any]:
    request = {"method": attempt.method, "url": attempt.path.lstrip("/")}
    request |= {_REQUEST_NAMES[name]: value for name, value in attempt.headers.items() if name in _REQUEST_NAMES}
    return {**({"resource": attempt.body} if isinstance(attempt.body, dict) else {}), "request": request}


def every_attempt(target: Target) -> Iterator[Attempt]:
    """All of them."""
    yield from reads(target)
    yield from searches(target)
    yield from includes(target)
    yield from bundled(target)
    yield from referring_writes(target)
    yield from writes(target)


def single_attempts(target: Target) -> Iterator[Attempt]:
    """Those that are one interaction on the type itself."""
    yield from reads(target)
    yield from searches(target)
    yield from writes(target)


def needing(letter: Letter, target: Target) -> Iterator[Attempt]:
    """Those single requests that need `letter` on the type."""
    for attempt in single_attempts(target):
        if letter in attempt.letters:
            yield attempt


def content_of(attempt: Attempt) -> bytes | None:
    """The body as bytes."""
    if isinstance(attempt.body, str):
        return attempt.body.encode()
    return None if attempt.body is None else json.dumps(attempt.body).encode()
