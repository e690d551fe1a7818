"""Which tables a statement reads or writes without being tied to a tenant, by PostgreSQL's own parse of it.

PostgreSQL keeps the body of an SQL function as the tree that its parser made (PostgreSQL 18 §65 `pg_proc.prosqlbody`), so
a statement is made the body of a function that is never committed. In that tree names are resolved: a column is a
number in the query's list of tables. A mention of a table is tied when an AND-condition that every row must meet equates its
tenant with a parameter of the statement, or with a column that comes from a table so tied.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

_TOKEN = re.compile(r"[(){}]|(?:\\.|[^\s(){}\\])+")
_INSERT, _UPDATE, _MERGE = "3", "2", "5"
_RELATION, _SUBQUERY, _JOIN, _VALUES, _CTE, _GROUP = "0", "1", "2", "5", "6", "9"
# JoinType of nodes.h; a full join's condition restricts neither side.
_IS_TRUE = "0"
_INNER_JOIN, _LEFT_JOIN, _RIGHT_JOIN = "0", "1", "3"

_EQUALITIES = (
    "SELECT oid::text FROM pg_operator WHERE oprname = '=' AND oprleft IN (20, 21, 23) AND oprright IN (20, 21, 23)"
)
_TENANT_TABLES = """
SELECT c.oid::text, c.relname::text, a.attnum::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND a.attname = 'tenant'
    AND c.relname <> 'tenant'
"""


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables that hold a tenant's records, their names and tenant columns by oid, and the operators that equate numbers."""

    names: Mapping[str, str]
    columns: Mapping[str, str]
    equalities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ties:
    """What a statement is about: `tables` that it mentions, `loose` mentions (table and alias), and what ties the others.

    `parameters` are the numbers of the parameters that have to be the tenant's.
    """

    tables: frozenset[str]
    loose: tuple[str, ...]
    parameters: frozenset[int]


async def read_schema(connection: asyncpg.Connection) -> Schema:
    """The tables with a tenant column, but for the list of tenants itself."""
    found = await connection.fetch(_TENANT_TABLES)
    equalities = await connection.fetch(_EQUALITIES)
    return Schema(
        {oid: name for oid, name, _ in found},
        {oid: number for oid, _, number in found},
        frozenset(row[0] for row in equalities),
    )


async def ties_of(connection: asyncpg.Connection, schema: Schema, sql: str) -> Ties:
    """The ties of a SELECT, INSERT, UPDATE or DELETE."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"PREPARE noted AS {sql}")
        types = await connection.fetchval(
            "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'noted'"
        )
        await connection.execute("DEALLOCATE noted")
        body = f"BEGIN ATOMIC {sql}; END"
        await connection.execute(f"CREATE FUNCTION noted({', '.join(types)}) RETURNS void LANGUAGE sql {body}")
        tree = await connection.fetchval("SELECT prosqlbody::text FROM pg_proc WHERE proname = 'noted'")
    finally:
        await transaction.rollback()
    return _Analysis(schema, parse(tree)).ties()


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A node of the tree."""

    name: str
    fields: Mapping[str, Any]

    def __getitem__(self, field_name: str) -> Any:
        return self.fields[field_name]

    def items(self, field_name: str) -> Sequence[Any]:
        """A list, which PostgreSQL writes as <> when it is empty."""
        found = self.fields.get(field_name, "<>")
        return found if isinstance(found, list) else []


def parse(text: str) -> Any:
    """A pg_node_tree as nodes, lists and words."""
    tokens = _TOKEN.findall(text)
    value, _ = _value(tokens, 0)
    return value


def _value(tokens: Sequence[str], at: int) -> tuple[Any, int]:
    if tokens[at] == "{":
        return _node(tokens, at + 1)
    if tokens[at] != "(":
        return tokens[at], at + 1
    found: list[Any] = []
    at += 1
    while tokens[at] != ")":
        value, at = _value(tokens, at)
        found.append(value)
    return found, at + 1


def _node(tokens: Sequence[str], at: int) -> tuple[Node, int]:
    name, at = tokens[at], at + 1
    fields: dict[str, Any] = {}
    while tokens[at] != "}":
        key, at = tokens[at].removeprefix(":"), at + 1
        values: list[Any] = []
        # The bytes of a constant are several words.
        while tokens[at] != "}" and not tokens[at].startswith(":"):
            value, at = _value(tokens, at)
            values.append(value)
        fields[key] = values[0] if len(values) == 1 else values
    return Node(name, fields), at + 1


