"""The postmaster as an operating-system process: found, started, stopped (PostgreSQL 18 §18.3 to §18.5).

postmaster.pid has eight lines: process id, data directory, start time, port, socket directory, listen address, shared
memory, status (PostgreSQL 18, storage-file-layout).
"""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from bhr_api.store.embedded_files import Place
from bhr_api.store.embedded_settings import PORT

# Greater than any process id of any system (Linux allows 2^22), so that PostgreSQL finds no such process.
_NO_PROCESS = 2_147_483_647


def clean_environment(**more: str) -> dict[str, str]:
    """The environment of PostgreSQL's programs: none of ours, which may hold secrets or PG* settings."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", **kept, **more}


def launch(place: Place, installation: Path) -> subprocess.Popen[bytes]:
    """Start a postmaster for `place`. It has its own session: Ctrl-C in our terminal must not stop it before us."""
    settings = place.settings
    command = [
        str(installation / "bin" / "postgres"),
        *("-D", str(place.data)),
        *("-c", f"config_file={settings / 'postgresql.conf'}"),
        *("-c", f"hba_file={settings / 'pg_hba.conf'}"),
        *("-c", f"ident_file={settings / 'pg_ident.conf'}"),
    ]
    with open(settings / "start.log", "wb") as output:
        return subprocess.Popen(  # noqa: S603  our own program and paths
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=clean_environment(),
            start_new_session=True,
            umask=0o077,
            **place.account.process_options,
        )


def start_output(place: Place) -> str:
    """What the postmaster last said before its log file was open."""
    try:
        return (place.settings / "start.log").read_text(errors="replace")
    except FileNotFoundError:
        return ""


def running_postmaster(place: Place) -> int | None:
    """The process id of the live postmaster of `place`."""
    process_id = _locked_by(place)
    return process_id if process_id is not None and _is_postmaster(process_id, place) else None


def is_ready(place: Place) -> bool:
    """Whether the postmaster says that it takes connections; only a connection proves it."""
    lines = _lock_lines(place.data / "postmaster.pid")
    return len(lines) >= 8 and lines[7].strip() == "ready"


def _lock_lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _locked_by(place: Place) -> int | None:
    lines = _lock_lines(place.data / "postmaster.pid")
    return int(lines[0]) if lines and lines[0].strip().isdecimal() else None


def _is_postmaster(process_id: int, place: Place) -> bool:
    # The id may have gone to another process since, or belong to a zombie, which has no command line.
    arguments = _command_line(process_id)
    return os.fsencode(place.data) in arguments and b"postgres" in arguments


def _command_line(process_id: int) -> bytes:
    process = Path("/proc") / str(process_id)
    if Path("/proc/self/cmdline").exists():
        try:
            return (process / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return b""
    shown = subprocess.run(  # noqa: S603  a number of ours
        ["/bin/ps", "-ww", "-o", "args=", "-p", str(process_id)], capture_output=True, check=False
    )
    return b"" if b"<defunct>" in shown.stdout else shown.stdout


def release_stale_locks(place: Place) -> None:
    """Make PostgreSQL see that the processes named in its lock files are gone; call only with no live postmaster.

    It takes any process of its own user with that id for a postmaster, even a zombie or, after a reboot or in a new
    container, a stranger. Only the id is replaced: the file also names the shared memory, by which PostgreSQL
    knows whether old backends still write.
    """
    lock = place.data / "postmaster.pid"
    lines = _lock_lines(lock)
    if lines and _exists(_locked_by(place)):
        handle = os.open(lock, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
        with os.fdopen(handle, "w") as stream:
            stream.write("\n".join([str(_NO_PROCESS), *lines[1:]]) + "\n")
    elif not lines:
        lock.unlink(missing_ok=True)  # An empty file, left by a full disk or a power cut, is refused as bogus.
    for name in (f".s.PGSQL.{PORT}.lock", f".s.PGSQL.{PORT}"):
        (place.socket_directory / name).unlink(missing_ok=True)


def _exists(process_id: int | None) -> bool:
    if process_id is None:
        return False
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def shut_down(place: Place, process_id: int, *, fast_seconds: float = 60) -> None:
    """Stop the postmaster `process_id` and wait until it is gone: fast, else immediate, else by SIGKILL.

    Fast shutdown (SIGINT) rolls back open transactions and writes a checkpoint; the other two lose no committed
    transaction either, for the next start replays the log (PostgreSQL 18 §18.5).
    """
    for signal_number, seconds in ((signal.SIGINT, fast_seconds), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal_number)
        if _gone_within(seconds, place, process_id):
            return


def _gone_within(seconds: float, place: Place, process_id: int) -> bool:
    deadline = time.monotonic() + seconds
    pause = 0.005
    while _is_postmaster(process_id, place):
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return True
