"""Queries through the cache: an answer is kept until its datagroup is triggered, or it is too old.

Only ``json_detail`` (and dashboards) fill the cache; the streaming formats read it (reference saas-destinations §3.2).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from ml_connector_dagster.sandbox.looker.answers import Answer, cell
from ml_connector_dagster.sandbox.looker.compiler import Query, compiled
from ml_connector_dagster.sandbox.looker.lookml import Explore, Model, ProjectFolder
from ml_connector_dagster.sandbox.looker.refusals import Refused, invalid, not_found
from ml_connector_dagster.sandbox.looker.warehouse import Database, SqlError


_HOUR: Final = 3600.0


@dataclass(slots=True, kw_only=True)
class Datagroup:
    """Moments are UNIX seconds."""

    id: str
    model: str
    name: str
    created_at: int
    triggered_at: int | None = None
    stale_before: int | None = None

    def makes_stale(self, moment: float) -> bool:
        """Whether what was cached at ``moment`` is not to be used any more.

        Moments have whole seconds in the API: what was cached within the second of a trigger counts as before it.
        """
        return any(
            moment < limit + 1
            for limit in (self.triggered_at, self.stale_before)
            if limit is not None
        )

    def body(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id,
            "model_name": self.model,
            "name": self.name,
            "created_at": self.created_at,
            "triggered_at": self.triggered_at,
            "stale_before": self.stale_before,
            "trigger_check_at": None,
            "trigger_error": None,
            "trigger_value": None,
            "can": {},
        }


@dataclass(slots=True, kw_only=True)
class Asked:
    """A query, for those who want to look at what was asked. ``cached``: whether it could come from the cache."""

    explore: str
    query: Query
    cache: bool
    from_cache: bool


@dataclass(slots=True)
class Queries:
    """Explores, datagroups and the cache."""

    project: ProjectFolder
    databases: Mapping[str, Database]
    now: Callable[[], datetime]
    asked: list[Asked] = field(default_factory=list)
    _datagroups: dict[tuple[str, str], Datagroup] = field(default_factory=dict)
    _kept: dict[str, Answer] = field(default_factory=dict)
    _latest: dict[str, Answer] = field(default_factory=dict)

    def model(self, name: str) -> Model:
        """A model of the project as it is now. Raises Refused."""
        found = self.project.project().models.get(name)
        if found is None:
            raise not_found()
        return found

    def explore(self, model: str, name: str) -> Explore:
        """An explore. Raises Refused."""
        found = self.model(model).explores.get(name)
        if found is None:
            raise not_found()
        return found

    @property
    def datagroups(self) -> tuple[Datagroup, ...]:
        """Those of the project's models."""
        models = self.project.project().models.values()
        names = [(model.name, name) for model in models for name in model.datagroups]
        for one in names:
            if one not in self._datagroups:
                self._datagroups[one] = Datagroup(
                    id=str(len(self._datagroups) + 1),
                    model=one[0],
                    name=one[1],
                    created_at=int(self.now().timestamp()),
                )
        return tuple(self._datagroups[one] for one in names)

    def datagroup(self, number: str) -> Datagroup:
        """The datagroup with an id. Raises Refused."""
        for one in self.datagroups:
            if one.id == number:
                return one
        raise not_found()

    def update(self, number: str, body: Mapping[str, Any]) -> Datagroup:
        """Trigger a datagroup, or make its cache stale. Raises Refused."""
        found = self.datagroup(number)
        for name, value in body.items():
            if name not in ("triggered_at", "stale_before"):
                raise invalid(name, "is read only or unknown")
            if not isinstance(value, int) or isinstance(value, bool):
                raise invalid(name, "must be UNIX seconds")
            if value > self.now().timestamp():
                raise invalid(name, "cannot be in the future")
        found.triggered_at = body.get("triggered_at", found.triggered_at)
        found.stale_before = body.get("stale_before", found.stale_before)
        return found

    def ask(
        self,
        model: str,
        explore: str,
        query: Query,
        *,
        cache: bool,
        keep: bool,
        stale: bool = False,
    ) -> Answer:
        """The answer to a query. ``stale``: the one that was given last time, if there was one."""
        known = self.model(model)
        found = self.explore(model, explore)
        now = self.now()
        sql = compiled(found, query, now.date())
        key = _key(known.connection, sql.sql)
        answer = self._latest.get(key) if stale else None
        if answer is None and cache:
            answer = self._fresh(key, known, found, now.timestamp())
        self.asked.append(
            Asked(explore=explore, query=query, cache=cache, from_cache=answer is not None)
        )
        if answer is not None:
            return replace(answer, from_cache=True)
        answer = self._run(known.connection, sql.sql, query, sql.fields, now.timestamp())
        if not answer.error:
            self._latest[key] = answer
            if keep:
                self._kept[key] = answer
        return answer

    def _fresh(self, key: str, model: Model, explore: Explore, now: float) -> Answer | None:
        answer = self._kept.get(key)
        if answer is None:
            return None
        hours = model.datagroups.get(explore.datagroup, 1.0)
        group = next(
            (
                one
                for one in self.datagroups
                if (one.model, one.name) == (model.name, explore.datagroup)
            ),
            None,
        )
        too_old = now - answer.at > hours * _HOUR
        return None if too_old or (group and group.makes_stale(answer.at)) else answer

    def _run(self, connection: str, sql: str, query: Query, fields: Any, now: float) -> Answer:
        database = self.databases.get(connection)
        if database is None:
            raise Refused(400, f"Connection {connection} is not configured")
        names = query.fields
        try:
            found = database.read(sql)
        except SqlError as error:
            return Answer(names=names, rows=(), sql=sql, at=now, fields=fields, error=str(error))
        rows = tuple(
            dict(zip(names, (cell(value) for value in row), strict=False)) for row in found.rows
        )
        return Answer(names=names, rows=rows, sql=sql, at=now, fields=fields)


def _key(connection: str, sql: str) -> str:
    return json.dumps([connection, sql])