@dataclass(slots=True, eq=False)
class _Scope:
    """A query within a statement; `tied` tells for a place in its list of tables which parameter is the tenant there."""

    query: Node
    parent: "_Scope | None"
    tied: dict[str, int] = field(default_factory=dict)

    def table(self, place: str) -> Node:
        table: Node = self.query.items("rtable")[int(place) - 1]
        return table

    def up(self, levels: str) -> "_Scope":
        scope = self
        for _ in range(int(levels)):
            assert scope.parent is not None
            scope = scope.parent
        return scope


class _Analysis:
    def __init__(self, schema: Schema, tree: Any) -> None:
        self._schema = schema
        self._scopes: dict[int, _Scope] = {}
        self._find_scopes(tree, None)
        self._tie()

    def _find_scopes(self, value: Any, parent: _Scope | None) -> None:
        if isinstance(value, list):
            for item in value:
                self._find_scopes(item, parent)
        elif isinstance(value, Node):
            if value.name == "QUERY":
                parent = self._scopes[id(value)] = _Scope(value, parent)
            for item in value.fields.values():
                self._find_scopes(item, parent)

    def _tie(self) -> None:
        """One tie makes others possible, in this query or another, until there are no more."""
        conditions = [(scope, *found) for scope in self._scopes.values() for found in _conditions(scope.query)]
        before = -1
        while before < (before := sum(len(scope.tied) for scope in self._scopes.values())):
            for scope, condition, places in conditions:
                self._tie_by(scope, condition, places)

    def _tie_by(self, scope: _Scope, condition: Node, places: frozenset[str]) -> None:
        if condition.name != "OPEXPR" or condition["opno"] not in self._schema.equalities:
            return
        left, right = condition["args"]
        for column, other in ((left, right), (right, left)):
            if not self._is_tenant(column, scope) or column["varno"] not in places:
                continue
            sources = self._sources(other, scope, frozenset())
            if len(sources) == 1 and None not in sources:
                scope.tied.setdefault(column["varno"], *[source for source in sources if source])

    def _is_tenant(self, column: Any, scope: _Scope) -> bool:
        if not isinstance(column, Node) or column.name != "VAR" or column["varlevelsup"] != "0":
            return False
        table = scope.table(column["varno"])
        return bool(table["rtekind"] == _RELATION and self._schema.columns.get(table["relid"]) == column["varattno"])

    def _sources(self, value: Node, scope: _Scope, asked: frozenset[tuple[int, str]]) -> set[int | None]:
        """The parameters that `value` may be the tenant of; None among them when it may be anything else.

        `asked` are the columns that this question came by: those of a recursive query say nothing new of themselves.
        """
        if value.name == "RELABELTYPE":
            return self._sources(value["arg"], scope, asked)
        if value.name == "PARAM" and value["paramkind"] == "0":
            return {int(value["paramid"])}
        if value.name != "VAR":
            return {None}
        scope = scope.up(value["varlevelsup"])
        table, number = scope.table(value["varno"]), value["varattno"]
        match table["rtekind"]:
            case kind if kind == _RELATION and self._schema.columns.get(table["relid"]) == number:
                return {scope.tied.get(value["varno"])}
            case kind if kind == _SUBQUERY:
                return self._output(table["subquery"], number, asked)
            case kind if kind == _CTE:
                return self._output(_common(scope.up(table["ctelevelsup"]).query, table["ctename"]), number, asked)
            case kind if kind in (_JOIN, _GROUP):
                columns = table.items("joinaliasvars" if kind == _JOIN else "groupexprs")
                return self._sources(columns[int(number) - 1], scope, asked)
            case kind if kind == _VALUES:
                values = [row[int(number) - 1] for row in table["values_lists"]]
                return {source for one in values for source in self._sources(one, scope, asked)}
        return {None}

    def _output(self, query: Node, number: str, asked: frozenset[tuple[int, str]]) -> set[int | None]:
        """The same of a column that a query gives back; of a union's, from each of its parts."""
        if (id(query), number) in asked:
            return set()
        asked |= {(id(query), number)}
        scope = self._scopes[id(query)]
        parts = [scope.table(place)["subquery"] for place in _leaves(query["setOperations"])]
        if parts:
            return {source for part in parts for source in self._output(part, number, asked)}
        entries = query.items("returningList") or query.items("targetList")
        (entry,) = [entry for entry in entries if entry["resno"] == number]
        return self._sources(entry["expr"], scope, asked)

    def ties(self) -> Ties:
        tables: set[str] = set()
        loose: list[str] = []
        parameters: set[int] = set()
        for scope in self._scopes.values():
            assert scope.query["commandType"] != _MERGE, "MERGE is not understood here"
            for place, table in self._mentions(scope):
                name = self._schema.names[table["relid"]]
                tables.add(name)
                sources = self._mention_sources(scope, place, table)
                parameters |= {source for source in sources if source is not None}
                if len(sources) != 1 or None in sources:
                    loose.append(f"{name} {table['eref']['aliasname']}")
        return Ties(frozenset(tables), tuple(loose), frozenset(parameters))

    def _mentions(self, scope: _Scope) -> Iterator[tuple[str, Node]]:
        conflict = scope.query["onConflict"]
        excluded = conflict["exclRelIndex"] if isinstance(conflict, Node) else "0"
        for place, table in enumerate(scope.query.items("rtable"), 1):
            if table["rtekind"] == _RELATION and table["relid"] in self._schema.names and str(place) != excluded:
                yield str(place), table

    def _mention_sources(self, scope: _Scope, place: str, table: Node) -> set[int | None]:
        query = scope.query
        written = [
            entry["expr"]
            for entry in query.items("targetList")
            if entry["resno"] == self._schema.columns[table["relid"]]
        ]
        is_target = place == query["resultRelation"]
        if is_target and query["commandType"] == _INSERT:
            return self._sources(written[0], scope, frozenset()) if written else {None}
        if is_target and query["commandType"] == _UPDATE and written:
            # Whatever its condition, it hands records to another tenant.
            return {None}
        return {scope.tied.get(place)}


