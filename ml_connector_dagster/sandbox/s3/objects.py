"""Reading, writing and removing objects, and multipart uploads.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html and its neighbours
"""

import base64
import hashlib
import re
from collections.abc import Callable
from email.utils import format_datetime
from typing import Final
from xml.etree.ElementTree import Element, ParseError, SubElement, fromstring

from ml_connector_dagster.sandbox.s3.buckets import LAST_PART, Bucket, StoredObject, etag_of
from ml_connector_dagster.sandbox.s3.calls import Call, Reply
from ml_connector_dagster.sandbox.s3.listings import XML
from ml_connector_dagster.sandbox.s3.options import S3Options
from ml_connector_dagster.sandbox.s3.refusals import (
    NAMESPACE,
    S3Error,
    invalid,
    not_implemented,
    written,
    xml_of,
)


_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
_MOST_DELETED: Final = 1000


def get_object(call: Call, bucket: Bucket) -> Reply:
    """The object or a range of it; HEAD answers the same without the body."""
    one = bucket.get(call.key)
    headers = {
        "Content-Type": one.content_type,
        "ETag": f'"{one.etag}"',
        "Last-Modified": format_datetime(one.modified, usegmt=True),
        "Accept-Ranges": "bytes",
    }
    wanted = _RANGE.fullmatch(call.headers.get("range", ""))
    if wanted is None or wanted.groups() == ("", ""):
        return Reply(body=one.content, headers=headers)
    size = len(one.content)
    first, last = wanted.groups()
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if start >= size or end <= start:
        raise invalid("InvalidRange", "The requested range is not satisfiable", 416)
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return Reply(status=206, body=one.content[start:end], headers=headers)


def put_object(call: Call, bucket: Bucket, options: S3Options) -> Reply:
    """PutObject; with ``If-None-Match: *`` only when there is none of that key, with ``If-Match`` only over that one."""
    _refuse_what_is_not_here(call)
    _check_digests(call)
    one = StoredObject(
        content=call.body,
        etag=etag_of(call.body),
        modified=options.now(),
        content_type=call.headers.get("content-type", "binary/octet-stream"),
    )
    replaces = call.headers.get("if-match", "").strip('"')
    bucket.put(call.key, one, only_new=_only_new(call), replaces=replaces)
    return Reply(headers={"ETag": f'"{one.etag}"'})


def delete_object(call: Call, bucket: Bucket) -> Reply:
    bucket.remove(call.key)
    return Reply(status=204)


def delete_objects(call: Call, bucket: Bucket, may: Callable[[str], bool]) -> Reply:
    """DeleteObjects: up to 1,000 keys, each with an answer of its own."""
    if "content-md5" not in call.headers and not _has_checksum(call):
        raise invalid(
            "InvalidRequest",
            "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
        )
    _check_digests(call)
    asked = _document(call.body, "Delete")
    keys = [_text(one, "Key") for one in _all(asked, "Object")]
    if not 0 < len(keys) <= _MOST_DELETED:
        raise _malformed()
    root = Element("DeleteResult", xmlns=NAMESPACE)
    quiet = _text(asked, "Quiet") == "true"
    for key in keys:
        if not may("s3:DeleteObject"):
            entry = SubElement(root, "Error")
            SubElement(entry, "Key").text = key
            SubElement(entry, "Code").text = "AccessDenied"
            SubElement(entry, "Message").text = "Access Denied"
            continue
        bucket.remove(key)
        if not quiet:
            SubElement(SubElement(root, "Deleted"), "Key").text = key
    return Reply(body=written(root), headers=XML)


def create_upload(call: Call, name: str, bucket: Bucket, options: S3Options) -> Reply:
    _refuse_what_is_not_here(call)
    kind = call.headers.get("content-type", "binary/octet-stream")
    upload = bucket.begin(call.key, options.now(), kind)
    fields = {"Bucket": name, "Key": call.key, "UploadId": upload.upload_id}
    return Reply(body=xml_of("InitiateMultipartUploadResult", fields), headers=XML)


def upload_part(call: Call, bucket: Bucket) -> Reply:
    _check_digests(call)
    upload = bucket.upload(call.key, call.parameter("uploadId"))
    number = call.parameter("partNumber")
    if not number.isdigit() or not 1 <= int(number) <= LAST_PART:
        raise invalid(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {LAST_PART}, inclusive",
        )
    with bucket.lock:
        upload.parts[int(number)] = call.body
    return Reply(headers={"ETag": f'"{etag_of(call.body)}"'})


def complete_upload(call: Call, name: str, bucket: Bucket, options: S3Options) -> Reply:
    upload = bucket.upload(call.key, call.parameter("uploadId"))
    document = _document(call.body, "CompleteMultipartUpload")
    chosen: list[tuple[int, str]] = []
    for part in _all(document, "Part"):
        number = _text(part, "PartNumber")
        if not number.isdigit():
            raise _malformed()
        chosen.append((int(number), _text(part, "ETag").strip('"')))
    if not chosen:
        raise _malformed()
    one = bucket.complete(
        upload,
        chosen,
        options.now(),
        smallest=options.smallest_part,
        only_new=_only_new(call),
    )
    fields = {"Bucket": name, "Key": call.key, "ETag": f'"{one.etag}"'}
    return Reply(body=xml_of("CompleteMultipartUploadResult", fields), headers=XML)


def abort_upload(call: Call, bucket: Bucket) -> Reply:
    upload = bucket.upload(call.key, call.parameter("uploadId"))
    with bucket.lock:
        bucket.uploads.pop(upload.upload_id, None)
    return Reply(status=204)


def _only_new(call: Call) -> bool:
    condition = call.headers.get("if-none-match")
    if condition not in (None, "*"):
        raise not_implemented("If-None-Match with an ETag on a write")
    return condition == "*"


def _refuse_what_is_not_here(call: Call) -> None:
    there = [
        name
        for name in call.headers
        if name.startswith(("x-amz-copy-source", "x-amz-tagging", "x-amz-server-side-encryption"))
    ]
    if there:
        raise not_implemented(", ".join(there))


def _has_checksum(call: Call) -> bool:
    return any(name.startswith("x-amz-checksum-") for name in call.headers)


def _check_digests(call: Call) -> None:
    """What came must be what was meant to be sent."""
    claimed = {
        "content-md5": hashlib.md5(call.body, usedforsecurity=False),
        "x-amz-checksum-sha256": hashlib.sha256(call.body),
    }
    for name, digest in claimed.items():
        if (
            name in call.headers
            and call.headers[name] != base64.b64encode(digest.digest()).decode()
        ):
            raise invalid(
                "BadDigest", "The Content-MD5 or checksum value did not match what was received."
            )


def _document(body: bytes, name: str) -> Element:
    try:
        root = fromstring(body)  # noqa: S314 - from our own tests, over loopback
    except ParseError:
        raise _malformed() from None
    if root.tag.rpartition("}")[2] != name:
        raise _malformed()
    return root


def _all(root: Element, name: str) -> list[Element]:
    return [one for one in root if one.tag.rpartition("}")[2] == name]


def _text(root: Element, name: str) -> str:
    return next((one.text or "" for one in _all(root, name)), "")


def _malformed() -> S3Error:
    return invalid(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
