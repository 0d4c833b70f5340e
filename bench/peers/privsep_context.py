"""The privileged functions that privsep.py calls."""
from oslo_concurrency import processutils
from oslo_privsep import capabilities, priv_context

ctx = priv_context.PrivContext(
    "privsep_context", cfg_section="bench", pypath="privsep_context.ctx",
    capabilities=[capabilities.CAP_SYS_ADMIN, capabilities.CAP_NET_ADMIN])


@ctx.entrypoint
def noop(text):
    return text


@ctx.entrypoint
def execute(*command):
    return processutils.execute(*command, log_errors=0)
