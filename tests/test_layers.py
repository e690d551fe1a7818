"""The import diagram of docs/architecture.md as a test: who may import whom, and no cycles."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"

WORDS = {"errors", "access", "background", "opaque_strings", "fhir", "fhirpath"}
RULES = {"care", "consent", "resources", "samples"}
DATA = {"store", "search", "sql_on_fhir"}
ACTS = {"interactions", "operations", "bulk", "auth"}

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "access": {"errors"},
    "background": set(),
    "opaque_strings": set(),
    "fhir": {"errors", "fhirpath"},
    "fhirpath": {"errors", "fhir"},
    "care": WORDS,
    "consent": WORDS,
    "samples": WORDS | {"care"},
    "resources": WORDS | {"care", "consent"},
    "store": WORDS,
    "search": WORDS | {"store"},
    "sql_on_fhir": WORDS | {"store", "search"},
    **dict.fromkeys(ACTS, WORDS | RULES | DATA),
    # Operations are made of interactions (docs/decisions/0006-operations.md).
    "operations": WORDS | RULES | DATA | {"interactions"},
    "pages": WORDS,
    "routers": WORDS | RULES | DATA | ACTS | {"pages"},
}  # app, cli, worker, settings and telemetry are doors: they may import anything.


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in sorted((SOURCE / "bhr_api").rglob("*.py"))}


def imports_of(module: str) -> set[str]:
    """Modules of this package that `module` imports, at any depth of the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: use absolute imports"
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                found.add(dotted if dotted in MODULES else node.module or "")
    return (found & MODULES.keys()) - {module}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    package = module.split(".")[1] if "." in module else ""
    if package not in MAY_IMPORT:
        return
    for imported in imports_of(module):
        if imported == "bhr_api":
            continue
        assert imported.split(".")[1] in MAY_IMPORT[package] | {package}, f"{module} -> {imported}"


def test_no_import_cycle() -> None:
    TopologicalSorter({module: imports_of(module) for module in MODULES}).prepare()
