"""Alerts: each change is told once, to every channel that wants it, and no address of a channel shows anywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ml_connector_dagster.config.alerts import AlertChannel, Alerts
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.project import Flow, FlowDestination, Project
from ml_connector_dagster.config.replays import Replay
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.config.warehouses import DuckDBConnection
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.alerts import AlertKind, Condition
from ml_connector_dagster.model.breakers import BreakerState
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import DeliveryReport, OutcomeCounts
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.model.windows import Watermark
from ml_connector_dagster.staging import Staging
from ml_connector_dagster.sync.alerts.looking import look_around
from ml_connector_dagster.sync.alerts.telling import sender_to, tell_all, tell_test
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.contracts.ledger_samples import (
    NOON,
    Clock,
    batch,
    days,
    stuck_source,
)
from ml_connector_dagster_tests.receivers import Webhook, mail_server, webhook


HOUR = 3600


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """An installation whose ledger is written by hand."""

    workspace: Workspace
    clock: Clock

    def channel(self, name: str, address: str, *only: AlertKind) -> None:
        """Configure a channel more."""
        store = open_store(self.workspace.settings)
        store.add(name, "alerts", {"url": Secret(address)})
        alerts = self.workspace.project.alerts
        channels = (*alerts.channels, AlertChannel(credential=name, only=only))
        self.workspace.project = self.workspace.project.model_copy(
            update={"alerts": alerts.model_copy(update={"channels": channels})}
        )

    def look(self) -> list[tuple[str, str]]:
        """Look and tell; what is wrong now."""
        look_around(self.workspace)
        assert [one.error for one in tell_all(self.workspace) if one.error] == []
        return [
            (one.condition.kind.value, one.condition.subject)
            for one in self.workspace.ledger.alerts.find()
        ]

    def read(self, batch_id: str, *, rows: int = 3, letters: int = 0) -> None:
        """A read of suppliers that is done, with so many unreadable records."""
        ledger, window = self.workspace.ledger, days(18, 18)
        read = ledger.begin_read(
            tenant="acme", entity="suppliers", company="100", window=window, run_id=batch_id,
            started_at=self.clock(), resume_within=self.clock() - self.clock(),
        )  # fmt: skip
        ledger.commit_batch(
            batch(batch_id, rows=rows),
            read=read,
            progress={"all": None},
            dead_letters=[stuck_source(f"{number}") for number in range(letters)],
            finished=True,
            watermark=Watermark(
                tenant="acme", entity="suppliers", company="100", complete_until=self.clock()
            ),
        )

    def deliver(self, batch_id: str, *, inserted: int, rejected: int) -> None:
        counts = OutcomeCounts(inserted=inserted, rejected=rejected)
        ledger = self.workspace.ledger
        ledger.start_delivery(batch_id, "warehouse.erp", f"run-of-{batch_id}")
        ledger.finish_delivery(
            batch_id, "warehouse.erp", DeliveryReport(counts=counts), dead_letters=[], resolved=[]
        )


@pytest.fixture
def office(tmp_path: Path, clock: Clock) -> Iterator[Office]:
    settings = read_settings({"ML_CONNECTOR_HOME": str(tmp_path / "home")})
    project = Project(
        connections={
            "acme": CloudSuiteConnection(
                name="acme", product_line="m3", credential="acme", timezone="Europe/Stockholm"
            ),
            "warehouse": DuckDBConnection(name="warehouse", path=Path("warehouse.duckdb")),
        },
        flows={
            "buying": Flow(
                name="buying",
                source="acme",
                companies=("100",),
                entities=("suppliers",),
                destinations=(FlowDestination(connection="warehouse"),),
                start_date=NOON.date(),
                schedule=Schedule(every="2 hours"),
                replay=Replay(tries=2),
            )
        },
        alerts=Alerts.model_validate({"ui": "https://dagster.example.com"}),
    )
    settings.home.mkdir()
    with Ledger.open(settings.ledger_url, now=clock) as ledger:
        workspace = Workspace(settings, project, ledger, Staging(settings.staging_url), clock)
        yield Office(workspace=workspace, clock=clock)


def open_breaker(office: Office, state: BreakerState) -> None:
    store = office.workspace.ledger.breaker_store("acme")
    assert store.swap(store.load(), state)


FAILING = BreakerState(version=1, failures=10, opened_at=NOON, open_until=NOON, reason="HTTP 503")


def test_a_change_is_told_once_and_so_is_its_end(office: Office, hook: Webhook) -> None:
    office.channel("ops", hook.address)
    assert office.look() == []
    open_breaker(office, FAILING)
    for _ in range(3):
        assert office.look() == [("tenant_failing", "acme")]
    assert hook.titles == ["Tenant is failing: acme"]
    assert "HTTP 503" in hook.posted[0]["message"]
    assert hook.posted[0]["type"] == "failure"

    office.clock.advance(hours=1)
    open_breaker(office, BreakerState(version=2))
    for _ in range(3):
        assert office.look() == []
    assert hook.titles[1:] == ["Resolved: acme"]
    assert hook.posted[1]["type"] == "success"
    assert "over since 2026-01-18 13:00 UTC" in hook.posted[1]["message"]

    open_breaker(office, BreakerState(version=3, open_until=NOON, reason="HTTP 502"))
    office.look()
    assert len(hook.posted) == 3, "the next time it is news again"


def test_a_channel_that_is_away_is_told_later_and_the_other_hears_nothing_twice(
    office: Office, hook: Webhook
) -> None:
    with webhook() as other:
        office.channel("ops", hook.address)
        office.channel("chief", other.address)
        hook.status = 500
        open_breaker(office, FAILING)
        look_around(office.workspace)
        errors = {one.channel: one.error for one in tell_all(office.workspace)}
        assert errors["chief"] == ""
        assert "not taken" in errors["ops"]
        assert "secret-part" not in errors["ops"]

        hook.status = 200
        office.look()
        assert (len(hook.posted), len(other.posted)) == (1, 1)


def test_what_is_over_before_a_channel_heard_of_it_is_not_told(
    office: Office, hook: Webhook
) -> None:
    open_breaker(office, FAILING)
    office.look()
    open_breaker(office, BreakerState(version=2))
    office.look()
    office.channel("ops", hook.address)
    office.look()
    assert hook.posted == []


def test_a_channel_hears_only_what_it_wants(office: Office, hook: Webhook) -> None:
    office.channel("finance", hook.address, AlertKind.CHECK_FAILED)
    open_breaker(office, FAILING)
    office.look()
    check = Condition(kind=AlertKind.CHECK_FAILED, subject="row_count", message="3 are missing")
    office.workspace.ledger.alerts.raise_one(check)
    office.look()
    assert hook.titles == ["Check failed: row_count"]


def test_a_failed_run_is_told_with_a_link_to_it(office: Office, hook: Webhook) -> None:
    office.channel("ops", hook.address)
    failed = Condition(
        kind=AlertKind.RUN_FAILED, subject="flow buying", message="boom", run_id="4f1e"
    )
    office.workspace.ledger.alerts.raise_one(failed)
    office.workspace.ledger.alerts.raise_one(failed)
    assert office.look() == [("run_failed", "flow buying")], "looking around does not end it"
    assert hook.titles == ["Run failed: flow buying"]
    assert "https://dagster.example.com/runs/4f1e" in hook.posted[0]["message"]


@pytest.mark.parametrize(
    ("inserted", "rejected", "told"), [(99, 1, False), (98, 2, True), (0, 0, False)]
)
def test_more_than_a_share_of_refused_records_is_told(
    office: Office, inserted: int, rejected: int, told: bool
) -> None:
    office.read("b1")
    office.deliver("b1", inserted=inserted, rejected=rejected)
    subject = "warehouse.erp: acme suppliers of company 100"
    assert office.look() == ([("rejected_rows", subject)] if told else [])


def test_the_next_batch_without_refusals_ends_it(office: Office) -> None:
    office.read("b1")
    office.deliver("b1", inserted=1, rejected=1)
    assert len(office.look()) == 1
    office.read("b2")
    office.deliver("b2", inserted=5, rejected=0)
    assert office.look() == []


def test_a_table_that_missed_two_ticks_is_stale(office: Office) -> None:
    assert office.look() == [], "what was never read is not stale"
    office.read("b1")
    office.deliver("b1", inserted=3, rejected=0)
    office.clock.advance(hours=4)
    assert office.look() == []
    office.clock.advance(hours=1)
    assert office.look() == [("stale_table", "warehouse.erp: acme suppliers of company 100")]
    message = office.workspace.ledger.alerts.find()[0].condition.message
    assert "as of 2026-01-18 13:00 (Europe/Stockholm)" in message
    assert "never be older than 4 h 30 min" in message


def test_what_was_read_and_not_delivered_is_stale_too(office: Office) -> None:
    office.read("b1")
    office.clock.advance(hours=5)
    office.read("b2")
    assert [kind for kind, _ in office.look()] == ["stale_table"]


def test_a_letter_that_failed_often_is_given_up_and_told(office: Office) -> None:
    office.read("b1", letters=2)
    office.deliver("b1", inserted=3, rejected=0)
    letters = office.workspace.ledger.dead_letters()
    office.workspace.ledger.postpone([one.id for one in letters])
    assert office.look() == [], "two tries"
    office.workspace.ledger.postpone([letters[0].id])
    assert office.look() == [("given_up", "reading: suppliers of company 100 (flow buying)")]
    office.workspace.ledger.resolve([letters[0].id])
    assert office.look() == []


def test_it_is_told_by_mail(office: Office) -> None:
    with mail_server() as mailbox:
        address = f"mailto://127.0.0.1:{mailbox.port}?mode=insecure&from=erp@example.com&to=ops@example.com"
        office.channel("mail", address)
        open_breaker(office, FAILING)
        office.look()
    (mail,) = mailbox.mails
    assert mail["Subject"] == "Tenant is failing: acme"
    assert "ops@example.com" in mail["To"]
    body = mail.get_body(("plain",))
    assert body is not None
    assert "HTTP 503" in body.get_content()


def test_a_test_says_of_each_channel_whether_it_took_it(
    office: Office, hook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    office.channel("ops", hook.address)
    office.channel("typo", "slak://not-a-scheme/secret-token")
    told = {one.channel: one for one in tell_test(office.workspace, ())}
    assert told["ops"].notices == 1
    assert hook.titles == ["Test of ml_connector_dagster"]
    assert "not one that apprise knows" in told["typo"].error
    assert "secret-token" not in told["typo"].error + caplog.text
    assert "secret-part" not in redact(f"POST /hooks/secret-part-of-the-path on port {hook.port}")
    with pytest.raises(ConfigError, match="no alert channel 'opps'; configured are ops, typo"):
        tell_test(office.workspace, ["opps"])


@pytest.mark.parametrize(
    "address",
    [
        "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "workflows://prod-06.example.azure.com/643e69f83c8944/8DeGaGEgA1SgGSGKwqGsgSGs",
        "jsons://hooks.example.com/erp",
        "mailtos://user:password@mail.example.com?to=ops@example.com",
    ],
)
def test_the_addresses_of_the_guide_are_understood(address: str) -> None:
    assert len(sender_to(Secret(address))) == 1


def test_what_is_wrong_in_yaml_is_said_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "flows.yaml"
    file.write_text(
        "alerts:\n  channels:\n    - credential: ops\n      only: [run_faild]\n  rejected: 3\n"
    )
    with pytest.raises(ConfigError) as error:
        load_project(file, read_settings({"ML_CONNECTOR_HOME": str(tmp_path)}))
    assert "flows.yaml:4: alerts.channels[0].only[0]: unknown alert 'run_faild'" in str(error.value)
    assert "did you mean 'run_failed'" in str(error.value)
    assert "unknown key 'rejected'" in str(error.value)


def test_it_may_stand_in_one_file_only(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("alerts: {rejected_percent: 2}\n")
    with pytest.raises(ConfigError, match=r"alerts: given twice; the other is at .*a\.yaml:1"):
        load_project(tmp_path, read_settings({"ML_CONNECTOR_HOME": str(tmp_path)}))
