"""XML from outside, parsed so that it can do nothing: no entities, no DTD, no network, no giant trees.

Namespaces are dropped: mappings name elements as the vendor's documents call them, whatever release they are of.
"""

from typing import Any, Final

from ml_connector_dagster.model.errors import MissingDriverError, RejectedError


#: The most bytes of one document; a large purchase order has a few hundred kilobytes.
MAX_BYTES: Final = 32 * 1024 * 1024


def parse(content: bytes) -> Any:
    """The root element. Raises RejectedError for what is not well-formed, too large, or has a document type."""
    try:
        from lxml import etree
    except ImportError as error:
        raise MissingDriverError("lxml", "bods") from error
    if len(content) > MAX_BYTES:
        raise RejectedError(
            f"the document has {len(content):,} bytes; at most {MAX_BYTES:,} are read"
        )
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        load_dtd=False,
        dtd_validation=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise RejectedError(f"not well-formed XML: {error}") from None
    if root.getroottree().docinfo.doctype:
        raise RejectedError("the document has a DOCTYPE; business object documents have none")
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = etree.QName(element).localname
    return root


def text_at(element: Any, path: str) -> str | None:
    """What ``path`` finds first: its text, "" when it is there and empty, None when it is not there.

    Raises RejectedError for a path that is no XPath.
    """
    found = _found(element, path)
    if isinstance(found, str | float):
        return str(found) or None
    if not found:
        return None
    first = found[0]
    return str(first) if isinstance(first, str) else "".join(first.itertext()).strip()


def elements_at(element: Any, path: str) -> list[Any]:
    """The elements that ``path`` finds. Raises RejectedError for a path that finds something else, or is no XPath."""
    found = _found(element, path)
    if not isinstance(found, list) or any(isinstance(one, str) for one in found):
        raise RejectedError(f"the path {path!r} of the mapping finds no elements")
    return found


def _found(element: Any, path: str) -> Any:
    from lxml import etree

    try:
        return element.xpath(path)
    except etree.XPathError as error:
        raise RejectedError(f"the path {path!r} of the mapping is no XPath: {error}") from None
