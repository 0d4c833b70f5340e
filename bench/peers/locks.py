"""Python's locks: locks.py oslo|oslo-internal|fasteners|handover-oslo|handover-fasteners FOLDER."""
import multiprocessing
import os
import random
import sys
import time

import fasteners
from oslo_concurrency import lockutils
from oslo_config import cfg

import turn

kind, folder = sys.argv[1], os.path.join(sys.argv[2], "python")
os.makedirs(folder, exist_ok=True)
cfg.CONF([], project="bench")
lockutils.set_defaults(folder)


def lock(name):
    if kind.endswith("fasteners"):
        return fasteners.InterProcessLock(os.path.join(folder, name))
    return lockutils.lock(name, external=kind != "oslo-internal")


def uncontended():
    begin = time.monotonic_ns()
    with lock("bench"):
        pass
    return time.monotonic_ns() - begin


def wait(pipe):
    while pipe.recv():
        with lock("handover"):
            taken = time.monotonic_ns()
        pipe.send(taken)


def handover():
    with lock("handover"):
        ours.send(True)
        time.sleep(0.02 + random.random() * 0.03)  # they poll: not always at the same moment
        begin = time.monotonic_ns()
    return ours.recv() - begin


if kind.startswith("handover"):
    ours, theirs = multiprocessing.Pipe()
    waiter = multiprocessing.Process(target=wait, args=(theirs,), daemon=True)
    waiter.start()
    turn.serve(handover, timed=True)
else:
    turn.serve(uncontended, timed=True)