def _common(query: Node, name: str) -> Node:
    (found,) = [table["ctequery"] for table in query.items("cteList") if table["ctename"] == name]
    assert isinstance(found, Node)
    return found


def _leaves(operation: Any) -> Iterator[str]:
    """The places of the queries that a UNION, INTERSECT or EXCEPT is made of."""
    if not isinstance(operation, Node):
        return
    if operation.name == "RANGETBLREF":
        yield operation["rtindex"]
        return
    yield from _leaves(operation["larg"])
    yield from _leaves(operation["rarg"])


def _conditions(query: Node) -> Iterator[tuple[Node, frozenset[str]]]:
    """Each AND-condition with the places of the tables whose rows are left out where it does not hold."""
    tree = query["jointree"]
    if not isinstance(tree, Node):
        return
    everywhere = frozenset(str(place) for place in range(1, len(query.items("rtable")) + 1))
    for condition in _conjuncts(tree["quals"]):
        yield condition, everywhere
    for item in tree.items("fromlist"):
        yield from _join_conditions(item)


def _join_conditions(item: Node) -> Iterator[tuple[Node, frozenset[str]]]:
    if item.name != "JOINEXPR":
        return
    # The condition of an outer join restricts the side that may be missing, and no other.
    sides = {
        _INNER_JOIN: _places(item["larg"]) | _places(item["rarg"]),
        _LEFT_JOIN: _places(item["rarg"]),
        _RIGHT_JOIN: _places(item["larg"]),
    }
    for condition in _conjuncts(item["quals"]):
        yield condition, sides.get(item["jointype"], frozenset())
    yield from _join_conditions(item["larg"])
    yield from _join_conditions(item["rarg"])


def _places(item: Node) -> frozenset[str]:
    if item.name == "RANGETBLREF":
        return frozenset([item["rtindex"]])
    return _places(item["larg"]) | _places(item["rarg"])


def _conjuncts(condition: Any) -> Iterator[Node]:
    if not isinstance(condition, Node):
        return
    if condition.name == "BOOLEXPR" and condition["boolop"] == "and":
        for part in condition["args"]:
            yield from _conjuncts(part)
    elif condition.name == "BOOLEANTEST" and condition["booltesttype"] == _IS_TRUE:
        # A condition that the program hides from the indexes is met where it is true.
        yield from _conjuncts(condition["arg"])
    else:
        yield condition
