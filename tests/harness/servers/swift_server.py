"""Run one of Swift's servers with its swift.conf where we want it, not in /etc/swift.

usage: swift_server.py KIND CONFIGURATION     KIND: account, container, object or proxy
"""
import os
import sys

from swift.common import utils

kind, configuration = sys.argv[1:]
utils.set_swift_dir(os.path.dirname(configuration))
from swift.common.wsgi import run_wsgi  # noqa: E402  it reads swift.conf when it is imported

sys.exit(run_wsgi(configuration, kind + "-server"))
