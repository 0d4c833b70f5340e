# Reads a JSON list of cases from standard input, calls oslo_concurrency.processutils as each says, and writes a JSON list
# of what came of it. Bytes travel as Latin-1 text.
import json
import os
import shlex
import sys

from oslo_concurrency import processutils


def fs(text):
    return os.fsdecode(text.encode("latin-1"))


def latin(value):
    if isinstance(value, str):
        value = os.fsencode(value)
    return value.decode("latin-1")


def run(case):
    if "split" in case:
        try:
            return {"words": [latin(w) for w in shlex.split(fs(case["split"]))]}
        except ValueError as e:
            return {"error": "ValueError"}
    kw = dict(case.get("kw", {}))
    if "process_input" in kw:
        kw["process_input"] = kw["process_input"].encode("latin-1")
    if "env_variables" in kw:
        kw["env_variables"] = {fs(k): fs(v) for k, v in kw["env_variables"].items()}
    if "prlimit" in kw:
        kw["prlimit"] = processutils.ProcessLimits(**kw["prlimit"])
    call = processutils.execute
    if kw.pop("trycmd", False):
        call = processutils.trycmd
    elif "discard_warnings" not in kw:
        kw["binary"] = True
    try:
        out, err = call(*[fs(a) for a in case["cmd"]], **kw)
        return {"stdout": latin(out), "stderr": latin(err)}
    except processutils.ProcessExecutionError as e:
        return {"error": "ProcessExecutionError", "code": e.exit_code, "stdout": latin(e.stdout), "stderr": latin(e.stderr),
                "cmd": latin(e.cmd)}
    except OSError as e:
        return {"error": "OSError", "code": e.errno}
    except Exception as e:
        return {"error": type(e).__name__}


json.dump([run(case) for case in json.load(sys.stdin)], sys.stdout)
