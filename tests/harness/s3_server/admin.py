"""What a person, or a script, may tell the running server: below a path that is no bucket's.

    GET /-/              what there is
    GET /-/requests      what was asked for since the faults were set, one a line
    PUT /-/faults        [{"kind": "slow-down", "at": 2, "last": 4}, ...]; counting begins anew
    PUT /-/clothes       a provider's name
    PUT /-/skew          seconds that the server's clock is ahead
    DELETE /-/objects    the bucket is empty again

Nothing here needs a signature, counts as a request or is struck by a fault.
"""
import json

from . import faults
from .documents import Response
from .quirks import PROVIDERS


def is_for(request):
    return request.raw_path.startswith("/-/")


def text(status, lines):
    return Response(status, ("\n".join(lines) + "\n").encode(), {"Content-Type": "text/plain"})


def usage(_server, _body):
    return (__doc__.strip().splitlines() + ["", "faults: " + " ".join(faults.KINDS),
                                            "clothes: " + " ".join(PROVIDERS)])


def requests(server, _body):
    with server.lock:
        return ["%s %s %s %d" % item for item in server.requests]


def set_faults(server, body):
    to_come = faults.parse(body)
    server.reset(to_come)
    return ["%d faults to come" % len(to_come)]


def set_clothes(server, body):
    server.wear(PROVIDERS[body.strip()])
    return ["endpoint %s, region %s" % (server.endpoint, server.quirks.region)]


def set_skew(server, body):
    server.skew = int(body)
    return ["%d seconds ahead" % server.skew]


def empty(server, _body):
    server.bucket.clear()
    return ["empty"]


COMMANDS = {("GET", ""): usage, ("GET", "requests"): requests, ("PUT", "faults"): set_faults,
            ("PUT", "clothes"): set_clothes, ("PUT", "skew"): set_skew,
            ("DELETE", "objects"): empty}


def answer(server, request):
    command = COMMANDS.get((request.method, request.raw_path[len("/-/"):]))
    if command is None:
        return text(404, usage(server, ""))
    try:
        return text(200, command(server, request.body.decode()))
    except (KeyError, TypeError, ValueError, json.JSONDecodeError) as error:
        return text(400, ["%s: %s" % (type(error).__name__, error)])
