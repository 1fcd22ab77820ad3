"""The page on product lines: its catalogs can be used as they stand, and it has a section for every line."""

import re
from pathlib import Path

import pytest
import yaml

from ml_connector_dagster.cloudsuite.product_lines.registry import PRODUCT_LINES, registered


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "product-lines.md"
CATALOGS = re.findall(
    r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)


@pytest.mark.parametrize("text", CATALOGS)
def test_an_example_can_be_laid_over_the_built_in_catalog(text: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    line = yaml.safe_load(text)["product_line"]
    assert registered(line).catalog(file) != registered(line).catalog(None)


def test_every_line_is_there() -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = {yaml.safe_load(text)["product_line"] for text in CATALOGS}
    assert shown | {"m3"} == set(PRODUCT_LINES)
    assert all(f"| `{line}` |" in page for line in PRODUCT_LINES)
