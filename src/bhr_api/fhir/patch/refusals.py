"""What every kind of patch refuses alike, and with which status (FHIR R4, http.html#patch; RFC 5789 §2.2).

A document that is no patch is 400; a patch that cannot be applied to this resource is 422.
"""

from typing import Any

from bhr_api.errors import InvalidResourceError, Issue, MalformedRequestError
from bhr_api.fhir.definitions import Resource
from bhr_api.fhir.json_text import MAX_DEPTH
from bhr_api.fhir.patch.json_values import is_deeper, same_json

MAX_OPERATIONS = 1000
_SHOWN = 80

# http.html#patch: the outcome is processed as an update, and update (http.html#update) takes only the id of the address;
# the type is that of the address too, and the two elements of meta are the server's own.
_KEPT = (("resourceType",), ("id",), ("meta", "versionId"), ("meta", "lastUpdated"))


def malformed(sentence: str, place: str | None) -> MalformedRequestError:
    """RFC 5789 §2.2: a malformed patch document is 400."""
    return MalformedRequestError(sentence, expression=place)


def inapplicable(sentence: str, place: str | None, code: str = "processing") -> InvalidResourceError:
    """RFC 5789 §2.2: a patch that is understood and cannot be processed is 422; `place` is in the patch document."""
    return InvalidResourceError([Issue("error", code, sentence, place)])


def shown(text: str) -> str:
    """A text of the patch document, short enough to be repeated in a sentence."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def refuse_too_many(count: int, place: str | None) -> None:
    """Raise `MalformedRequestError` for more than `MAX_OPERATIONS`."""
    if count > MAX_OPERATIONS:
        sentence = f"The patch has {count} operations; at most {MAX_OPERATIONS} are taken. Send the resource by PUT."
        error = malformed(sentence, place)
        error.issues = [Issue("error", "too-costly", sentence, place)]
        raise error


def refuse_depth(value: Any, levels_above: int, place: str | None) -> None:
    """Raise `InvalidResourceError` if `value` below so many levels nests deeper than JSON is taken at all."""
    if levels_above > MAX_DEPTH or is_deeper(value, MAX_DEPTH - levels_above):
        raise inapplicable(f"The resource would nest deeper than {MAX_DEPTH} levels.", place, "too-costly")


class KeptElements:
    """Watches over what no patch may change: the type, the id, `meta.versionId` and `meta.lastUpdated`."""

    def __init__(self, resource: Resource) -> None:
        self._before = [_value(resource, path) for path in _KEPT]
        self._changed_at: dict[int, str | None] = {}

    def look(self, resource: Any, place: str | None) -> None:
        """Note what differs after the operation at `place`; an operation may still put it right."""
        for number, path in enumerate(_KEPT):
            if same_json(_value(resource, path), self._before[number]):
                self._changed_at.pop(number, None)
            else:
                self._changed_at.setdefault(number, place)

    def confirm(self) -> None:
        """Raise `InvalidResourceError`, one issue for each of them that has not its old value now."""
        issues = [
            Issue("error", "business-rule", _sentence(".".join(_KEPT[number])), place)
            for number, place in self._changed_at.items()
        ]
        if issues:
            raise InvalidResourceError(issues)


def _value(resource: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        resource = resource.get(name) if isinstance(resource, dict) else None
    return resource


def _sentence(name: str) -> str:
    if name.startswith("meta."):
        return f"A patch may not change {name}, which the server sets; change the other elements of meta one by one."
    return f"A patch may not change {name}; it belongs to the address of the resource."
