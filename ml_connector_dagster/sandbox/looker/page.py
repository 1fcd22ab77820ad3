"""Pages for people under ``/_looker``: the dashboards, what was sent, and what the month has cost."""

from collections.abc import Mapping
from html import escape
from typing import Final
from urllib.parse import quote

from ml_connector_dagster.sandbox.looker.charts import tile
from ml_connector_dagster.sandbox.looker.dashboards import Shown, dashboard_ids, show
from ml_connector_dagster.sandbox.looker.instance import Instance
from ml_connector_dagster.sandbox.looker.plans import Delivery
from ml_connector_dagster.sandbox.looker.refusals import not_found


_DELIVERIES_SHOWN: Final = 20
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #262d33; --soft: #6b7780; --line: #dee1e5; --paper: #f5f6f7; --card: #fff;
  --accent: #1a73e8; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #98a4b3; --line: #2c3542; --paper: #12161c;
  --card: #1a2029; --accent: #7ab0ff; --bad: #ff8a7a; } }
body { font: 14px/1.45 system-ui, sans-serif; margin: 0; color: var(--ink); background: var(--paper); }
main { max-width: 1320px; margin: 0 auto; padding: 1.5rem; }
nav { display: flex; gap: 1.2rem; flex-wrap: wrap; margin-bottom: 1rem; } a { color: var(--accent); text-decoration: none; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.25rem; margin: 2rem 0 .2rem; }
h3 { font-size: .95rem; margin: 0 0 .4rem; } p { margin: .2rem 0 .6rem; } .note { color: var(--soft); font-size: .82rem; }
form { display: flex; flex-wrap: wrap; gap: .6rem; margin: .5rem 0 1rem; align-items: end; }
label { display: grid; font-size: .8rem; color: var(--soft); }
input { font: inherit; color: var(--ink); background: var(--card); border: 1px solid var(--line); border-radius: 5px;
  padding: .25rem .5rem; width: 9rem; }
button { font: inherit; border: 0; border-radius: 5px; padding: .35rem .9rem; background: var(--accent); color: var(--card); }
.grid { display: grid; grid-template-columns: repeat(24, 1fr); gap: .8rem; }
@media (max-width: 800px) { .grid { display: block; } .tile { margin-bottom: .8rem; } }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; min-width: 0; }
.body { max-height: 24rem; overflow: auto; } .body.charted { max-height: none; overflow: visible; } .foot { margin: .4rem 0 0; } .error { color: var(--bad); }
table { border-collapse: collapse; width: 100%; font-size: .85rem; }
th, td { text-align: left; padding: .25rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { position: sticky; top: 0; background: var(--card); white-space: normal; vertical-align: bottom; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: .6rem 1.4rem; padding-right: .8rem; }
figure { margin: 0; } figcaption { font-size: .85rem; } figcaption .note { white-space: nowrap; } svg { width: 100%; overflow: visible; }
svg rect, svg circle { fill: var(--accent); } svg polyline { fill: none; stroke: var(--accent); stroke-width: 2; }
svg line { stroke: var(--line); } svg text { font-size: 9.5px; fill: var(--soft); }
"""


def render(instance: Instance, path: str, arguments: Mapping[str, str]) -> str:
    """The page at ``path``. ``arguments``: values of a dashboard's filters. Raises Refused."""
    queries = instance.queries
    if path == "/_looker":
        every = [show(queries, one, {}) for one in dashboard_ids(queries)]
        parts = [_dashboard(one, heading="h2") for one in every]
        empty = '<p class="note">The project has no dashboards yet.</p>'
        return _page(instance, "Dashboards", "".join(parts) or empty)
    if path == "/_looker/deliveries":
        return _page(instance, "What was sent", _deliveries(instance))
    kind, _, name = path.removeprefix("/_looker/").partition("/")
    if kind != "dashboards":
        raise not_found()
    values = {key: value for key, value in arguments.items() if value}
    shown = show(queries, name, values)
    form = _form(shown)
    return _page(instance, shown.title, form + _dashboard(shown, heading=""))


def _dashboard(shown: Shown, heading: str) -> str:
    title = ""
    if heading:
        address = f"/_looker/dashboards/{quote(shown.id)}"
        title = f'<{heading}><a href="{address}">{escape(shown.title)}</a></{heading}>'
    set_to = " · ".join(f"{one.name}: {one.value}" for one in shown.filters if one.value)
    note = f"{shown.description} {set_to}".strip()
    tiles = "".join(tile(one) for one in shown.tiles)
    return f'{title}<p class="note">{escape(note)}</p><div class="grid">{tiles}</div>'


def _form(shown: Shown) -> str:
    inputs = "".join(
        f'<label>{escape(one.name)}<input name="{escape(one.name)}" value="{escape(one.value)}" placeholder="any value">'
        "</label>"
        for one in shown.filters
    )
    return f"<form>{inputs}<button>Run</button></form>"


def _deliveries(instance: Instance) -> str:
    found = instance.plans.deliveries[-_DELIVERIES_SHOWN:][::-1]
    if not found:
        return '<p class="note">No plan has run.</p>'
    return "".join(_delivery(one) for one in found)


def _delivery(one: Delivery) -> str:
    head = f"plan {one.plan} (run as {one.copy}) to {', '.join(one.addresses)} at {one.at:%Y-%m-%d %H:%M:%S} UTC"
    error = f'<p class="error">{escape(one.error)}</p>' if one.error else ""
    body = _dashboard(one.dashboard, heading="") if one.dashboard is not None else ""
    title = one.dashboard.title if one.dashboard else "not delivered"
    return f'<h2>{escape(title)}</h2><p class="note">{escape(head)}</p>{error}{body}'


def _page(instance: Instance, title: str, content: str) -> str:
    links = [("/_looker", "Dashboards"), ("/_looker/deliveries", "What was sent")]
    nav = "".join(f'<a href="{address}">{escape(text)}</a>' for address, text in links)
    allowed = instance.options.allowance
    cost = " · ".join(
        f"{instance.calls(activity):,} of {allowed[activity]:,} {text} calls this month"
        for activity, text in (("db_query", "query"), ("non_query", "other"))
    )
    errors = "".join(
        f'<p class="error">{escape(file)}: {escape(message)}</p>'
        for file, message in instance.queries.project.project().errors
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><main><nav>{nav}</nav><h1>{escape(title)}</h1>"
        f'<p class="note">Sandbox of Looker · {escape(cost)}</p>{errors}{content}</main></body></html>'
    )
