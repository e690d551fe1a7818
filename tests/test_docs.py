"""The documentation is true: whatever users can set, call or meet has its place, and links lead somewhere."""

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import typer.main
from annotated_types import Ge, Gt, Le
from markdown import Markdown  # type: ignore[import-untyped]
from pydantic.fields import FieldInfo

import bhr_api.telemetry
from bhr_api import errors
from bhr_api.cli import app
from bhr_api.search.project_parameters import PROJECT_PARAMETERS
from bhr_api.settings import Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]


def sections(page: str) -> dict[str, str]:
    """What stands under each heading of a page, up to the next one."""
    text = (DOCS / page).read_text()
    parts = re.split(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


SETTINGS = sections("settings.md")


def shown_default(field: FieldInfo) -> str:
    """A default as the documentation writes it."""
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is None or default == ():
        return "none"
    if isinstance(default, Path):
        return default.name
    return str(default).lower() if isinstance(default, bool) else str(default)


def shown_range(field: FieldInfo) -> str | None:
    """A range as the documentation writes it; None where there is none."""
    match field.metadata:
        case [Ge(ge=low), Le(le=high)]:
            return f"{low} to {high}"
        case [Ge(ge=low)]:
            return f"{low} or more"
        case [Gt(gt=low)]:
            return f"above {low}"
    return None


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described_with_its_default_and_range(name: str) -> None:
    described = SETTINGS[f"BHR_{name.upper()}"]
    field = Settings.model_fields[name]
    (default,) = re.findall(r"^Default: `?([^`\n]+?)`?(?: \(.+\))?\.(?: |$)", described, re.MULTILINE)
    assert Path(default).name == shown_default(field) if name == "data_dir" else default == shown_default(field)
    range_ = re.search(r"Range: (.+)\.$", described, re.MULTILINE)
    assert (range_ and range_[1]) == shown_range(field)
    assert len(described.partition("Default:")[0].strip()) > 40


def test_no_setting_is_described_that_is_not_there() -> None:
    described = {name for name in SETTINGS if name.startswith("BHR_")}
    assert described == {f"BHR_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_that_is_named_is_one(page: Path) -> None:
    known = {f"BHR_{name.upper()}" for name in Settings.model_fields} | {"BHR_TEST_DATABASE_URL"}
    assert set(re.findall(r"\bBHR_[A-Z_]+[A-Z]\b", page.read_text())) <= known


ERRORS = [
    name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, errors.RefusalError)
]


@pytest.mark.parametrize("name", ERRORS)
def test_every_refusal_has_its_heading_and_status(name: str) -> None:
    text = (DOCS / "errors.md").read_text().partition(f"### {name}\n")[2]
    kind = getattr(errors, name)
    assert text.strip().startswith(f"Status {kind.status}, code `{kind.code}`.")


ROOT_COMMAND: Any = typer.main.get_command(app)
COMMAND_LINE = sections("command-line.md")


def commands(group: Any, *names: str) -> dict[str, Any]:
    """Every command by its full name; a group is there by those that are in it."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        full = (*names, name)
        found |= commands(command, *full) if hasattr(command, "commands") else {" ".join(full): command}
    return found


COMMANDS = commands(ROOT_COMMAND)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_described_with_every_option(name: str) -> None:
    # The two that say which database are told once, for all commands.
    described = COMMAND_LINE[name.split()[0]] + COMMAND_LINE["Which database"]
    assert f"bhr-api {name}" in described
    for parameter in COMMANDS[name].params:
        option = max(parameter.opts, key=len)
        assert not option.startswith("--") or re.search(rf"{option}(?![a-z-])", described), option


def test_every_option_of_the_program_is_described() -> None:
    introduction = COMMAND_LINE["The command line"]
    for parameter in ROOT_COMMAND.params:
        assert parameter.opts[0] in introduction


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_is_shown_is_there(page: Path) -> None:
    """In a block of commands, whole lines; elsewhere `bhr-api name` in code."""
    for line in re.findall(r"(?:^\$? ?|`|/bin/|^TOKEN=\$\()bhr-api ([a-z][^`\n]*)", page.read_text(), re.MULTILINE):
        words = line.split()
        command = ROOT_COMMAND.commands[words[0]]
        if hasattr(command, "commands") and len(words) > 1:
            command = command.commands[words[1]]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options | {"--help"}, line


def test_every_metric_is_described() -> None:
    operations = (DOCS / "operations.md").read_text()
    kinds = (prometheus_client.Counter, prometheus_client.Gauge, prometheus_client.Histogram)
    for metric in vars(bhr_api.telemetry).values():
        if isinstance(metric, kinds):
            assert next(iter(metric.describe())).name in operations


def test_every_event_of_the_log_is_described() -> None:
    table = sections("operations.md")["The log"]
    sources = "".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    events = re.findall(r"\blog\.(?:info|warning|error)\(\"(\w+)\"", sources)
    assert len(events) > 5
    for event in events:
        assert f"`{event}`" in table


@pytest.mark.parametrize("code", [code for served in PROJECT_PARAMETERS.values() for code in served])
def test_every_added_search_parameter_is_named(code: str) -> None:
    assert code in (DOCS / "search.md").read_text()


def test_the_table_of_contents_is_complete() -> None:
    listed = re.findall(r"- (?:\w+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in PAGES)


def anchors(page: Path) -> set[str]:
    """The ids that a page's headings get when the documentation is built."""
    converter = Markdown(extensions=["toc", "tables", "fenced_code"])
    return set(re.findall(r'<h\d id="([^"]+)"', converter.convert(page.read_text())))


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"


# The folders of one machine; a path that any machine has, such as /var/lib/bhr-api, is none.
MACHINE_PATH = re.compile(rb"(?<![\w.$~{}:*/-])/(?:work|root|home|tmp|Users|mnt|private)/[\w.-]+")
# Where the embedded PostgreSQL's socket goes if the data directory is too long.
GENERIC_PATHS = {b"/tmp/bhr-api-UID-HASH"}
REGISTRIES = re.compile(
    rb"pypi\.org|pythonhosted\.org|registry\.npmjs|npmjs\.org|yarnpkg\.com|repo1?\.maven|index\.crates\.io|rubygems\.org"
)


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is no clone: git does not say which files belong to the repository")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        pytest.param(b"see /home/" + b"someone/notes", True, id="somebodys-folder"),
        pytest.param(b"cd /tmp/" + b"x", True, id="a-scratch-folder"),
        pytest.param(b"GET https://example.org/home/page", False, id="an-address"),
        pytest.param(b"under /var/lib/bhr-api", False, id="where-the-program-itself-writes"),
    ],
)
def test_a_machine_path_is_known(line: bytes, found: bool) -> None:
    assert bool(MACHINE_PATH.search(line)) == found


def test_no_file_names_this_machine_or_a_package_registry() -> None:
    for file in tracked_files():
        text = file.read_bytes()
        assert set(MACHINE_PATH.findall(text)) <= GENERIC_PATHS, file
        # The pattern itself stands in this file.
        assert file == Path(__file__) or not REGISTRIES.search(text), file


def test_the_documentation_builds(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
