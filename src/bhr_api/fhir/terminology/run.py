"""One question's use of the library: filters made ready once, and a bound on the work."""

from bhr_api.errors import TooCostlyError
from bhr_api.fhir.terminology.code_systems import CodeSystem
from bhr_api.fhir.terminology.compositions import Filter
from bhr_api.fhir.terminology.filters import CodeTest, selection
from bhr_api.fhir.terminology.library import Library

# A step is a code tried or a value set followed, about 2 microseconds each.
MAX_STEPS = 400_000


class Run:
    """What one question has looked up, and how many steps it took. `many` expects many codes to be tried."""

    def __init__(self, library: Library, *, many: bool) -> None:
        self.library = library
        self._many = many
        self._steps = 0
        self._tests: dict[tuple[str, Filter], CodeTest] = {}

    def spend(self, steps: int = 1) -> None:
        """Count the work; raises `TooCostlyError` past the bound."""
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise TooCostlyError(f"The rules of this value set need more than {MAX_STEPS} steps. Ask for less of it.")

    def test(self, system: CodeSystem, condition: Filter) -> CodeTest:
        """The filter as a test of codes. Raise `CannotExpandError` where the system cannot answer it."""
        key = (system.canonical, condition)
        if key not in self._tests:
            self.spend()
            self._tests[key] = selection(system, condition, many=self._many)
        return self._tests[key]
