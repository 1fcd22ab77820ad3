"""Items as they stand on a board: those of some keys, or all of them.

A search takes 100 values; several searches go in one call. Pages have 500 items. A subitems board cannot be
searched, so it is read whole (reference saas-destinations §2.2).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ml_connector_dagster.destinations.applications.contract import FieldValue, Found
from ml_connector_dagster.destinations.monday.api import MondayApi
from ml_connector_dagster.destinations.monday.layouts import Layout
from ml_connector_dagster.destinations.monday.values import as_value
from ml_connector_dagster.model.errors import ContractError


KEYS_PER_SEARCH: Final = 100
#: Searches in one call, when little or much is read of each item.
SEARCHES_FOR_IDS: Final = 20
SEARCHES_FOR_VALUES: Final = 5
PAGE: Final = 500

_ITEM: Final = """
fragment Row on Item {
  id name
  column_values(ids: $columns) { id text ... on CheckboxValue { checked } }
}
"""
_FIRST: Final = (
    """
query ($board: [ID!], $columns: [String!], $limit: Int!) {
  boards(ids: $board) { items_page(limit: $limit) { cursor items { ...Row } } }
}
"""
    + _ITEM
)
_NEXT: Final = (
    """
query ($cursor: String!, $columns: [String!], $limit: Int!) {
  page: next_items_page(cursor: $cursor, limit: $limit) { cursor items { ...Row } }
}
"""
    + _ITEM
)

Row = Mapping[str, Any]


def rows_of_board(api: MondayApi, layout: Layout, columns: Sequence[str]) -> Iterator[Row]:
    """Every active item, with these columns."""
    variables = {"board": [layout.board.id], "columns": list(columns), "limit": PAGE}
    boards = api.ask(_FIRST, variables).get("boards") or []
    if boards:
        yield from _pages(api, boards[0]["items_page"], columns)


def _pages(api: MondayApi, page: Mapping[str, Any], columns: Sequence[str]) -> Iterator[Row]:
    yield from page["items"]
    while page.get("cursor"):
        variables = {"cursor": page["cursor"], "columns": list(columns), "limit": PAGE}
        page = api.ask(_NEXT, variables)["page"]
        yield from page["items"]


def rows_of_keys(
    api: MondayApi, layout: Layout, keys: Sequence[str], columns: Sequence[str], searches: int
) -> Iterator[Row]:
    """Active items that have one of the keys."""
    if layout.is_of_subitems:
        wanted = set(keys)
        rows = rows_of_board(api, layout, columns)
        yield from (row for row in rows if key_of(layout, row) in wanted)
        return
    step = KEYS_PER_SEARCH * searches
    for start in range(0, len(keys), step):
        portion = keys[start : start + step]
        yield from _search(api, layout, portion, columns)


def _search(
    api: MondayApi, layout: Layout, keys: Sequence[str], columns: Sequence[str]
) -> Iterator[Row]:
    groups = [
        keys[start : start + KEYS_PER_SEARCH] for start in range(0, len(keys), KEYS_PER_SEARCH)
    ]
    declared = "".join(f", $k{number}: [String]!" for number in range(len(groups)))
    fields = "\n".join(
        f"s{number}: items_page_by_column_values(board_id: $board, limit: $limit, "
        f"columns: [{{column_id: $key, column_values: $k{number}}}]) {{ cursor items {{ ...Row }} }}"
        for number in range(len(groups))
    )
    head = f"query ($board: ID!, $key: String!, $columns: [String!], $limit: Int!{declared})"
    variables: dict[str, Any] = {
        "board": layout.board.id,
        "key": layout.key.id,
        "columns": list(columns),
        "limit": KEYS_PER_SEARCH,
    }
    variables |= {f"k{number}": list(group) for number, group in enumerate(groups)}
    answer = api.ask(f"{head} {{ {fields} }} {_ITEM}", variables)
    rows = [row for n in range(len(groups)) for row in _pages(api, answer[f"s{n}"], columns)]
    yield from sorted(
        rows, key=lambda row: int(row["id"])
    )  # of several with one key the oldest comes first


def key_of(layout: Layout, row: Row) -> str:
    """Our key of an item; "" when it has none."""
    return next(
        (str(one["text"] or "") for one in row["column_values"] if one["id"] == layout.key.id), ""
    )


def ids_of_keys(api: MondayApi, layout: Layout, keys: Sequence[str]) -> dict[str, list[str]]:
    """Key → ids of the active items that have it, oldest first."""
    found: dict[str, list[str]] = {}
    for row in rows_of_keys(api, layout, keys, [layout.key.id], SEARCHES_FOR_IDS):
        found.setdefault(key_of(layout, row), []).append(str(row["id"]))
    return found


def found_in(layout: Layout, row: Row) -> Found:
    """An item as the engine wants to see it; raises ContractError."""
    shown = {one["id"]: one for one in row["column_values"]}
    values: dict[str, FieldValue] = {}
    for name, column in layout.fields.items():
        if column.id not in shown:
            raise ContractError(f"Monday.com left out column {column.id} of item {row['id']}")
        values[name] = as_value(layout.kind(name), shown[column.id])
    if layout.title:
        values[layout.title] = str(row["name"])
    return Found(external_id=key_of(layout, row), remote_id=str(row["id"]), values=values)


def columns_of(layout: Layout) -> list[str]:
    """What is read of an item that is to be compared."""
    return [layout.key.id, *(column.id for column in layout.fields.values())]
