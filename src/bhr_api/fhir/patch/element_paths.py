"""The paths of FHIRPath Patch: which expressions are taken, and the elements that they find (FHIR R4, fhirpatch.html).

A path comes from a client and is run on the server, so that only functions are taken whose work grows no faster than the
resource and the path do.
"""

from itertools import pairwise

from bhr_api.fhir.patch.located_resource import LocatedResource
from bhr_api.fhir.patch.refusals import inapplicable, malformed, shown
from bhr_api.fhirpath.bounds import MAXIMUM_LENGTH, refuse_costly
from bhr_api.fhirpath.compiler import compile_expression, compile_syntax
from bhr_api.fhirpath.errors import FHIRPathError
from bhr_api.fhirpath.lexer import tokens_of
from bhr_api.fhirpath.nodes import Environment, Evaluate, Node, Nodes, Scope, resource_node
from bhr_api.fhirpath.parser import parse
from bhr_api.fhirpath.syntax import Call, Invocation, Syntax, walk


class ElementPath:
    """A path of one operation. Raises `MalformedRequestError` where it is no FHIRPath, or one that is not taken."""

    def __init__(self, text: str, resource_type: str, place: str) -> None:
        if len(text) > MAXIMUM_LENGTH:
            raise malformed(f"The path is longer than {MAXIMUM_LENGTH} characters.", place)
        self.text = text
        self.place = place
        try:
            expression = _with_div_as_a_name(text)
            syntax = parse(expression)
            self._expression = compile_expression(expression, resource_type)
        except FHIRPathError as error:
            raise malformed(f"The path is no FHIRPath: {error}.", place) from error
        try:
            refuse_costly(syntax)
        except FHIRPathError as error:
            raise malformed(f"The path cannot be taken: {error}.", place) from error
        self._references = [compile_syntax(each) for each in _resolved_in(syntax)]

    def nodes_in(self, located: LocatedResource) -> Nodes:
        """Every node that the path finds. Raises `InvalidResourceError` where one is no element of the resource."""
        root = resource_node(located.root)
        environment = Environment(resource=root, root=root, context=[root])
        try:
            self._refuse_many_references(root, environment)
            nodes = self._expression.evaluate([root], environment)
        except FHIRPathError as error:
            raise inapplicable(f"The path cannot be followed: {error}.", self.place) from error
        if not all(located.is_known(node) for node in nodes):
            # fhirpatch.html: a patch may not alter other resources than its target.
            sentence = f"{shown(self.text)} gives what is no element of the resource; a path leads to elements."
            raise inapplicable(sentence, self.place)
        return nodes

    def node_in(self, located: LocatedResource) -> Node | None:
        """The one node that the path finds, or None. Raises `InvalidResourceError` for several."""
        nodes = self.nodes_in(located)
        if len(nodes) > 1:
            # fhirpatch.html: "The FHIRPath statement must return a single element".
            sentence = (
                f"{shown(self.text)} finds {len(nodes)} elements; a path leads to one, so add an index or where()."
            )
            raise inapplicable(sentence, self.place, "multiple-matches")
        return nodes[0] if nodes else None

    def _refuse_many_references(self, root: Node, environment: Environment) -> None:
        # Many references to one resource would give its elements as many times, and again at the next resolve().
        for evaluate in self._references:
            if len(_found(evaluate, root, environment)) > 1:
                raise inapplicable("resolve() is asked of several references; a path leads to one.", self.place)


def _with_div_as_a_name(text: str) -> str:
    # N1 wants the operator's name delimited; HL7's own test of FHIRPath Patch writes Patient.text.div, and after a dot
    # there is nothing else that it could mean.
    tokens = tokens_of(text)
    for before, token in reversed(list(pairwise(tokens))):
        if (before.kind, before.text, token.kind, token.text) == ("symbol", ".", "name", "div"):
            text = f"{text[: token.position]}`div`{text[token.position + 3 :]}"
    return text


def _found(evaluate: Evaluate, root: Node, environment: Environment) -> Nodes:
    return evaluate([root], Scope(environment, [root]))


def _resolved_in(syntax: Syntax) -> list[Syntax]:
    """The expressions that resolve() is asked of, those of the inner ones first."""
    found = [node.source for node in walk(syntax) if isinstance(node, Invocation) and node.step == Call("resolve", ())]
    return found[::-1]
