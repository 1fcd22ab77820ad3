"""The schema of ``schema.graphql`` with what each field answers."""

from functools import cache
from pathlib import Path
from typing import Final

from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema, GraphQLUnionType
from graphql import build_schema as read_schema

from ml_connector_dagster.sandbox.monday.exchanges import Resolver
from ml_connector_dagster.sandbox.monday.mutations import MUTATIONS
from ml_connector_dagster.sandbox.monday.objects import BOARD, CELL, ITEM, VALUE_TYPES
from ml_connector_dagster.sandbox.monday.queries import QUERIES


#: Root fields that came with a version.
SINCE: Final = {"ingest_items": "2026-07", "fetch_job_status": "2026-07"}


@cache
def build() -> GraphQLSchema:
    """The schema, ready to execute. It keeps nothing: all accounts share it."""
    schema = read_schema(Path(__file__).with_name("schema.graphql").read_text())
    _resolve(schema, "Query", QUERIES)
    _resolve(schema, "Mutation", MUTATIONS)
    _resolve(schema, "Board", BOARD)
    _resolve(schema, "Item", ITEM)
    for name in {*VALUE_TYPES.values(), "TextValue"}:
        _resolve(schema, name, CELL)
    values, status = schema.type_map["ColumnValue"], schema.type_map["JobStatus"]
    if isinstance(values, GraphQLInterfaceType):
        values.resolve_type = lambda shown, *_: VALUE_TYPES.get(shown.column.type, "TextValue")
    if isinstance(status, GraphQLUnionType):
        status.resolve_type = lambda *_: "ItemsJobStatus"
    return schema


def _resolve(schema: GraphQLSchema, type_name: str, resolvers: dict[str, Resolver]) -> None:
    """Give the type's fields those of ``resolvers`` that it has; the others are read from attributes."""
    kind = schema.type_map[type_name]
    if not isinstance(kind, GraphQLObjectType):
        raise TypeError(f"{type_name} is no object type")
    for name, field in kind.fields.items():
        if name in resolvers:
            field.resolve = resolvers[name]
