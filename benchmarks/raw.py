"""Raw PostgreSQL on the same machine in the same run, by pgbench with prepared statements (DESIGN 12)."""

import re
import tempfile

from bhr_api.fhir.definitions import RESOURCE_TYPE_NUMBERS
from bhr_api.store.embedded import EmbeddedPostgreSQL
from bhr_api.store.embedded_settings import DATABASE

_PATIENT, _OBSERVATION = RESOURCE_TYPE_NUMBERS["Patient"], RESOURCE_TYPE_NUMBERS["Observation"]

TABLES = """
    CREATE TABLE IF NOT EXISTS raw_version (id bigint PRIMARY KEY, body text);
    CREATE TABLE IF NOT EXISTS raw_index (id bigint PRIMARY KEY, body text);
    TRUNCATE raw_version, raw_index;
"""


def scripts(tenant: int, patients: int) -> dict[str, tuple[int, str]]:
    """(clients, script) of each figure; reads are of the benchmark's own rows."""
    patient = "'volume-patient-' || lpad((:n)::text, 7, '0')"
    one_insert = (
        "INSERT INTO raw_version VALUES (:a, repeat('x', 1300)) ON CONFLICT DO NOTHING;\n"
        "INSERT INTO raw_index VALUES (:a, repeat('x', 800)) ON CONFLICT DO NOTHING;\n"
    )
    hundred = "".join(
        f"\\set b{number} random(1, 1000000000000)\n"
        f"INSERT INTO raw_version VALUES (:b{number}, repeat('x', 1300)) ON CONFLICT DO NOTHING;\n"
        for number in range(100)
    )
    return {
        "point read": (
            8,
            f"\\set n random(0, {patients - 1})\n"
            "SELECT version, last_updated, body FROM resource"
            f" WHERE tenant = {tenant} AND resource_type = {_PATIENT} AND id = {patient};\n",
        ),
        "patient search": (
            8,
            f"\\set n random(0, {patients - 1})\n"
            "SELECT id, version, last_updated, body FROM resource"
            f" WHERE tenant = {tenant} AND resource_type = {_OBSERVATION} AND patient = (SELECT self_token FROM resource"
            f" WHERE tenant = {tenant} AND resource_type = {_PATIENT} AND id = {patient})"
            " ORDER BY row_id DESC LIMIT 21;\n",
        ),
        "durable create": (16, f"\\set a random(1, 1000000000000)\nBEGIN;\n{one_insert}COMMIT;\n"),
        "100-row transaction": (8, f"BEGIN;\n{hundred}COMMIT;\n"),
    }


def measure(server: EmbeddedPostgreSQL, script: str, clients: int, seconds: float) -> float:
    """Transactions a second of `script`."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        run = ["-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(max(1, int(seconds)))]
        process = server.run_program("pgbench", *run, "-f", file.name, DATABASE)
        output, errors = process.communicate(timeout=seconds + 60)
    found = re.search(r"tps = ([\d.]+)", output)
    if found is None:
        raise RuntimeError(f"pgbench gave no figure: {errors.strip()[-300:]}")
    return float(found[1])
