"""A process that carries out jobs of the kind `count`: run as `python -m tests.reliability.job_worker DSN KIND`.

Each step is a transaction that adds a heavy token (any row would do) and saves how far it came; a step done twice would break
the table's key.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence

from bhr_api.job_runner import JobRunner
from bhr_api.store.database import Database
from bhr_api.store.job_run import JobRun
from bhr_api.store.jobs import Output

STEP_SECONDS = 0.02


async def count(run: JobRun) -> Sequence[Output]:
    """Take as many steps as the job's input says."""
    for step in range(run.saved or 0, run.input):
        async with run.database.acquire() as connection, connection.transaction():
            sql = "INSERT INTO heavy_token (tenant, token) VALUES ($1, $2)"
            await connection.execute(sql, run.job.tenant, step)
            await run.report(step + 1, run.input, saved=step + 1, connection=connection)
        await asyncio.sleep(STEP_SECONDS)
    return [Output("text/plain", b"%d" % run.job.attempt)]


async def main(dsn: str, kind: str) -> None:
    """Carry out jobs until SIGTERM."""
    database = await Database.open(dsn)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    runner = JobRunner(database, database, {kind: count})
    runner.start()
    await stopping.wait()
    await runner.stop()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
