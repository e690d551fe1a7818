"""The embedded server's postgresql.conf, pg_hba.conf and pg_ident.conf (PostgreSQL 18, chapters 19 and 20)."""

import os
from pathlib import Path

from bhr_api.store.embedded_files import Place

PORT = 5432
ROLE = "bhr"
DATABASE = "bhr"
SUPERUSER = "postgres"

_MEBIBYTE = 1024 * 1024

_FIXED = """
# No TCP: local processes reach the server through a socket in a private directory.
listen_addresses = ''
port = {port}
unix_socket_directories = '{socket_directory}'
unix_socket_permissions = 0700
max_connections = 100

# What was acknowledged survives a crash.
fsync = on
synchronous_commit = on
full_page_writes = on
wal_level = replica
max_wal_senders = 4
wal_compression = pglz
max_wal_size = 2GB
min_wal_size = 256MB

shared_buffers = {shared_buffers}MB
effective_cache_size = {effective_cache_size}MB
work_mem = {work_mem}MB
maintenance_work_mem = {maintenance_work_mem}MB
dynamic_shared_memory_type = {shared_memory}
random_page_cost = 1.1
# A new server has no statistics until it is first analyzed, and its searches are planned without any.
autovacuum_naptime = 10s
track_io_timing = on

# Statements and the details of errors hold personal data: neither reaches the log. Errors go to the client that
# caused them; `log` is more severe than `error` here (PostgreSQL 18, table 19.2).
logging_collector = on
log_directory = '../log'
log_filename = 'postgresql-%a.log'
log_rotation_age = 1d
log_rotation_size = 0
log_truncate_on_rotation = on
log_file_mode = 0600
log_line_prefix = '%m [%p] '
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = none
log_min_duration_statement = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_connections = ''
log_disconnections = off

timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'iso, ymd'
lc_messages = 'C'
"""


def settings_files(place: Place, installation: Path, own_name: str) -> dict[str, str]:
    """Text of each settings file by its name; equal for equal machine, programs and place."""
    return {
        "postgresql.conf": _postgresql_conf(place, installation),
        "pg_hba.conf": (
            "# Peer authentication alone: the kernel says who is at the other end of the socket.\n"
            "local all all peer map=bhr\n"
            f"local replication {SUPERUSER} peer map=bhr\n"
        ),
        "pg_ident.conf": (
            "# Our own account alone, which is not the one that runs PostgreSQL where we are root.\n"
            f'bhr "{own_name}" {ROLE}\nbhr "{own_name}" {SUPERUSER}\n'
        ),
    }


def _postgresql_conf(place: Place, installation: Path) -> str:
    memory = memory_bytes() // _MEBIBYTE
    head = (
        "# Written anew at each start. Own settings: ALTER SYSTEM, as the role postgres.\n"
        f"# Programs: {str(installation).encode('unicode_escape').decode()}\n"
    )
    return head + _FIXED.format(
        port=PORT,
        socket_directory=place.socket_directory,
        shared_buffers=min(max(memory // 8, 64), 2048),
        effective_cache_size=max(memory // 2, 256),
        work_mem=32 if memory >= 8192 else 16,
        maintenance_work_mem=min(max(memory // 16, 64), 512),
        shared_memory=_shared_memory_type(),
    )


def memory_bytes() -> int:
    """The memory that this process may use, in bytes: the machine's or, when smaller, its control group's."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
    return min([machine, *(limit for file in limits if (limit := _limit_bytes(Path(file))))])


def _limit_bytes(file: Path) -> int:
    try:
        text = file.read_text().strip()
    except OSError:
        return 0
    return int(text) if text.isdecimal() else 0


def _shared_memory_type() -> str:
    # A container's /dev/shm often has 64 MB, which one parallel hash join fills ("could not resize shared memory
    # segment"); files in the data directory have room.
    try:
        found = os.statvfs("/dev/shm")  # noqa: S108  asked for its size only
    except OSError:
        return "posix"
    return "posix" if found.f_blocks * found.f_frsize >= 256 * _MEBIBYTE else "mmap"
