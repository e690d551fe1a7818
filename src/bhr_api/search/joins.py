"""How a row that refers and the row that it refers to find each other by their tokens.

A reference's token is the target's self_token xor the parameter's key; a row's patient column is that of the reference to its
patient. Chains, `_has` and includes are all made of these (docs/decisions/0003-storage.md).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from bhr_api.fhir.definitions import RESOURCE_TYPES
from bhr_api.search.parameters import Parameter
from bhr_api.search.tokens import TokenHasher
from bhr_api.store.sql import Binder, all_of, hidden


@dataclass(frozen=True, slots=True)
class Way:
    """One way from a referring row to targets of the types `targets`.

    `target` is SQL about the row, and about what `tokens` adds to its FROM clause; a target has that value as its self_token,
    or (`is_url`) among its tokens. `of_row` is the condition on the row.
    """

    target: str
    tokens: str
    of_row: str
    targets: Collection[str]
    is_url: bool = False

    def reaches(self, row: str, value: str) -> str:
        """The condition that the row under the alias `row` is the tenant's target that `value` names.

        Of which type it is goes without saying; where that is asked too, it is to be hidden from the indexes.
        """
        if self.is_url:
            return f"{hidden(f'{row}.tenant = $1')} AND {row}.tokens @> ARRAY[{value}]"
        return f"{row}.tenant = $1 AND {row}.self_token = {value}"


def ways(
    parameter: Parameter, targets: Collection[str], row: str, hasher: TokenHasher, binder: Binder
) -> Iterator[Way]:
    """From the referring row under the alias `row` to what it refers to by `parameter`; without `targets`, to any type."""
    others = set(targets or RESOURCE_TYPES)
    of_row = "TRUE"
    if parameter.is_patient:
        # The one value is the row's patient, or leads to none.
        if "Patient" in others:
            yield Way(f"{row}.patient", "", of_row, ("Patient",))
        others.discard("Patient")
        of_row = f"{row}.patient IS NULL"
    if not others:
        return
    key = reference_key(parameter, hasher, binder)
    target, tokens = f"(u.token # {key})", f"CROSS JOIN unnest({row}.tokens) AS u (token)"
    yield Way(target, tokens, of_row, others)
    if parameter.is_canonical:
        # A canonical names its target by the target's own url, which is one of the target's tokens.
        has_value = binder.bind([hasher.present(parameter.resource_type, _own(parameter))], "bigint[]")
        yield Way(target, tokens, f"{of_row} AND {row}.tokens @> {has_value}", others, is_url=True)


def refers(
    parameter: Parameter,
    source: str,
    target: str,
    source_type: int,
    hasher: TokenHasher,
    binder: Binder,
    *,
    patient: bool,
) -> str:
    """The condition that the tenant's row `source` of a type refers by `parameter` to the row `target`.

    `patient`: which is a Patient. What the index by which it is found has no column for is hidden.
    """
    of_type = f"{source}.tenant = $1 AND {source}.resource_type = {source_type}"
    if parameter.is_patient and patient:
        return f"{of_type} AND {source}.patient = {target}.self_token"
    key = reference_key(parameter, hasher, binder)
    refers = f"{source}.tokens @> ARRAY[{target}.self_token # {key}]"
    if parameter.is_canonical:
        refers = f"({refers} OR {source}.tokens && ARRAY(SELECT u # {key} FROM unnest({target}.tokens) AS u))"
    return f"{hidden(of_type)} AND {refers}"


def each_of(columns: str, row: str, *conditions: str) -> str:
    """A join to the rows that meet the `conditions` on what stands before: an index is asked for each, never all are read.

    OFFSET 0 keeps the planner from beginning with the rows instead.
    """
    return f"CROSS JOIN LATERAL (SELECT {columns} FROM resource {row} WHERE {all_of([*conditions])} OFFSET 0) AS {row}"


def _own(parameter: Parameter) -> str:
    return parameter.made_of[0] if parameter.made_of else parameter.code


def reference_key(parameter: Parameter, hasher: TokenHasher, binder: Binder) -> str:
    """The value that a self_token is to be xored with to get the token of a reference to it."""
    return binder.bind(hasher.parameter(parameter.resource_type, _own(parameter)), "bigint")
