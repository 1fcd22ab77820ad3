"""The S3 stand-in is as strict as S3: asked by AWS's own client, and by requests that are wrong on purpose.

Written from the S3 API Reference, as the stand-in is; boto3 comes with the driver of Snowflake.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ml_connector_dagster.sandbox.s3 import Fault, S3Options, S3Sandbox


boto3 = pytest.importorskip("boto3")

from botocore.config import Config  # noqa: E402 - skipped without boto3
from botocore.exceptions import ClientError  # noqa: E402


MIB = 1024 * 1024


@pytest.fixture(scope="module")
def running() -> Iterator[S3Sandbox]:
    with S3Sandbox.start(S3Options(page_size=2)) as s3:
        yield s3


@pytest.fixture
def s3(running: S3Sandbox) -> S3Sandbox:
    running.reset()
    return running


@pytest.fixture
def client(s3: S3Sandbox) -> Iterator[Any]:
    made = client_of(s3)
    yield made
    made.close()


def client_of(s3: S3Sandbox, **changed: str) -> Any:
    return boto3.client(
        "s3",
        **{
            "endpoint_url": s3.url,
            "region_name": s3.options.region,
            "aws_access_key_id": s3.options.access_key_id,
            "aws_secret_access_key": s3.options.secret_access_key,
            "config": Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                request_checksum_calculation="when_required",
            ),
            **changed,
        },
    )


def refusal(call: Any, **given: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as raised:
        call(**given)
    answer = raised.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@pytest.mark.parametrize("key", ["a/b", "å b+c%2F", "*[x]?&=", "a//b", "~'!()"])
def test_an_object_comes_back_under_any_key(client: Any, key: str) -> None:
    client.put_object(Bucket="staging", Key=key, Body=b"hello", ContentType="text/plain")
    found = client.get_object(Bucket="staging", Key=key)
    assert (found["Body"].read(), found["ContentType"]) == (b"hello", "text/plain")
    assert found["ETag"] == f'"{hashlib.md5(b"hello", usedforsecurity=False).hexdigest()}"'
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="staging")
    assert [one["Key"] for page in pages for one in page["Contents"]] == [key]
    assert client.head_object(Bucket="staging", Key=key)["ContentLength"] == 5


def test_a_list_is_in_the_order_of_bytes_page_by_page(client: Any) -> None:
    keys = ["a", "a/1", "a/2", "a0", "b", "é"]
    for key in reversed(keys):
        client.put_object(Bucket="staging", Key=key, Body=b"")
    pages = list(client.get_paginator("list_objects_v2").paginate(Bucket="staging"))
    assert [[one["Key"] for one in page["Contents"]] for page in pages] == [
        ["a", "a/1"],
        ["a/2", "a0"],
        ["b", "é"],
    ]
    below = list(client.get_paginator("list_objects_v2").paginate(Bucket="staging", Delimiter="/"))
    assert [one["Prefix"] for page in below for one in page.get("CommonPrefixes", [])] == ["a/"]


def test_a_conditional_write_is_for_the_first_one(client: Any) -> None:
    given = {"Bucket": "staging", "Key": "k", "IfNoneMatch": "*"}
    client.put_object(Body=b"first", **given)
    assert refusal(client.put_object, Body=b"second", **given) == (412, "PreconditionFailed")
    assert client.get_object(Bucket="staging", Key="k")["Body"].read() == b"first"
    other = {**given, "IfNoneMatch": '"etag"'}
    assert refusal(client.put_object, Body=b"x", **other) == (501, "NotImplemented")


def test_an_upload_in_parts_follows_the_rules(client: Any) -> None:
    place = {"Bucket": "staging", "Key": "large"}
    upload = place | {"UploadId": client.create_multipart_upload(**place)["UploadId"]}
    first = client.upload_part(PartNumber=1, Body=b"1" * 5 * MIB, **upload)["ETag"]
    small = client.upload_part(PartNumber=2, Body=b"2", **upload)["ETag"]
    last = client.upload_part(PartNumber=3, Body=b"3", **upload)["ETag"]

    def complete(*parts: tuple[int, str], **more: str) -> Any:
        listed = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        return client.complete_multipart_upload(MultipartUpload={"Parts": listed}, **upload, **more)

    with pytest.raises(ClientError, match="InvalidPartOrder"):
        complete((3, last), (1, first))
    with pytest.raises(ClientError, match=r"InvalidPart\)"):
        complete((1, last))
    with pytest.raises(ClientError, match="EntityTooSmall"):
        complete((1, first), (2, small), (3, last))
    client.put_object(Body=b"in the way", **place)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        complete((1, first), (3, last), IfNoneMatch="*")
    assert complete((1, first), (3, last))["ETag"].endswith('-2"')
    assert client.head_object(**place)["ContentLength"] == 5 * MIB + 1
    assert refusal(client.abort_multipart_upload, **upload) == (404, "NoSuchUpload")


def test_uploads_that_nobody_ended_are_listed(client: Any) -> None:
    place = {"Bucket": "staging", "Key": "large"}
    upload = client.create_multipart_upload(**place)["UploadId"]
    listed = client.list_multipart_uploads(Bucket="staging")["Uploads"]
    assert [(one["Key"], one["UploadId"]) for one in listed] == [("large", upload)]
    client.abort_multipart_upload(UploadId=upload, **place)
    assert "Uploads" not in client.list_multipart_uploads(Bucket="staging")


def test_ranges(client: Any) -> None:
    client.put_object(Bucket="staging", Key="k", Body=b"0123456789")

    def part(text: str) -> tuple[bytes, str]:
        found = client.get_object(Bucket="staging", Key="k", Range=text)
        return found["Body"].read(), found["ContentRange"]

    assert part("bytes=2-4") == (b"234", "bytes 2-4/10")
    assert part("bytes=8-99") == (b"89", "bytes 8-9/10")
    assert part("bytes=7-") == (b"789", "bytes 7-9/10")
    assert part("bytes=-3") == (b"789", "bytes 7-9/10")
    call = client.get_object
    assert refusal(call, Bucket="staging", Key="k", Range="bytes=10-") == (416, "InvalidRange")


def test_many_are_removed_at_once_and_rights_count_for_each(s3: S3Sandbox, client: Any) -> None:
    for key in ("a", "b"):
        client.put_object(Bucket="staging", Key=key, Body=b"")
    asked = {"Objects": [{"Key": "a"}, {"Key": "not there"}]}
    gone = client.delete_objects(Bucket="staging", Delete=asked)["Deleted"]
    assert [one["Key"] for one in gone] == ["a", "not there"]
    s3.denied.add("s3:DeleteObject")
    kept = client.delete_objects(Bucket="staging", Delete={"Objects": [{"Key": "b"}]})["Errors"]
    assert [(one["Key"], one["Code"]) for one in kept] == [("b", "AccessDenied")]
    assert set(s3.buckets["staging"].objects) == {"b"}


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        ({"aws_access_key_id": "AKIAOTHER"}, (403, "InvalidAccessKeyId")),
        ({"aws_secret_access_key": "other"}, (403, "SignatureDoesNotMatch")),
        ({"aws_session_token": "stale"}, (400, "InvalidToken")),
    ],
)
def test_who_is_not_known_is_refused(
    s3: S3Sandbox, changed: dict[str, str], refused: tuple[int, str]
) -> None:
    client = client_of(s3, **changed)
    assert refusal(client.get_object, Bucket="staging", Key="k") == refused
    client.close()


def test_what_is_not_there_and_what_is_not_allowed(s3: S3Sandbox, client: Any) -> None:
    call = client.get_object
    assert refusal(call, Bucket="other", Key="k") == (404, "NoSuchBucket")
    assert refusal(call, Bucket="staging", Key="k") == (404, "NoSuchKey")
    s3.denied.add("s3:ListBucket")
    assert refusal(call, Bucket="staging", Key="k") == (403, "AccessDenied")
    assert refusal(client.list_objects_v2, Bucket="staging") == (403, "AccessDenied")


def test_what_is_not_signed_as_it_came_is_refused(s3: S3Sandbox, client: Any) -> None:
    """A signed address is good for itself: not for another key, another body, or one more header."""
    assert httpx.get(f"{s3.url}/staging/k").status_code == 403
    caught: dict[str, Any] = {}
    client.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: caught.update(request=request)
    )
    client.put_object(Bucket="staging", Key="k", Body=b"hello")
    headers = {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in caught["request"].headers.items()
    }
    url = f"{s3.url}/staging/k"
    assert httpx.put(url, headers=headers, content=b"hello").status_code == 200
    wrong = {
        "SignatureDoesNotMatch": httpx.put(f"{url}2", headers=headers, content=b"hello"),
        "XAmzContentSHA256Mismatch": httpx.put(url, headers=headers, content=b"other"),
        "headers present in the request which were not signed": httpx.put(
            url, headers={**headers, "x-amz-acl": "public-read"}, content=b"hello"
        ),
        "RequestTimeTooSkewed": httpx.put(
            url,
            headers={
                **headers,
                "X-Amz-Date": headers["X-Amz-Date"][:9] + "000000Z"
                if headers["X-Amz-Date"][9:11] > "00"
                else headers["X-Amz-Date"][:9] + "235959Z",
            },
            content=b"hello",
        ),
    }
    assert {name: name in answer.text for name, answer in wrong.items()} == dict.fromkeys(
        wrong, True
    )


def test_faults_happen_as_often_as_they_are_told_to(s3: S3Sandbox, client: Any) -> None:
    s3.faults.add(Fault(kind="slow_down", operation="PutObject", nth=2))
    put = {"Bucket": "staging", "Key": "k", "Body": b""}
    client.put_object(**put)
    assert refusal(client.put_object, **put) == (503, "SlowDown")
    client.put_object(**put)
    with pytest.raises(ValueError, match="unknown fault"):
        Fault(kind="flood")  # type: ignore[arg-type]
