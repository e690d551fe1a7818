"""The functions that FHIR adds (FHIR R4, fhirpath.html#functions): extension, hasValue, resolve, memberOf and so on."""

from bhr_api.fhirpath.errors import UnsupportedFHIRPathError
from bhr_api.fhirpath.functions.registry import argument, function, on_value, text_of
from bhr_api.fhirpath.nodes import (
    EMPTY,
    Environment,
    Evaluate,
    Node,
    Nodes,
    Scope,
    append_children,
    boolean,
    resource_node,
    singleton,
    value_of,
    wrap,
)
from bhr_api.fhirpath.references import type_of_reference
from bhr_api.fhirpath.types import children_of


@function("hasValue")
def _has_value() -> Evaluate:
    return lambda focus, _scope: boolean(
        len(focus) == 1 and focus[0].value is not None and type(focus[0].value) is not dict
    )


@function("getValue")
def _get_value() -> Evaluate:
    return on_value(wrap)()


@function("extension", 1)
def _extension(url: Evaluate) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        wanted = text_of(argument(url, scope))
        found: Nodes = []
        for node in focus:
            append_children(found, node, children_of(node.type).get("extension", ()))
        return [node for node in found if type(node.value) is dict and node.value.get("url") == wanted]

    return evaluate


@function("resolve")
def _resolve() -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        found = (_resolved(node, scope.environment) for node in focus)
        return [node for node in found if node is not None]

    return evaluate


def _resolved(node: Node, environment: Environment) -> Node | None:
    """The resource that a reference names: contained, fetched, or as far as the reference itself says its type."""
    reference = node.value if isinstance(node.value, str) else None
    if type(node.value) is dict:
        reference = node.value.get("reference")
    if isinstance(reference, str):
        if reference.startswith("#"):
            return _contained(reference[1:], environment.root)
        if environment.resolve is not None:
            resource = environment.resolve(reference)
            return None if resource is None else resource_node(resource)
    # Without fetching, its type is all that is known of the resource: `resolve() is Patient` needs no more.
    target = type_of_reference(node.value if type(node.value) is dict else {"reference": reference}, None)
    return None if target is None else Node(target, {"resourceType": target})


def _contained(resource_id: str, root: Node) -> Node | None:
    if not resource_id:
        return root
    for resource in root.value.get("contained", ()):
        if resource.get("id") == resource_id:
            return resource_node(resource)
    return None


@function("memberOf", 1)
def _member_of(value_set: Evaluate) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        decide = scope.environment.member_of
        if decide is None:
            raise UnsupportedFHIRPathError("memberOf() needs a terminology service, and none was given")
        node, url = singleton(focus), text_of(argument(value_set, scope))
        return EMPTY if node is None or url is None else boolean(decide(node, url))

    return evaluate


@function("conformsTo", 1)
def _conforms_to(profile: Evaluate) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        decide = scope.environment.conforms_to
        if decide is None:
            raise UnsupportedFHIRPathError("conformsTo() needs profiles, and none were given")
        node, url = singleton(focus), text_of(argument(profile, scope))
        return EMPTY if node is None or url is None else boolean(decide(node, url))

    return evaluate


@function("htmlChecks")
def _html_checks() -> Evaluate:
    def evaluate(_focus: Nodes, _scope: Scope) -> Nodes:
        raise UnsupportedFHIRPathError("htmlChecks() is decided where narratives are validated, not in an expression")

    return evaluate


@function("elementDefinition")
@function("slice", 2)
def _needs_definitions(*_arguments: Evaluate) -> Evaluate:
    def evaluate(_focus: Nodes, _scope: Scope) -> Nodes:
        raise UnsupportedFHIRPathError("elementDefinition() and slice() need profiles, and none were given")

    return evaluate


@function("checkModifiers", 0, 20)
def _check_modifiers(*known: Evaluate) -> Evaluate:
    def evaluate(focus: Nodes, scope: Scope) -> Nodes:
        understood = {value_of(argument(each, scope)) for each in known}
        found: Nodes = []
        for node in focus:
            append_children(found, node, children_of(node.type).get("modifierExtension", ()))
        strange = [node.value.get("url") for node in found if node.value.get("url") not in understood]
        if strange:
            raise UnsupportedFHIRPathError(f"The modifier extension {strange[0]} is not understood")
        return focus

    return evaluate
