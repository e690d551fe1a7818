"""_include and _revinclude: further resources that come with the matches (FHIR R4, search.html#revinclude).

Each included row is under the same visibility condition as a match. Nothing is cut off silently: a page that would bring more
than the limit is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bhr_api.errors import InvalidParameterError
from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS, RESOURCE_TYPES
from bhr_api.search.parameters import Parameter, parameters_of
from bhr_api.search.tokens import TokenHasher
from bhr_api.search.visibility import Visibility
from bhr_api.store.sql import Binder

MAXIMUM_DEPTH = 8
MAXIMUM_INCLUDED = 10_000


@dataclass(frozen=True, slots=True)
class Include:
    """One `_include` or (`reverse`) `_revinclude`; `code` None is every reference parameter; `target` limits the type."""

    reverse: bool
    iterate: bool
    source: str
    code: str | None
    target: str | None

    def parameters(self) -> list[Parameter]:
        """The reference parameters to follow."""
        served = parameters_of(self.source)
        if self.code is not None:
            return [served[self.code]]
        return [parameter for parameter in served.values() if parameter.type == "reference"]


def parse_include(name: str, modifier: str, value: str, resource_type: str) -> Include:
    """The include that `Source:parameter[:Target]` or `*` spells. Raises InvalidParameterError."""
    if modifier not in ("", "iterate", "recurse"):
        raise InvalidParameterError(f"{name}:{modifier}", value, "the only modifier is :iterate")
    reverse = name == "_revinclude"
    iterate = modifier != ""
    if value == "*" and not reverse:
        return Include(reverse, iterate, resource_type, None, None)
    parts = value.split(":")
    if not 2 <= len(parts) <= 3:
        raise InvalidParameterError(name, value, "it is Type:parameter or Type:parameter:TargetType")
    source, code, target = parts[0], parts[1], parts[2] if len(parts) == 3 else None
    for type_name in (source, target or source):
        if type_name not in RESOURCE_TYPE_NUMBERS:
            raise InvalidParameterError(name, value, f"{type_name!r} is no R4 resource type")
    if code != "*":
        parameter = parameters_of(source).get(code)
        if parameter is None or parameter.type != "reference":
            raise InvalidParameterError(name, value, f"{source} has no reference parameter {code!r}")
    return Include(reverse, iterate, source, None if code == "*" else code, target)


def reached_sql(includes: Sequence[Include], visibility: Visibility, hasher: TokenHasher, binder: Binder) -> str:
    """A recursive table `reached (row_id, resource_type, tokens, self_token, depth)` from the rows of `page`.

    Depth 0 are the matches themselves. Without :iterate an include starts from matches only.
    """
    steps = " UNION ALL ".join(_step(include, visibility, hasher, binder) for include in includes)
    return f"""
        reached AS (
            SELECT row_id, resource_type, tokens, self_token, 0 AS depth FROM page
            UNION
            SELECT t.row_id, t.resource_type, t.tokens, t.self_token, s.depth + 1
            FROM reached s CROSS JOIN LATERAL ({steps}) AS t
            WHERE s.depth < {MAXIMUM_DEPTH}
        )
    """


def _step(include: Include, visibility: Visibility, hasher: TokenHasher, binder: Binder) -> str:
    depth = "TRUE" if include.iterate else "s.depth = 0"
    follow = _backward if include.reverse else _forward
    return " UNION ALL ".join(
        follow(include, parameter, depth, visibility, hasher, binder) for parameter in include.parameters()
    )


_COLUMNS = "t.row_id, t.resource_type, t.tokens, t.self_token"


def _forward(
    include: Include, parameter: Parameter, depth: str, visibility: Visibility, hasher: TokenHasher, binder: Binder
) -> str:
    """From a source to what it refers to: its tokens, xor the parameter's key, are self_tokens of targets."""
    targets = [include.target] if include.target else list(parameter.targets or RESOURCE_TYPES)
    visible = visibility.of_types(targets, "r", "t", binder)
    own = parameter.made_of[0] if parameter.made_of else parameter.code
    key = binder.bind(hasher.parameter(include.source, own), "bigint")
    named = [f"t.self_token = (u.token # {key})"]
    if parameter.is_canonical:
        # A canonical names its target by the target's own url, which is one of the target's tokens.
        named.append(f"t.tokens @> ARRAY[u.token # {key}]")
    return " UNION ALL ".join(
        f"""
        SELECT {_COLUMNS} FROM unnest(s.tokens) AS u (token) JOIN resource t ON {condition}
        WHERE {depth} AND s.resource_type = {RESOURCE_TYPE_NUMBERS[include.source]} AND {visible}
        """
        for condition in named
    )


def _backward(
    include: Include, parameter: Parameter, depth: str, visibility: Visibility, hasher: TokenHasher, binder: Binder
) -> str:
    """From a target to what refers to it."""
    visible = visibility.of_type(include.source, "s", "t", binder)
    targets = [include.target] if include.target else list(parameter.targets)
    types = f"AND s.resource_type = ANY({_numbers(targets, binder)})" if targets else ""
    if parameter.is_patient and set(targets) == {"Patient"}:
        refers = "t.patient = s.self_token"
    else:
        key = binder.bind(hasher.parameter(include.source, parameter.code), "bigint")
        refers = f"t.tokens @> ARRAY[s.self_token # {key}]"
        if parameter.is_canonical:
            refers = f"({refers} OR t.tokens && ARRAY(SELECT u # {key} FROM unnest(s.tokens) AS u))"
    return f"""
        SELECT {_COLUMNS} FROM resource t
        WHERE {depth} {types} AND t.resource_type = {RESOURCE_TYPE_NUMBERS[include.source]} AND {refers} AND {visible}
    """


def _numbers(types: Sequence[str], binder: Binder) -> str:
    return binder.bind([RESOURCE_TYPE_NUMBERS[name] for name in types], "smallint[]")
