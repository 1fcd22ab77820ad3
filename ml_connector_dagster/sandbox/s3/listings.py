"""ListObjectsV2 and ListMultipartUploads, page by page.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

import base64
from datetime import datetime
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement

from ml_connector_dagster.sandbox.s3.buckets import Bucket, StoredObject
from ml_connector_dagster.sandbox.s3.calls import Call, Reply
from ml_connector_dagster.sandbox.s3.refusals import NAMESPACE, invalid, not_implemented, written


XML = {"Content-Type": "application/xml"}


def list_objects(call: Call, name: str, bucket: Bucket, page_size: int) -> Reply:
    """One page: keys in the order of their bytes, those below a delimiter as one prefix."""
    if call.parameter("list-type") != "2":
        raise not_implemented("ListObjects of version 1")
    encoding = call.parameter("encoding-type")
    if encoding not in ("", "url"):
        raise invalid("InvalidArgument", "Invalid Encoding Method specified in Request")
    prefix, delimiter = call.parameter("prefix"), call.parameter("delimiter")
    asked = int(call.parameter("max-keys", "1000"))
    entries = list(_entries(bucket, prefix, delimiter))
    after = _after(call)
    page = [one for one in entries if one[0].encode() > after.encode()]
    shown = page[: min(asked, page_size, 1000)]
    root = Element("ListBucketResult", xmlns=NAMESPACE)
    fields = {"Name": name, "Prefix": prefix, "KeyCount": len(shown), "MaxKeys": asked}
    for field, value in fields.items():
        SubElement(root, field).text = str(value)
    if delimiter:
        SubElement(root, "Delimiter").text = delimiter
    if encoding:
        SubElement(root, "EncodingType").text = encoding
    more = len(page) > len(shown)
    SubElement(root, "IsTruncated").text = "true" if more else "false"
    if more:
        token = base64.urlsafe_b64encode(shown[-1][0].encode()).decode()
        SubElement(root, "NextContinuationToken").text = token
    for key, one in shown:
        _add(root, quote(key, safe="/") if encoding == "url" else key, one)
    return Reply(body=written(root), headers=XML)


def _entries(
    bucket: Bucket, prefix: str, delimiter: str
) -> "list[tuple[str, StoredObject | None]]":
    """Keys with their objects, and common prefixes with None, in the order of a list."""
    with bucket.lock:
        below = sorted(
            (one for one in bucket.objects.items() if one[0].startswith(prefix)),
            key=lambda one: one[0].encode(),
        )
    entries: dict[str, StoredObject | None] = {}
    for key, one in below:
        head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        entries[f"{prefix}{head}{delimiter}" if found else key] = None if found else one
    return list(entries.items())


def _after(call: Call) -> str:
    token = call.parameter("continuation-token")
    if not token:
        return call.parameter("start-after")
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise invalid("InvalidArgument", "The continuation token provided is incorrect") from None


def _add(root: Element, key: str, one: StoredObject | None) -> None:
    if one is None:
        SubElement(SubElement(root, "CommonPrefixes"), "Prefix").text = key
        return
    entry = SubElement(root, "Contents")
    SubElement(entry, "Key").text = key
    SubElement(entry, "LastModified").text = iso(one.modified)
    SubElement(entry, "ETag").text = f'"{one.etag}"'
    SubElement(entry, "Size").text = str(len(one.content))
    SubElement(entry, "StorageClass").text = "STANDARD"


def list_uploads(name: str, bucket: Bucket) -> Reply:
    """Uploads that were begun, and neither completed nor aborted. On one page."""
    root = Element("ListMultipartUploadsResult", xmlns=NAMESPACE)
    SubElement(root, "Bucket").text = name
    SubElement(root, "IsTruncated").text = "false"
    with bucket.lock:
        for upload in bucket.uploads.values():
            entry = SubElement(root, "Upload")
            SubElement(entry, "Key").text = upload.key
            SubElement(entry, "UploadId").text = upload.upload_id
            SubElement(entry, "Initiated").text = iso(upload.initiated)
    return Reply(body=written(root), headers=XML)


def iso(moment: datetime) -> str:
    """As S3 writes moments in XML: to the millisecond, UTC."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
