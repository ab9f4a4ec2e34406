"""What is different at each provider, as far as a client has to know it.

conditional: what If-None-Match: * does: "works", "refused" (501), "ignored".
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Quirks:
    region: str = "us-east-1"
    conditional: str = "works"
    equal_parts: bool = False         # all parts but the last have the same size
    needs_md5: bool = True            # DeleteObjects without Content-MD5 is refused
    delete_objects: bool = True       # there is such an operation
    blank_etags: bool = False         # CompleteMultipartUpload answers without one
    space_before_xml: bool = False    # while a completion is being worked on
    encoding_type: bool = True        # listings honour encoding-type=url
    canonical_wire: bool = True       # signs what came, and does not make it canonical first
    page: int = 1000                  # keys in a page of a listing


PROVIDERS = {
    "aws": Quirks(),
    "minio": Quirks(needs_md5=False),
    "r2": Quirks(region="auto", equal_parts=True, needs_md5=False),
    "b2": Quirks(region="us-west-004", conditional="refused"),
    "gcs": Quirks(region="auto", conditional="ignored", delete_objects=False),
    "wasabi": Quirks(region="eu-central-1", conditional="refused"),
    "spaces": Quirks(region="fra1", blank_etags=True),
    "garage": Quirks(region="garage", conditional="ignored", needs_md5=False),
    "seaweedfs": Quirks(needs_md5=False, encoding_type=False),
    "ceph": Quirks(region="default", blank_etags=True),
    "swift": Quirks(conditional="refused", space_before_xml=True),
}
