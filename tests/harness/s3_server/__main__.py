"""Run it by hand: it says how to reach it, and takes orders below /-/ (see admin.py).

usage: python3 -m s3_server [--port PORT] [--faults FILE] [PROVIDER]

PROVIDER: a name of quirks.PROVIDERS, "aws" without one.  FILE: as for PUT /-/faults.
"""
import argparse
import sys
import threading

from . import faults
from .quirks import PROVIDERS
from .server import KEY_ID, SECRET, Server


def main():
    parser = argparse.ArgumentParser(prog="python3 -m s3_server")
    parser.add_argument("provider", nargs="?", default="aws", choices=sorted(PROVIDERS))
    parser.add_argument("--port", type=int, default=0, help="of loopback; 0: a free one")
    parser.add_argument("--faults", metavar="FILE", help="JSON, as for PUT /-/faults")
    options = parser.parse_args()
    with Server(PROVIDERS[options.provider], port=options.port) as server:
        if options.faults:
            with open(options.faults, encoding="utf-8") as file:
                server.reset(faults.parse(file.read()))
        print("export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s\nexport HOLDFAST_STORE="
              "'s3://bucket/test?endpoint=%s&region=%s%s'"
              % (KEY_ID, SECRET, server.endpoint, server.quirks.region,
                 "&addressing=virtual" if server.quirks.virtual_host else ""), flush=True)
        print("# orders: curl http://127.0.0.1:%d/-/" % server.address[1], flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.exit(130)


if __name__ == "__main__":
    main()
