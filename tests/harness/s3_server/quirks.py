"""What is different at each provider, as far as a client has to know it."""
import dataclasses

from .storage import CLASSES


@dataclasses.dataclass(frozen=True)
class Quirks:
    region: str = "us-east-1"
    any_region: bool = False          # takes what is signed for another one
    virtual_host: bool = False        # the bucket is in the host's name, and nowhere else
    path_prefix: str = ""             # of every path; it is signed, too
    conditional: str = "works"        # If-None-Match: * on PUT; or "refused" (501), "ignored"
    if_match: str = "works"           # on PUT; or "unquoted" (only so), "refused", "ignored"
    put_max: int = 5 << 30            # bytes of one PUT
    parts_max: int = 10000
    equal_parts: bool = False         # all parts but the last have the same size
    key_seconds: float = 0            # between two writes of one key; sooner is 429
    needs_md5: bool = True            # DeleteObjects without Content-MD5 is refused
    delete_objects: bool = True       # there is such an operation
    delete_max: int = 1000            # more keys than that is an InternalError
    missing_delete_fails: bool = False  # DELETE of what is not there is 404
    random_etags: bool = False        # they are no MD5
    unquoted_etags: bool = False      # in headers
    blank_etags: bool = False         # CompleteMultipartUpload answers without one
    space_before_xml: bool = False    # while a completion is being worked on
    encoding_type: bool = True        # listings honour encoding-type=url
    plus_for_space: bool = False      # in such a listing
    blank_token: bool = False         # the last page of a listing has a token, an empty one
    exact_upload_prefix: bool = False  # ListMultipartUploads takes a key for its prefix
    sse: str = "works"                # or "no-kms", "refused" (501), "ignored"
    sse_customer: str = "works"       # or "refused" (501), "ignored"
    tagging: str = "works"            # of x-amz-tagging; or "refused" (501), "ignored"
    classes: tuple = CLASSES          # of storage
    requester_pays: bool = False      # who does not say that he does is denied
    versioning: str = ""              # of the bucket, "on" or "off"; or nobody knows what that is
    object_lock: bool = False         # the bucket was made with it; only with versioning on
    canonical_wire: bool = True       # signs what came, and does not make it canonical first
    page: int = 1000                  # keys in a page of a listing


STANDARD = ("STANDARD",)


def ceph(region, **more):
    return Quirks(region=region, blank_etags=True, if_match="unquoted", needs_md5=False,
                  classes=STANDARD, **more)


PROVIDERS = {
    "aws": Quirks(plus_for_space=True),
    "minio": Quirks(any_region=True, needs_md5=False, plus_for_space=True,
                    exact_upload_prefix=True, sse="refused",
                    classes=("STANDARD", "REDUCED_REDUNDANCY")),
    "aistor": Quirks(needs_md5=False, plus_for_space=True, exact_upload_prefix=True),
    "ceph": ceph("default", any_region=True),
    "garage": Quirks(region="garage", conditional="ignored", if_match="ignored", needs_md5=False,
                     sse="refused", tagging="refused", classes=STANDARD),
    "seaweedfs": Quirks(needs_md5=False, encoding_type=False),
    "rustfs": Quirks(needs_md5=False),
    "versitygw": Quirks(),
    "r2": Quirks(region="auto", equal_parts=True, needs_md5=False, random_etags=True,
                 key_seconds=0.2, delete_max=700, put_max=(5 << 30) - (5 << 20), sse="no-kms",
                 tagging="refused", classes=("STANDARD", "STANDARD_IA")),
    "b2": Quirks(region="us-west-004", conditional="refused", if_match="refused", sse="no-kms",
                 tagging="refused", classes=STANDARD),
    "wasabi": Quirks(region="eu-central-1", conditional="refused", if_match="refused"),
    "spaces": ceph("fra1", sse="refused"),
    "tigris": Quirks(region="auto", needs_md5=False),
    "gcs": Quirks(region="auto", conditional="ignored", if_match="ignored", delete_objects=False,
                  missing_delete_fails=True, key_seconds=0.2),
    "hetzner": ceph("fsn1"),
    "scaleway": Quirks(region="fr-par", parts_max=1000),
    "ovh": Quirks(region="gra", space_before_xml=True),
    "ovh-until-2026": Quirks(region="gra", conditional="refused", if_match="refused",
                             space_before_xml=True),
    "supabase": Quirks(path_prefix="/storage/v1/s3", conditional="refused", if_match="refused",
                       needs_md5=False, sse="refused", sse_customer="refused",
                       tagging="refused", classes=STANDARD),
    "oss": Quirks(region="oss-eu-central-1", virtual_host=True, conditional="refused",
                  if_match="refused", delete_objects=False),
    "storagegrid": Quirks(conditional="ignored", if_match="ignored"),
    "scality": Quirks(blank_token=True, encoding_type=False),
    "swift": Quirks(conditional="refused", if_match="refused", space_before_xml=True,
                    sse="refused", sse_customer="refused", tagging="refused", classes=STANDARD),
    "other": Quirks(conditional="ignored", if_match="ignored", delete_objects=False,
                    encoding_type=False, unquoted_etags=True, random_etags=True, page=100,
                    sse="ignored", sse_customer="ignored", tagging="ignored"),
}
