"""No secret survives in text: known ones in any form, unknown ones by the shape of what holds them."""

import base64
import io
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.credentials.redaction import (
    MAX_SECRETS,
    RedactingFilter,
    Redactor,
    redact,
    register,
)
from ml_connector_dagster.model.secrets import Secret


MASK = "********"
SECRET = "s3cret/with+signs~&%é"


def lower_hex(text: str) -> str:
    return quote(text, safe="").lower() if text.lower() == text else quote(text, safe="~/")


DISGUISES: dict[str, Callable[[str, str, str], str]] = {
    "plain": lambda before, secret, after: before + secret + after,
    "url": lambda before, secret, after: f"{before}?x={quote(secret)}&{after}",
    "url, everything": lambda before, secret, after: f"{before}?x={quote(secret, safe='')}&{after}",
    "url, lower case": lambda before, secret, after: f"{before}?x={lower_hex(secret)}&{after}",
    "url, twice": lambda before, secret, after: quote_plus(quote(secret, safe="")),
    "form": lambda before, secret, after: urlencode({"a": before, "p": secret, "z": after}),
    "query": lambda before, secret, after: f"{before}&p={quote_plus(secret)}",
    "json": lambda before, secret, after: json.dumps({before: secret, "z": after}),
    "json, not ascii": lambda before, secret, after: json.dumps([before + secret], ensure_ascii=False),
    "json in json": lambda before, secret, after: json.dumps(json.dumps({"p": secret})),
    "repr": lambda before, secret, after: repr({before: secret + after}),
    "bytes": lambda before, secret, after: repr((before + secret + after).encode()),
    "base64": lambda before, secret, after: base64.b64encode((before + secret + after).encode()).decode(),
    "base64 for urls": lambda before, secret, after: base64.urlsafe_b64encode((before + secret + after).encode()).decode(),
    "base64 in a url": lambda before, secret, after: quote(base64.b64encode((before + secret + after).encode())),
    "basic": lambda before, secret, after: "Basic " + base64.b64encode(f"user:{secret}".encode()).decode(),
}  # fmt: skip


def readings(text: str) -> list[str]:
    """What somebody who tries could read in ``text``."""
    from urllib.parse import unquote, unquote_plus

    return [text, unquote(text), unquote_plus(text), unquote(unquote(text))]


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_known_secret_is_masked_in_every_disguise(disguise: str) -> None:
    text = DISGUISES[disguise]("before ", SECRET, " after")
    redacted = Redactor([Secret(SECRET)]).redact(text)
    assert MASK in redacted
    assert not [one for one in readings(redacted) if SECRET in one]


texts = st.text(st.characters(codec="utf-8"), max_size=12)
secrets = st.text(st.characters(codec="utf-8"), min_size=6, max_size=40).filter(
    lambda text: "*" not in text  # a mask is made of these
)


@examples(deadline=None)
@given(before=texts, secret=secrets, after=texts, disguise=st.sampled_from(sorted(DISGUISES)))
@example(before="", secret="000000", after="0", disguise="base64")
@example(before="\\", secret='""""""', after="\\", disguise="json")
@example(before="", secret="0000'\x80", after='"', disguise="bytes")
@example(before="%", secret="%25%25", after="+", disguise="form")
def test_no_secret_of_six_characters_or_more_survives(
    before: str, secret: str, after: str, disguise: str
) -> None:
    disguised = DISGUISES[disguise](before, secret, after)
    redacted = Redactor([Secret(secret)]).redact(disguised)
    assert MASK in redacted
    assert secret not in redacted
    for form in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        assert form not in redacted
    whole = base64.b64encode(secret.encode()).decode().rstrip("=")
    assert whole[:-1] not in redacted


@examples(deadline=None)
@given(texts, st.lists(secrets, min_size=2, max_size=3), texts)
def test_secrets_that_overlap_are_all_masked(before: str, known: list[str], after: str) -> None:
    joined = before + "".join(known) + known[0] + after
    redacted = Redactor(map(Secret, known)).redact(joined)
    assert not [secret for secret in known if secret in redacted]


