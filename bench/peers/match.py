"""oslo.rootwrap's policy: match.py decide|load FOLDER literal|pattern|refused|-."""
import os
import sys
import time

from oslo_rootwrap import wrapper

import turn

what, folder, kind = sys.argv[1:]
exec_dirs = ["/usr/sbin"]
# Every program is there, as for ours: what a decision costs without what the kernel does for it.
os.access = lambda path, mode: True
filters = wrapper.load_filters([folder])
last = max(len(filters) - 1 - (len(filters) - 1) % 8 - 8, 0)
argv = {"literal": ["cmd%d" % last, "x"], "pattern": ["cmd%d" % (last + 4), "-c", "12", "/dev/mapper/a", "b"],
        "refused": ["nosuchcommand", "a", "b"], "-": []}[kind]


def decide():
    begin = time.monotonic_ns()
    try:
        wrapper.match_filter(filters, argv, exec_dirs)
    except wrapper.NoFilterMatched:
        assert kind == "refused"
    return time.monotonic_ns() - begin


if what == "decide":
    turn.serve(decide, timed=True)
else:
    turn.serve(lambda: wrapper.load_filters([folder]))
