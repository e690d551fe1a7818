"""FHIRPath to closures: an expression is compiled once and then runs without its syntax.

FHIRPath N1 (http://hl7.org/fhirpath/N1/) with FHIR R4's additions (fhirpath.html).
"""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, Protocol

from bhr_api.fhir.definitions import PRIMITIVE_TYPES, Resource, is_type
from bhr_api.fhir.ucum import SYSTEM as UCUM
from bhr_api.fhirpath.decisions import decision_of
from bhr_api.fhirpath.errata import corrected
from bhr_api.fhirpath.errors import FHIRPathError, FHIRPathEvaluationError, UnsupportedFHIRPathError
from bhr_api.fhirpath.functions import (  # noqa: F401 - each chapter enters its functions
    combining,
    conversion,
    existence,
    fhir,
    filtering,
    math,
    strings,
    subsetting,
    tree,
    utility,
)
from bhr_api.fhirpath.functions.registry import FUNCTIONS, integer_of
from bhr_api.fhirpath.logic import Decide
from bhr_api.fhirpath.nodes import (
    EMPTY,
    Environment,
    Evaluate,
    FixedNodes,
    Node,
    Nodes,
    Scope,
    append_children,
    boolean,
    truth,
    wrap,
)
from bhr_api.fhirpath.operators import BINARY, negative
from bhr_api.fhirpath.parser import parse
from bhr_api.fhirpath.syntax import (
    Call,
    ExternalConstant,
    Indexer,
    Invocation,
    Literal,
    Member,
    Operation,
    Polarity,
    Special,
    Syntax,
    TypeName,
    TypeOperation,
    walk,
)
from bhr_api.fhirpath.types import children_of, is_known_type, is_of_type

# FHIR R4 fhirpath.html#variables.
_CONSTANTS: Mapping[str, Nodes] = {
    "ucum": wrap(UCUM),
    "sct": wrap("http://snomed.info/sct"),
    "loinc": wrap("http://loinc.org"),
}
_TYPE_FUNCTIONS = ("is", "as", "ofType")


class Expression:
    """A compiled expression for resources, or for elements of one type."""

    __slots__ = ("_evaluate", "text", "type_name")

    def __init__(self, text: str, type_name: str, evaluate: Evaluate) -> None:
        self.text = text
        self.type_name = type_name
        self._evaluate = evaluate

    def __call__(self, resource: Resource, context_node: Node | None = None) -> Nodes:
        """The nodes found from `context_node`, or from the whole of `resource` when there is none."""
        root = self._root(resource)
        focus = root if context_node is None else context_node
        return self.evaluate([focus], Environment(resource=root, root=root, context=[focus]))

    def evaluate(self, focus: Nodes, environment: Environment) -> Nodes:
        """The nodes found from `focus`. Raises `FHIRPathEvaluationError` where N1 signals an error."""
        return list(self._evaluate(focus, Scope(environment, focus)))

    def _root(self, resource: Resource) -> Node:
        actual = resource.get("resourceType")
        return Node(actual if isinstance(actual, str) else self.type_name, resource)

    def __repr__(self) -> str:
        return f"Expression({self.text!r}, {self.type_name})"


@lru_cache(maxsize=4096)
def compile_expression(text: str, type_name: str) -> Expression:
    """The expression, compiled for data of `type_name`: a resource type, data type or backbone path.

    Raises `FHIRPathError` when the text, a function or a type name is none of N1 and R4.
    """
    if not is_type(type_name):
        raise FHIRPathError(f"{type_name} is no type of FHIR R4")
    return Expression(text, type_name, compile_syntax(parse(text)))


class Invariant(Protocol):
    """Whether a constraint holds for an element: its JSON value in the resource `root`.

    `resource` is the contained resource that holds the element, if one does; `companion` the JSON object `_name`
    beside a primitive.
    """

    def __call__(self, root: Resource, element: Any, resource: Resource | None = None, companion: Any = None) -> bool:
        """True when the constraint holds."""


def compile_syntax(syntax: Syntax) -> Evaluate:
    """The closure of a whole expression or of an argument."""
    evaluate = _compile(syntax)
    is_work = isinstance(syntax, (Invocation, Operation))
    return _once(evaluate) if is_work and _is_fixed(syntax) else evaluate


