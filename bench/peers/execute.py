"""oslo.concurrency's processutils.execute of true."""
from oslo_concurrency import processutils

import turn

turn.serve(lambda: processutils.execute("/usr/bin/true"))
