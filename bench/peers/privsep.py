"""oslo.privsep, its daemon forked: privsep.py noop|exec."""
import os
import sys

from oslo_config import cfg
from oslo_privsep import priv_context

import privsep_context
import turn

cfg.CONF([], project="bench")
privsep_context.ctx.start(priv_context.Method.FORK)
if sys.argv[1] == "noop":
    turn.serve(lambda: privsep_context.noop("abc"))
else:
    turn.serve(lambda: privsep_context.execute("/usr/bin/true"))
os._exit(0)
