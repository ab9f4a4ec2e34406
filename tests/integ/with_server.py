"""Run a command with the settings of one of the tests' servers as its environment.

usage: with_server.py SERVER COMMAND...      SERVER: rgw, swift or env
"""
import os
import sys

import testlib

if len(sys.argv) < 3:
    sys.exit(__doc__)
os.environ.update(("HOLDFAST_TEST_S3_" + name, value)
                  for name, value in testlib.settings(sys.argv[1]).items())
os.execv(sys.argv[2], sys.argv[2:])
