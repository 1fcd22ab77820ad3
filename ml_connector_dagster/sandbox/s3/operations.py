"""Which operation of the API a request is, what right it takes, and what answers it."""

from collections.abc import Callable
from typing import Final

from ml_connector_dagster.sandbox.s3 import listings, objects
from ml_connector_dagster.sandbox.s3.buckets import Bucket
from ml_connector_dagster.sandbox.s3.calls import Call, Reply
from ml_connector_dagster.sandbox.s3.options import S3Options
from ml_connector_dagster.sandbox.s3.refusals import access_denied, invalid


#: Operation → the action that a policy must allow. Uploads in parts are a PutObject to IAM.
ACTIONS: Final = {
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject",
    "DeleteObjects": "",  # each key is asked for
}


def operation_of(call: Call) -> str:
    """The operation's name in the API Reference. Raises S3Error for one that is not there."""
    method, has_key = call.method, bool(call.key)
    if not has_key:
        if method == "HEAD":
            return "HeadBucket"
        if method == "GET":
            return "ListMultipartUploads" if call.asks("uploads") else "ListObjectsV2"
        if method == "POST" and call.asks("delete"):
            return "DeleteObjects"
    elif method == "POST" and call.asks("uploads"):
        return "CreateMultipartUpload"
    elif call.asks("uploadId"):
        in_parts = {
            "PUT": "UploadPart",
            "POST": "CompleteMultipartUpload",
            "DELETE": "AbortMultipartUpload",
        }
        if method in in_parts:
            return in_parts[method]
    else:
        plain = {
            "HEAD": "HeadObject",
            "GET": "GetObject",
            "PUT": "PutObject",
            "DELETE": "DeleteObject",
        }
        if method in plain:
            return plain[method]
    raise invalid(
        "MethodNotAllowed", "The specified method is not allowed against this resource.", 405
    )


def answer(
    operation: str, call: Call, bucket: Bucket, options: S3Options, may: Callable[[str], bool]
) -> Reply:
    """Carry the operation out. Raises the S3Error of what is refused."""
    if ACTIONS[operation] and not may(ACTIONS[operation]):
        raise access_denied()
    name = call.bucket
    reads = operation in ("GetObject", "HeadObject")
    if reads and call.key not in bucket.objects and not may("s3:ListBucket"):
        raise access_denied()  # who may not list is not told whether a key is there
    answers: dict[str, Callable[[], Reply]] = {
        "HeadBucket": lambda: Reply(headers={"x-amz-bucket-region": options.region}),
        "ListObjectsV2": lambda: listings.list_objects(call, name, bucket, options.page_size),
        "ListMultipartUploads": lambda: listings.list_uploads(name, bucket),
        "HeadObject": lambda: objects.get_object(call, bucket),
        "GetObject": lambda: objects.get_object(call, bucket),
        "PutObject": lambda: objects.put_object(call, bucket, options),
        "DeleteObject": lambda: objects.delete_object(call, bucket),
        "DeleteObjects": lambda: objects.delete_objects(call, bucket, may),
        "CreateMultipartUpload": lambda: objects.create_upload(call, name, bucket, options),
        "UploadPart": lambda: objects.upload_part(call, bucket),
        "CompleteMultipartUpload": lambda: objects.complete_upload(call, name, bucket, options),
        "AbortMultipartUpload": lambda: objects.abort_upload(call, bucket),
    }
    return answers[operation]()
