"""Run it by hand.

usage: python3 -m s3_server [PROVIDER]      PROVIDER: a name of quirks.PROVIDERS
"""
import sys
import threading

from .quirks import PROVIDERS
from .server import KEY_ID, SECRET, Server

if __name__ == "__main__":
    with Server(PROVIDERS[sys.argv[1] if len(sys.argv) > 1 else "aws"]) as server:
        print("export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s\nexport HOLDFAST_STORE="
              "'s3://bucket/test?endpoint=%s&region=%s'"
              % (KEY_ID, SECRET, server.endpoint, server.quirks.region), flush=True)
        threading.Event().wait()
