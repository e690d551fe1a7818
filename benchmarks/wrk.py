"""The same load by wrk, where it is installed: a generator that nobody here wrote."""

import json
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.traffic import Outcome

# The requests travel in a file, each after its length on a line, since bodies may hold anything.
_SCRIPT = """
local requests, turn = {}, 0
for length in function() return FILE:read("*n") end do
    FILE:read(1)
    requests[#requests + 1] = FILE:read(length)
end
request = function()
    turn = turn %% #requests + 1
    return requests[turn]
end
done = function(summary, latency, _)
    local sample = {}
    for share = 0, 1000 do sample[#sample + 1] = string.format("%%d", latency:percentile(math.min(share / 10, 99.999))) end
    print(string.format('{"requests":%%d,"seconds":%%f,"refused":%%d,"microseconds":[%%s]}',
        summary.requests, summary.duration / 1e6, summary.errors.status, table.concat(sample, ",")))
end
"""


def run(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Outcome:
    """What `traffic.run` measures, by wrk; latencies are spread evenly between its permilles."""
    with tempfile.TemporaryDirectory(prefix="bhr-bench-wrk-") as directory:
        data, script = Path(directory) / "requests", Path(directory) / "requests.lua"
        data.write_bytes(b"".join(b"%d\n%b" % (len(one), one) for one in requests))
        script.write_text(f"local FILE = assert(io.open({json.dumps(str(data))}, 'rb'))\n" + _SCRIPT.replace("%%", "%"))
        command = ["wrk", "-t", "1", "-c", str(connections), "-d", str(max(1, round(seconds))), "-s", str(script)]
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, timeout=seconds + 60, check=True
        )
    found = re.search(r"^\{.*\}$", done.stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"wrk gave no figure: {done.stdout[-300:]}{done.stderr[-300:]}")
    return _outcome(json.loads(found[0]))


def _outcome(told: dict[str, float | list[float]]) -> Outcome:
    permilles = told["microseconds"]
    assert isinstance(permilles, list)
    assert isinstance(told["requests"], int)
    assert isinstance(told["refused"], int)
    assert isinstance(told["seconds"], float)
    answered = told["requests"] - told["refused"]
    latencies = [permilles[number * 1000 // max(1, answered)] / 1e6 for number in range(answered)]
    return Outcome(told["seconds"], latencies, told["refused"])
