"""What a query costs. The real formula is not published: objects asked for, times the fields of each."""

from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)
from graphql.language import ast
from graphql.utilities import value_from_ast_untyped


_ITEM_MUTATIONS: Final = frozenset(
    {
        "archive_item",
        "change_multiple_column_values",
        "create_item",
        "create_subitem",
        "delete_item",
    }
)
_OTHER_MUTATION: Final = 5_000
_PAGES: Final = frozenset({"items_page", "items_page_by_column_values", "next_items_page"})
#: How many there are taken to be, when the query does not say.
_USUAL: Final = {"column_values": 20, "columns": 20, "groups": 10, "subitems": 25}
_DEFAULT_LIMIT: Final = 25


class Costs:
    """Counts the points of one operation."""

    def __init__(
        self, document: DocumentNode, variables: dict[str, Any] | None, item_cost: int
    ) -> None:
        self._variables = variables or {}
        self._item_cost = item_cost
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }

    def of(self, operation: OperationDefinitionNode) -> int:
        """The points of the operation."""
        if operation.operation is ast.OperationType.MUTATION:
            return sum(
                self._item_cost if name in _ITEM_MUTATIONS else _OTHER_MUTATION
                for name in root_fields(operation)
                if name != "complexity"
            )
        return self._selections(operation.selection_set, 1)

    def _selections(self, selections: SelectionSetNode | None, times: int) -> int:
        if selections is None:
            return 0
        points = 0
        for node in selections.selections:
            if isinstance(node, FieldNode):
                number = times * self._count(node)
                points += number + self._selections(node.selection_set, number)
            elif isinstance(node, InlineFragmentNode):
                points += self._selections(node.selection_set, times)
            elif isinstance(node, FragmentSpreadNode):
                points += self._selections(self._fragments[node.name.value].selection_set, times)
        return points

    def _count(self, node: FieldNode) -> int:
        name = node.name.value
        arguments = {
            argument.name.value: value_from_ast_untyped(argument.value, self._variables)
            for argument in node.arguments
        }
        ids = arguments.get("ids")
        if name in _PAGES:
            return max(1, int(arguments.get("limit") or _DEFAULT_LIMIT))
        if name == "boards" or (name == "items" and arguments):  # not the items of a page
            limit = int(arguments.get("limit") or _DEFAULT_LIMIT)
            return max(1, min(limit, len(ids)) if isinstance(ids, list) else limit)
        if isinstance(ids, list):
            return max(1, len(ids))
        return _USUAL.get(name, 1)


def root_fields(operation: OperationDefinitionNode) -> tuple[str, ...]:
    """The names (not the aliases) of what an operation asks for at its root."""
    return tuple(
        node.name.value
        for node in operation.selection_set.selections
        if isinstance(node, FieldNode)
    )
