"""Answers, and the documents in them."""
import datetime
from xml.etree import ElementTree

from .errors import S3Error

XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


class Response:
    def __init__(self, status=200, body=b"", headers=None):
        self.status, self.body, self.headers = status, body, headers or {}


def xml(text):
    return Response(body=('<?xml version="1.0" encoding="UTF-8"?>\n' + text).encode(),
                    headers={"Content-Type": "application/xml"})


def iso(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def http_date(time):
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT")


def http_date_at(seconds):
    return http_date(datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc))


def parse_body(body):
    if b"<!DOCTYPE" in body:
        raise S3Error("MalformedXML")
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise S3Error("MalformedXML") from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