def _is_fixed(syntax: Syntax) -> bool:
    """Whether the expression starts at a constant and asks nothing of where it stands: `%resource.code.coding`."""
    match syntax:
        case ExternalConstant():
            return True
        case Invocation(source, Member()):
            return _is_fixed(source)
        case Operation("|", left, right):
            return _is_fixed(left) and _is_fixed(right)
        case Invocation(source, Call(name, arguments)):
            is_plain = name in _TYPE_FUNCTIONS or all(isinstance(each, Literal) for each in arguments)
            return is_plain and name != "trace" and _is_fixed(source)
        case _:
            return False


def _once(evaluate: Evaluate) -> Evaluate:
    """Evaluated once for all items of a `where` or `all`: R4's obs-7, sdf-8 and dom-3 would else take quadratic time."""
    key = object()

    def evaluate_once(focus: Nodes, scope: Scope) -> Nodes:
        fixed = scope.environment.fixed
        found = fixed.get(key)
        if found is None:
            found = fixed[key] = FixedNodes(evaluate(focus, scope))
        return found

    return evaluate_once


def _compile(syntax: Syntax) -> Evaluate:
    match syntax:
        case Literal(value):
            constant = wrap(value)
            return lambda _focus, _scope: constant
        case ExternalConstant(name):
            return _constant(name)
        case Invocation(source, step):
            return _then(_compile(source), _step(step, is_head=False))
        case Indexer(source, index):
            return _indexed(compile_syntax(source), compile_syntax(index))
        case Polarity(sign, operand):
            return negative(compile_syntax(operand)) if sign == "-" else compile_syntax(operand)
        case Operation(operator, left, right):
            return BINARY[operator](compile_syntax(left), compile_syntax(right))
        case TypeOperation(operator, operand, type_name):
            return _then(compile_syntax(operand), _type_test(operator, type_name))
        case _:
            return _step(syntax, is_head=True)


def _then(source: Evaluate, step: Evaluate) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        return step(source(focus, scope), scope)

    return evaluate


def _step(step: Member | Call | Special, *, is_head: bool) -> Evaluate:
    match step:
        case Member(name):
            # N1 #path-selection: a type's name at the head of a path stands for the context if it is of that type.
            return _of_type(TypeName(None, name)) if is_head and is_type(name) and name[0].isupper() else _child(name)
        case Special(name):
            return _special(name)
        case Call(name, arguments):
            return _call(name, arguments)


def _child(name: str) -> Evaluate:
    def evaluate(focus: Nodes, _scope: Scope) -> Nodes:
        found: Nodes = []
        for node in focus:
            properties = children_of(node.type).get(name)
            if properties is not None:
                append_children(found, node, properties)
        return found

    return evaluate


def _of_type(type_name: TypeName) -> Evaluate:
    return lambda focus, _scope: [node for node in focus if is_of_type(node.type, type_name)]


def _special(name: str) -> Evaluate:
    if name == "this":
        return lambda _focus, scope: scope.this
    if name == "total":
        return lambda _focus, scope: scope.total or EMPTY
    return lambda _focus, scope: wrap(scope.index)


def _call(name: str, arguments: tuple[Syntax, ...]) -> Evaluate:
    if name in _TYPE_FUNCTIONS and len(arguments) == 1:
        return _type_test(name, _type_argument(arguments[0]))
    known = FUNCTIONS.get(name)
    if known is None:
        raise FHIRPathError(f"There is no function {name}()")
    if not known.fewest <= len(arguments) <= known.most:
        raise FHIRPathError(f"{name}() does not take {len(arguments)} arguments")
    return known.build(*(compile_syntax(each) for each in arguments))


def _type_argument(syntax: Syntax) -> TypeName:
    match syntax:
        case Member(name):
            return TypeName(None, name)
        case Invocation(Member(namespace), Member(name)):
            return TypeName(namespace, name)
    raise FHIRPathError("Expected the name of a type")


def _type_test(operator: str, type_name: TypeName) -> Evaluate:
    if not is_known_type(type_name):
        raise FHIRPathError(f"There is no type {type_name.name}")
    if operator == "is":
        return lambda focus, _scope: boolean(_is(focus, type_name))
    # N1 wants a single item for `as`; R4's own search expressions use it on many (Observation.component.value as
    # Quantity), so that here it filters as ofType does.
    return _of_type(type_name)


