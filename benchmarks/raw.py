"""Raw PostgreSQL on the same machine in the same run, by pgbench with prepared statements (DESIGN 12)."""

import random
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.store.embedded import EmbeddedPostgreSQL
from bhr_api.store.embedded_settings import DATABASE

_PATIENT, _OBSERVATION = RESOURCE_TYPE_NUMBERS["Patient"], RESOURCE_TYPE_NUMBERS["Observation"]
# pgbench takes 128 scripts at most; each asks for another patient, so that no look-up of the patient is part of the search.
_SEARCHES = 100
ROWS_OF_TRANSACTION = 100

TABLES = """
    CREATE TABLE IF NOT EXISTS raw_version (id bigint PRIMARY KEY, body text NOT NULL);
    CREATE TABLE IF NOT EXISTS raw_index (id bigint PRIMARY KEY, body text NOT NULL);
    TRUNCATE raw_version, raw_index;
"""


@dataclass(frozen=True, slots=True)
class Raw:
    """What pgbench runs: `clients` connections, each transaction one of `scripts`; a transaction has `rows` rows to count."""

    clients: int
    scripts: Sequence[str]
    rows: int = 1


def patients_asked(tenant: int) -> str:
    """The statement that finds the self_tokens of the patients whom `patient search` asks for."""
    return (
        f"SELECT self_token FROM resource WHERE tenant = {tenant} AND resource_type = {_PATIENT}"
        f" ORDER BY row_id LIMIT {_SEARCHES * 10}"
    )


def works(tenant: int, patients: int, tokens: Sequence[int]) -> dict[str, Raw]:
    """Each raw figure by its name; reads are of the benchmark's own rows, `tokens` those of `patients_asked`."""
    read = (
        f"\\set n random(0, {patients - 1})\n"
        "SELECT version, last_updated, body FROM resource"
        f" WHERE tenant = {tenant} AND resource_type = {_PATIENT} AND id = 'volume-patient-' || lpad((:n)::text, 7, '0');\n"
    )
    searches = [
        "SELECT id, version, last_updated, body FROM resource"
        f" WHERE tenant = {tenant} AND resource_type = {_OBSERVATION} AND patient = {token}"
        " ORDER BY row_id DESC LIMIT 21;\n"
        for token in random.sample(list(tokens), min(len(tokens), _SEARCHES))
    ]
    two_rows = _insert("raw_version", "a", 1300) + _insert("raw_index", "a", 800)
    create = f"\\set a random(1, 1000000000000)\nBEGIN;\n{two_rows}COMMIT;\n"
    ids = "".join(f"\\set b{number} random(1, 1000000000000)\n" for number in range(ROWS_OF_TRANSACTION))
    rows = "".join(_insert("raw_version", f"b{number}", 1300) for number in range(ROWS_OF_TRANSACTION))
    return {
        "point read": Raw(8, [read]),
        "patient search": Raw(8, searches),
        "durable create": Raw(16, [create]),
        "100-row transaction": Raw(8, [f"{ids}BEGIN;\n{rows}COMMIT;\n"], ROWS_OF_TRANSACTION),
    }


def _insert(table: str, variable: str, size: int) -> str:
    # Below 2 kB nothing is compressed, so that a repeated letter costs as much as a body.
    return f"INSERT INTO {table} VALUES (:{variable}, repeat('x', {size})) ON CONFLICT DO NOTHING;\n"


def measure(server: EmbeddedPostgreSQL, raw: Raw, seconds: float) -> float:
    """Transactions a second, times their rows."""
    with tempfile.TemporaryDirectory(prefix="bhr-bench-raw-") as directory:
        run = ["-n", "-M", "prepared", "-c", str(raw.clients), "-j", "2", "-T", str(max(1, round(seconds)))]
        for number, script in enumerate(raw.scripts):
            file = Path(directory) / f"{number}.sql"
            file.write_text(script)
            run += ["-f", str(file)]
        process = server.run_program("pgbench", *run, DATABASE)
        try:
            output, errors = process.communicate(timeout=seconds + 60)
        finally:
            process.kill()
    found = re.search(r"tps = ([\d.]+)", output)
    if found is None:
        raise RuntimeError(f"pgbench gave no figure: {errors.strip()[-300:]}")
    return float(found[1]) * raw.rows
