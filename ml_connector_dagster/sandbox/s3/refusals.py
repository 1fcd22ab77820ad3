"""Errors as S3 answers them: a status, a code, and XML.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement, tostring


NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass(frozen=True, kw_only=True)
class S3Error(Exception):
    """A refusal. ``details`` are further elements of the body."""

    status: int
    code: str
    message: str
    details: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, resource: str, request_id: str) -> bytes:
        """The error document."""
        named = {"Code": self.code, "Message": self.message, **self.details}
        return xml_of("Error", {**named, "Resource": resource, "RequestId": request_id}, plain=True)


def xml_of(name: str, fields: Mapping[str, str], *, plain: bool = False) -> bytes:
    """A document of one level; errors (``plain``) have no namespace."""
    root = Element(name) if plain else Element(name, xmlns=NAMESPACE)
    for key, value in fields.items():
        SubElement(root, key).text = value
    return written(root)


def written(root: Element) -> bytes:
    """A document as it is sent."""
    content: bytes = tostring(root, encoding="UTF-8", xml_declaration=True)
    return content


def access_denied() -> S3Error:
    return S3Error(status=403, code="AccessDenied", message="Access Denied")


def no_such_bucket(name: str) -> S3Error:
    return S3Error(
        status=404,
        code="NoSuchBucket",
        message="The specified bucket does not exist",
        details={"BucketName": name},
    )


def no_such_key(key: str) -> S3Error:
    return S3Error(
        status=404,
        code="NoSuchKey",
        message="The specified key does not exist.",
        details={"Key": key},
    )


def no_such_upload() -> S3Error:
    return S3Error(
        status=404,
        code="NoSuchUpload",
        message="The specified multipart upload does not exist. The upload ID might be invalid, or the "
        "multipart upload might have been aborted or completed.",
    )


def precondition_failed(condition: str) -> S3Error:
    return S3Error(
        status=412,
        code="PreconditionFailed",
        message="At least one of the pre-conditions you specified did not hold",
        details={"Condition": condition},
    )


def invalid(code: str, message: str, status: int = 400) -> S3Error:
    return S3Error(status=status, code=code, message=message)


def not_implemented(what: str) -> S3Error:
    return S3Error(
        status=501,
        code="NotImplemented",
        message=f"A header or parameter you provided implies functionality that is not implemented: {what}",
    )
