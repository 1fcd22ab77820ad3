"""Telling people: each channel once of each change, through apprise, which speaks Slack, Teams, mail, JSON and more.

The address of a channel is a secret (a webhook's URL lets anybody write), so it is a stored credential, and what
apprise says of a failure passes the redactor. https://appriseit.com (looked up 2026-11, version 2.2)
"""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ml_connector_dagster.config.alerts import AlertChannel, Alerts
from ml_connector_dagster.credentials.redaction import RedactingFilter, redact, register
from ml_connector_dagster.model.alerts import Alert, AlertKind
from ml_connector_dagster.model.errors import (
    ConfigError,
    ConnectorError,
    CredentialError,
    MissingDriverError,
    TransientError,
)
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sync.workspace import Workspace


if TYPE_CHECKING:
    from apprise import Apprise


#: The field of a channel's credential.
URL: Final = "url"

_MASKING: Final = RedactingFilter()

#: Shorter parts of an address are words like "services", not secrets.
_SHORTEST_PART: Final = 9

_TITLES: Final = {
    AlertKind.RUN_FAILED: "Run failed",
    AlertKind.CHECK_FAILED: "Check failed",
    AlertKind.REJECTED_ROWS: "Records refused",
    AlertKind.STALE_TABLE: "Table is stale",
    AlertKind.TENANT_FAILING: "Tenant is failing",
    AlertKind.GIVEN_UP: "Records given up",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is sent. ``good`` news is shown in another colour where a channel has colours."""

    title: str
    body: str
    good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of telling one channel. ``error`` is "" when all went well."""

    channel: str
    notices: int
    error: str = ""


def notice_of(alert: Alert, alerts: Alerts) -> Notice:
    """An alert in words, with a link to its run."""
    over = alert.resolved_at is not None
    condition = alert.condition
    lines = [f"{condition.subject}: {condition.message}."]
    if alert.resolved_at is not None:
        lines = [f"{condition.subject}: over since {alert.resolved_at:%Y-%m-%d %H:%M} UTC."]
        lines.append(f"It was: {condition.message}.")
    if condition.run_id and alerts.ui is not None:
        lines.append(f"{str(alerts.ui).rstrip('/')}/runs/{condition.run_id}")
    return Notice(
        title=f"{'Resolved' if over else _TITLES[condition.kind]}: {condition.subject}",
        body=redact("\n".join(lines)),
        good=over,
    )


def tell_all(workspace: Workspace) -> tuple[Told, ...]:
    """Tell every channel what it has not heard. One that cannot be reached is told next time."""
    return tuple(_tell(workspace, channel) for channel in workspace.project.alerts.channels)


def _tell(workspace: Workspace, channel: AlertChannel) -> Told:
    name, done = channel.credential, 0
    try:
        with workspace.ledger.alerts.tell_alone(name):
            address = None
            for alert in workspace.ledger.alerts.untold(name):
                if channel.wants(alert.condition.kind):
                    address = address or workspace.credential(name).value(URL)
                    send_by_apprise(address, notice_of(alert, workspace.project.alerts))
                    workspace.ledger.alerts.mark_told(name, alert)
                    done += 1
    except ConnectorError as error:
        return Told(channel=name, notices=done, error=redact(str(error)))
    return Told(channel=name, notices=done)


def tell_test(workspace: Workspace, names: Sequence[str]) -> tuple[Told, ...]:
    """Send a word to the channels called ``names``, all when none is named. Raises ConfigError for an unknown one."""
    known = [channel.credential for channel in workspace.project.alerts.channels]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            f"no alert channel {unknown[0]!r}; configured are {', '.join(known) or 'none (alerts: channels: in YAML)'}"
        )
    notice = Notice(
        title="Test of ml_connector_dagster",
        body="This is a test: alerts of this installation reach you here.",
        good=True,
    )
    return tuple(_try(workspace, name, notice) for name in (names or known))


def _try(workspace: Workspace, name: str, notice: Notice) -> Told:
    try:
        send_by_apprise(workspace.credential(name).value(URL), notice)
    except ConnectorError as error:
        return Told(channel=name, notices=0, error=redact(str(error)))
    return Told(channel=name, notices=1)


def send_by_apprise(address: Secret, notice: Notice) -> None:
    """Send ``notice`` to the apprise URL ``address``.

    Raises CredentialError for an address that apprise does not understand, TransientError when it was not taken.
    """
    sender = sender_to(address)
    import apprise

    capture = apprise.LogCapture(level=logging.WARNING, fmt="%(message)s")  # type: ignore[no-untyped-call]  # theirs
    with capture as said:
        taken = sender.notify(
            title=notice.title,
            body=notice.body,
            notify_type=apprise.NotifyType.SUCCESS if notice.good else apprise.NotifyType.FAILURE,
            body_format=apprise.NotifyFormat.TEXT,
        )
        why = " ".join(said.getvalue().split())
    if not taken:
        raise TransientError(
            f"the notice was not taken: {redact(why)[:300] or 'no reason given'}. It is tried again"
        )


def sender_to(address: Secret) -> "Apprise":
    """What sends to ``address``; nothing is sent yet.

    Raises CredentialError for an address that apprise does not understand, MissingDriverError without apprise.
    """
    try:
        with warnings.catch_warnings():
            # It loads all of its services, and on Python 3.11 and 3.12 one of them names a module that 3.13 lacks.
            warnings.simplefilter("ignore", DeprecationWarning)
            import apprise

            # It logs addresses that it does not understand.
            logging.getLogger("apprise").addFilter(_MASKING)
            _mask_parts(address.reveal())
            sender = apprise.Apprise()
            understood = sender.add(address.reveal())
    except ImportError as error:
        raise MissingDriverError("apprise", "alerts") from error
    if not understood:
        raise CredentialError(
            "the address of this channel is not one that apprise knows, like slack://…, workflows://…, jsons://… or "
            "mailtos://…; add the credential again (docs/how-to/alerts.md)"
        )
    return sender


def _mask_parts(address: str) -> None:
    """The whole address is masked already; an error may repeat a part of it, and some parts are the secret."""
    split = urlsplit(address)
    host = "" if "." in (split.hostname or "") else split.hostname  # slack://TOKEN/…
    for part in (host, split.username, split.password, *split.path.split("/")):
        if part and len(part) >= _SHORTEST_PART:
            register(Secret(part))
