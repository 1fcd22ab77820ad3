"""YAML text → plain values, each with its line. Only the safe part of YAML, with the plain types of YAML 1.2.

Differences from PyYAML's own loader, on purpose: ``on``, ``yes`` and ``no`` are words (so that ``on: friday`` is a
key), ``10:30`` is text and not 630, dates stay text, ``<<`` and tags are refused, a key given twice is a problem,
and nesting, aliases and size are bounded. Nothing is ever constructed from a tag.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ml_connector_dagster.config.problems import KeyPath, Place, Problem, shown


MAX_BYTES = 1_000_000
MAX_DEPTH = 24
MAX_ALIASES = 200
MAX_VALUES = 50_000

_STRING = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"
_BOOLEAN = "tag:yaml.org,2002:bool"
_INTEGER = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"

_DIGITS = tuple("-+.0123456789")
_PLAIN_TYPES = (
    (_NULL, r"^(?:~|null|Null|NULL|)$", (*"~nN", "")),
    (_BOOLEAN, r"^(?:true|True|TRUE|false|False|FALSE)$", tuple("tTfF")),
    (_INTEGER, r"^[-+]?[0-9]+$", _DIGITS),
    (_FLOAT, r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$", _DIGITS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file: its value (None when it cannot be used at all), where each part stands, what is wrong with it.

    ``texts`` keeps numbers as they were written: 007 is 7 to YAML, and 007 to a person.
    """

    value: object = None
    places: dict[KeyPath, Place] = field(default_factory=dict)
    texts: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class _Refused(yaml.MarkedYAMLError):
    """The document goes beyond what a configuration needs."""


class _Loader(yaml.SafeLoader):
    """Composes nodes, never objects; counts as it goes, so that a bomb is refused before it goes off."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  PyYAML's own way to hold them

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # not in the stubs
        if self.check_event(yaml.AliasEvent):
            self._aliases += 1
            if self._aliases > MAX_ALIASES:
                raise _Refused(
                    problem=f"more than {MAX_ALIASES} aliases (*); write the values out",
                    problem_mark=mark,
                )
        if self._depth >= MAX_DEPTH:
            raise _Refused(problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


for _tag, _pattern, _first in _PLAIN_TYPES:
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))


def read_document(path: Path) -> Document:
    """The document in ``path``; whatever is wrong is in ``problems``, nothing is raised."""
    file = str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        return _unusable(file, 1, f"cannot be read: {error.strerror or type(error).__name__}")
    if len(raw) > MAX_BYTES:
        return _unusable(
            file, 1, f"{len(raw):,} bytes; a configuration has at most {MAX_BYTES:,}: split it"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return _unusable(
            file, line, f"not UTF-8 (byte 0x{raw[error.start]:02X}); save the file as UTF-8"
        )
    return parse_document(text, file)


def parse_document(text: str, file: str) -> Document:
    """The document in ``text``; ``file`` is what problems call it."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        return _unusable(file, line, f"the character U+{int(error.character):04X} is not allowed")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _unusable(file, 1 if mark is None else mark.line + 1, _syntax_message(error))
    if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == _NULL):
        return _unusable(
            file, 1, "the file is empty; it needs connections: and flows: (see flows/sandbox.yaml)"
        )
    document = Document(places={(): Place(file=file, line=node.start_mark.line + 1)})
    try:
        value = _Walk(document, file).value(node, ())
    except _Refused as error:
        mark = error.problem_mark or node.start_mark
        return _unusable(file, mark.line + 1, _syntax_message(error))
    return Document(
        value=value, places=document.places, texts=document.texts, problems=document.problems
    )


def _unusable(file: str, line: int, message: str) -> Document:
    place = Place(file=file, line=line)
    return Document(places={(): place}, problems=[Problem(place=place, path=(), message=message)])


def _syntax_message(error: yaml.MarkedYAMLError) -> str:
    """PyYAML's words, never its snippet: the line may hold what nobody should see."""
    problem = error.problem or "not valid YAML"
    if isinstance(error, _Refused):
        return problem
    if "'\\t'" in problem:
        return "a tab; YAML takes only spaces for indentation"
    if isinstance(error, yaml.composer.ComposerError):
        if "single document" in (error.context or ""):
            return "a second document (---); one file holds one document"
        return problem if "alias" in problem else "an anchor (&) is used twice"
    context = f" ({error.context})" if error.context else ""
    return f"not valid YAML: {problem}{context}"


_HALF_CHARACTER = "half a character (\\uD800 to \\uDFFF); write the character itself"


def _joined(text: object) -> str | None:
    """PyYAML leaves a pair of escapes, which JSON writes for one character, as two halves. None for a lone half."""
    if not isinstance(text, str):
        return ""  # a list or block as a key: refused by its own name
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return None


class _Walk:
    """Turns nodes into values, noting places and problems on the way."""

    def __init__(self, document: Document, file: str) -> None:
        self._document = document
        self._file = file
        self._visited = 0

    def value(self, node: yaml.Node, path: KeyPath) -> object:
        """The plain value of ``node``. Counts visits, not nodes: an alias costs as much as what it stands for."""
        self._visited += 1
        if self._visited > MAX_VALUES or len(path) > MAX_DEPTH:
            raise _Refused(
                problem="its aliases (*) stand for too much; write the values out",
                problem_mark=node.start_mark,
            )
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return {key: self.value(child, (*path, key)) for key, child in self._items(node, path)}
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            for index, child in enumerate(node.value):
                self._document.places[(*path, index)] = self._place(child)
            return [self.value(child, (*path, i)) for i, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._problem(
            node, path, f"the tag {shown(node.tag)} is not used here; write a plain value"
        )
        return None

    def _items(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, yaml.Node]]:
        first: dict[str, int] = {}
        for key_node, child in node.value:
            key = _joined(key_node.value)
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node, path, "a key must be a single word")
            elif key is None:
                self._problem(key_node, path, _HALF_CHARACTER)
            elif key_node.tag != _STRING:
                self._problem(key_node, path, f'the key {key} must be text; write "{key}":')
            elif key == "<<":
                self._problem(
                    key_node,
                    path,
                    "merge keys (<<) are not used here; put shared values in defaults:",
                )
            elif key in first:
                self._problem(
                    key_node, (*path, key), f"given twice; the first is in line {first[key]}"
                )
            else:
                first[key] = key_node.start_mark.line + 1
                self._document.places[(*path, key)] = self._place(key_node)
                yield key, child

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> object:
        text = _joined(node.value)
        if text is None:
            self._problem(node, path, _HALF_CHARACTER)
            return None
        if node.tag == _STRING:
            return text
        if node.tag == _NULL:
            return None
        if node.tag == _BOOLEAN and text.casefold() in ("true", "false"):
            return text.casefold() == "true"
        if node.tag in (_INTEGER, _FLOAT):
            self._document.texts[path] = text
            try:
                return int(text) if node.tag == _INTEGER else float(text)
            except ValueError:  # a tag forced on something else, or thousands of digits
                self._problem(node, path, f"{shown(text)} cannot be read as a number")
                return None
        self._problem(
            node, path, f"the tag {shown(node.tag)} is not used here; write a plain value"
        )
        return None

    def _place(self, node: yaml.Node) -> Place:
        return Place(file=self._file, line=node.start_mark.line + 1)

    def _problem(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        self._document.problems.append(Problem(place=self._place(node), path=path, message=message))