@examples(deadline=None)
@given(st.text(max_size=60))
def test_masking_what_is_masked_changes_nothing_more(text: str) -> None:
    redactor = Redactor([Secret("hunter2")])
    once = redactor.redact(text)
    assert redactor.redact(once) == once


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Authorization: Bearer abc.def-ghi", f"Authorization: Bearer {MASK}"),
        ("authorization: Basic dXNlcjpwYXNz", f"authorization: Basic {MASK}"),
        ("{'Authorization': 'Bearer abc', 'Accept': 'json'}", f"{{'Authorization': 'Bearer {MASK}', 'Accept': 'json'}}"),
        ("[(b'authorization', b'Bearer abc'), (b'accept', b'json')]", f"[(b'authorization', b'Bearer {MASK}'), (b'accept', b'json')]"),
        ("sent Bearer abcdefgh12345678 to it", f"sent Bearer {MASK} to it"),
        ('{"access_token": "abc", "expires_in": 7200}', f'{{"access_token": "{MASK}", "expires_in": 7200}}'),
        ('{"access_token":"abc","refresh_token":"def","token_type":"Bearer"}', f'{{"access_token":"{MASK}","refresh_token":"{MASK}","token_type":"Bearer"}}'),
        ("{'client_secret': 'ab\\'c', 'x': 1}", f"{{'client_secret': '{MASK}', 'x': 1}}"),
        ('{"saak":"T#k","sask":"s","cs":"c","ci":"T~id","cn":"app"}', f'{{"saak":"{MASK}","sask":"{MASK}","cs":"{MASK}","ci":"T~id","cn":"app"}}'),
        ('body: "{\\"cs\\": \\"abc\\", \\"v\\": \\"1.0\\"}"', f'body: "{{\\"cs\\": \\"{MASK}\\", \\"v\\": \\"1.0\\"}}"'),
        ("grant_type=password&username=u&password=p%40ss&client_secret=x&a=b", f"grant_type=password&username=u&password={MASK}&client_secret={MASK}&a=b"),
        ("connect(user='me', password='p w', host='h')", f"connect(user='me', password='{MASK}', host='h')"),
        ("snowflake_password = hunter2 ok", f"snowflake_password = {MASK} ok"),
        ("api_key: abc123", f"api_key: {MASK}"),
        ('{"password": 12345}', f'{{"password": {MASK}'),
        ('{"password": "cut off in the mid', f'{{"password": "{MASK}'),
        ("postgresql://me:hunter2@db:5432/x", f"postgresql://me:{MASK}@db:5432/x"),
        ("token eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl used", f"token {MASK} used"),
        ("key:\n-----BEGIN PRIVATE KEY-----\nMIIE\nabcd\n-----END PRIVATE KEY-----\nend", f"key:\n{MASK}\nend"),
        ("-----BEGIN RSA PRIVATE KEY-----\\nMIIE\\nab", MASK),
    ],
)  # fmt: skip
def test_what_has_the_shape_of_a_secret_is_masked(text: str, redacted: str) -> None:
    assert Redactor().redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "grant_type=password failed",
        "connections.acme.password: a secret never stands in YAML; store it with: ml-connector",
        "token_max_age_minutes=50, tokens=3, the token of acme expired",
        "Basic authentication is used; bearer tokens are renewed",
        "GET https://host:443/ACME_TST/M3/m3api-rest/v2/execute/CRS620MI/LstSuppliers?maxrecs=1000&cono=100",
        "12:30:00 read 10,000 rows of suppliers (acme/100) in 1.5 s",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert Redactor([Secret("hunter2")]).redact(text) == text


def test_the_secrets_inside_an_ionapi_file_are_known_with_the_file() -> None:
    file = '{"ti": "ACME_TST", "cn": "my-app-name",\n "cs": "client-secret-1", "saak": "ACME_TST#key1", "sask": "sask-secret-1"}'
    redactor = Redactor([Secret(file)])
    assert redactor.redact("client-secret-1 ACME_TST#key1 sask-secret-1 my-app-name ACME_TST") == (
        f"{MASK} {MASK} {MASK} my-app-name ACME_TST"
    )


def test_one_line_of_a_key_file_is_enough_to_be_masked() -> None:
    key = "-----BEGIN X-----\nMIIEvQIBADANBgkqhkiG\n9w0BAQEFAASCBKcwggSj\n-----END X-----\n"
    assert Redactor([Secret(key)]).redact("line 9w0BAQEFAASCBKcwggSj") == f"line {MASK}"


def test_values_that_are_too_short_are_not_looked_for() -> None:
    assert Redactor([Secret("e"), Secret("hello")]).redact("hello there") == "hello there"


