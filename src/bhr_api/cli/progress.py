"""Progress on standard error, so that standard output holds results alone; silent where nobody watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

# Told how much is done, of the total, and what to say beside it.
Report = Callable[[float, str], None]


@contextmanager
def progress_bar(what: str, total: float) -> Iterator[Report]:
    """A bar that grows as it is told."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[beside]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(what, total=total, beside="")

        def report(done: float, beside: str = "") -> None:
            bar.update(task, completed=done, beside=beside)

        yield report
