"""A stand-in of Amazon S3: one endpoint of one region, over real HTTP, written from the S3 API Reference.

    with S3Sandbox.start(S3Options(buckets={"staging": "eu-north-1"})) as s3:
        s3.url, s3.options.access_key_id, s3.options.secret_access_key

What is there: signatures (version 4, in the Authorization header), HeadBucket, objects with ranges and conditional writes,
multipart uploads, ListObjectsV2, bulk deletion, errors as XML. What is not: virtual-hosted addresses, presigned URLs,
signed chunks (``STREAMING-…``), versions, tags, encryption, copies. They are refused, never ignored.
"""

from ml_connector_dagster.sandbox.s3.faults import Fault, Faults
from ml_connector_dagster.sandbox.s3.options import S3Options
from ml_connector_dagster.sandbox.s3.server import S3Sandbox


__all__ = ["Fault", "Faults", "S3Options", "S3Sandbox"]