def test_the_newest_secrets_are_kept_when_there_are_very_many() -> None:
    redactor = Redactor(Secret(f"token-number-{number:06}") for number in range(MAX_SECRETS + 1))
    assert redactor.redact(f"token-number-{MAX_SECRETS:06} token-number-000000") == (
        f"{MASK} token-number-000000"
    )


@pytest.mark.parametrize(
    "text",
    ["a" * 300_000, "password" * 40_000, "%41" * 100_000, "\\u0041" * 50_000, '"cs": ' * 50_000,
     "-----BEGIN X-----" * 20_000, "://a" * 75_000, "eyJ" * 100_000, "\\" * 300_000, " " * 300_000, "authorization" * 30_000, "'" * 300_000, "password" + " " * 300_000, "Bearer " * 40_000, "-eyJ" * 80_000, "aWlp" * 80_000],
)  # fmt: skip
def test_long_text_takes_time_in_proportion(text: str) -> None:
    redactor = Redactor([Secret("aaaaaaaaab"), Secret("hunter2"), Secret("iiiiii")])
    before = time.process_time()
    redactor.redact(text)
    assert time.process_time() - before < 5


def test_reading_a_credential_makes_its_values_known(tmp_path: Path) -> None:
    settings = read_settings({"ML_CONNECTOR_HOME": str(tmp_path)})
    open_store(settings).add("a", "k", {"f": Secret("value-known-by-the-store")})
    open_store(settings).get("a")
    assert redact("it is value-known-by-the-store.") == f"it is {MASK}."


def logged(redacting: RedactingFilter, log: Callable[[logging.Logger], None]) -> str:
    """What a handler with the filter prints."""
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler.addFilter(redacting)
    logger = logging.Logger("a.test")
    logger.addHandler(handler)
    log(logger)
    return output.getvalue()


def _log_exception(logger: logging.Logger) -> None:
    try:
        try:
            raise ValueError("inner hunter2")
        except ValueError as error:
            raise RuntimeError("outer hunter2") from error
    except RuntimeError:
        logger.exception("failed")


@pytest.mark.parametrize(
    ("log", "printed"),
    [
        (lambda logger: logger.error("it is hunter2"), f"ERROR it is {MASK}\n"),
        (lambda logger: logger.error("it is %s, %d", "hunter2", 5), f"ERROR it is {MASK}, 5\n"),
        (lambda logger: logger.error("it is %(a)s", {"a": "hunter2"}), f"ERROR it is {MASK}\n"),
        (lambda logger: logger.error("it is %s%s", "hunt", "er2"), f"ERROR it is {MASK}\n"),
        (lambda logger: logger.error("it is %r", ["hunter2"]), f"ERROR it is \"['{MASK}']\"\n"),
        (lambda logger: logger.error(ValueError("hunter2")), f"ERROR {MASK}\n"),
        (lambda logger: logger.error("failed: %s", ValueError("hunter2")), f"ERROR failed: {MASK}\n"),
        (lambda logger: logger.error("wrong %d", "hunter2"), "ERROR wrong %d (its arguments do not fit)\n"),
        (lambda logger: logger.error("password=%s", "unknown"), f"ERROR password={MASK}\n"),
        (lambda logger: logger.error("rows %d of %s", 5, "items"), "ERROR rows 5 of items\n"),
    ],
)  # fmt: skip
def test_the_filter_masks_what_is_logged(
    log: Callable[[logging.Logger], None], printed: str
) -> None:
    assert logged(RedactingFilter(Redactor([Secret("hunter2")])), log) == printed


def test_the_filter_masks_exceptions_and_their_causes() -> None:
    printed = logged(RedactingFilter(Redactor([Secret("hunter2")])), _log_exception)
    assert f"ValueError: inner {MASK}" in printed
    assert f"RuntimeError: outer {MASK}" in printed
    assert "hunter2" not in printed


def test_the_filter_masks_extra_fields_and_leaves_harmless_records_alone() -> None:
    redacting = RedactingFilter(Redactor([Secret("hunter2")]))
    record = logging.makeLogRecord({"msg": "m %s", "args": (1,), "body": {"p": "hunter2"}, "n": 5})
    assert redacting.filter(record)
    assert (record.msg, record.args, record.__dict__["n"]) == ("m %s", (1,), 5)
    assert "hunter2" not in repr(vars(record))


def test_a_filter_without_a_redactor_knows_what_the_process_registered() -> None:
    register(Secret("registered-here"))
    assert logged(RedactingFilter(), lambda logger: logger.error("it is registered-here")) == (
        f"ERROR it is {MASK}\n"
    )
