"""oslo.rootwrap's daemon and its client: rootwrap.py CONFIGURATION."""
import sys

from oslo_rootwrap import client

import turn

c = client.Client(["oslo-rootwrap-daemon", sys.argv[1]])


def op():
    status, _, err = c.execute(["true"])
    assert status == 0, err


op()
turn.serve(op)
c._finalize()