def _is(focus: Nodes, type_name: TypeName) -> bool | None:
    if not focus:
        return None
    if len(focus) > 1:
        raise FHIRPathEvaluationError(f"is {type_name.name} asks about one item, not {len(focus)}")
    return is_of_type(focus[0].type, type_name)


def _indexed(source: Evaluate, index: Evaluate) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        number = integer_of(index(scope.this, scope))
        return EMPTY if number is None or number < 0 else source(focus, scope)[number : number + 1]

    return evaluate


def _constant(name: str) -> Evaluate:
    if name == "context":
        return lambda _focus, scope: scope.environment.context
    if name == "resource":
        return lambda _focus, scope: [scope.environment.resource]
    if name == "rootResource":
        return lambda _focus, scope: [scope.environment.root]
    fixed = _CONSTANTS.get(name) or _canonical_constant(name)

    def evaluate(_focus: Nodes, scope: Scope) -> Nodes:
        given = scope.environment.constants.get(name, fixed)
        if given is None:
            raise FHIRPathEvaluationError(f"%{name} has no value here")
        return given

    return evaluate


def _canonical_constant(name: str) -> Nodes | None:
    # FHIR R4 fhirpath.html#variables: %`vs-name` and %`ext-name` are the URLs of HL7's value sets and extensions.
    if name.startswith("vs-"):
        return wrap(f"http://hl7.org/fhir/ValueSet/{name[3:]}")
    return wrap(f"http://hl7.org/fhir/StructureDefinition/{name[4:]}") if name.startswith("ext-") else None


def _needs_service(syntax: Syntax) -> bool:
    calls = (node for node in walk(syntax) if isinstance(node, Call))
    return any(call.name in ("htmlChecks", "memberOf", "conformsTo", "elementDefinition", "slice") for call in calls)


@lru_cache(maxsize=4096)
def compile_invariant(text: str, type_name: str) -> Invariant:
    """The test of a constraint's expression on elements of `type_name`; an empty outcome does not hold.

    The invariants of R4 that are wrong as printed are read as later publications print them (errata.py). Raises
    `FHIRPathError` as `compile_expression` does, `UnsupportedFHIRPathError` for an expression that needs a service.
    """
    if _needs_service(parse(text)):
        raise UnsupportedFHIRPathError(f"The invariant {text!r} needs a service that invariants are not given")
    if not is_type(type_name):
        raise FHIRPathError(f"{type_name} is no type of FHIR R4")
    syntax = parse(corrected(text))
    if type_name in PRIMITIVE_TYPES:
        return _evaluated(syntax, type_name)
    decide = compile_decision(syntax, type_name)

    def holds(root: Resource, element: Any, resource: Resource | None = None, companion: Any = None) -> bool:  # noqa: ARG001
        return decide(element, root if resource is None else resource, root) is True

    return holds


def compile_decision(syntax: Syntax, type_name: str) -> Decide:
    """The three-valued truth of an expression on elements of a complex type or resource type."""
    return decision_of(syntax, type_name, partial(_evaluated_part, type_name=type_name))


def _evaluated(syntax: Syntax, type_name: str) -> Invariant:
    evaluate = compile_syntax(syntax)

    def holds(root: Resource, element: Any, resource: Resource | None = None, companion: Any = None) -> bool:
        return truth(_run(evaluate, Node(type_name, element, companion), resource or root, root)) is True

    return holds


def _evaluated_part(syntax: Syntax, type_name: str) -> Decide:
    """The test of a part of an invariant that is not simple, by general evaluation."""
    evaluate = compile_syntax(syntax)

    def decide(element: Any, resource: Resource | None, root: Resource | None) -> bool | None:
        return truth(_run(evaluate, Node(type_name, element), resource or {}, root or {}))

    return decide


def _run(evaluate: Evaluate, element: Node, resource: Resource, root: Resource) -> Nodes:
    focus = [element]
    root_node = Node(root.get("resourceType", element.type), root)
    holder = root_node if resource is root else Node(resource.get("resourceType", element.type), resource)
    return evaluate(focus, Scope(Environment(resource=holder, root=root_node, context=focus), focus))
