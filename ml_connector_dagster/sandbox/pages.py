"""How the sandbox's pages for people look: one style, light and dark, and the frame around the content."""

from html import escape
from typing import Final


_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b2430; --soft: #5d6b7c; --line: #dfe4ea; --paper: #f6f7f9;
  --card: #fff; --accent: #1f6feb; --good: #1a7f4b; --bad: #b42318; --mark: #fff3c4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa7b6; --line: #2c3542;
  --paper: #12161c; --card: #1a2029; --accent: #6ea8fe; --good: #58c48b; --bad: #ff8a7a; --mark: #4a3f14; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1440px; margin: 0 auto; padding: 28px 20px 64px; }
h1 { font-size: 23px; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 15px; margin: 0 0 10px; } h2 small { color: var(--soft); font-weight: 400; }
p { margin: 0; color: var(--soft); } nav { margin-top: 6px; color: var(--soft); }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
nav a { margin-right: 14px; white-space: nowrap; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px 18px; margin-top: 16px; overflow-x: auto; scroll-margin-top: 10px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; }
td, th { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
.number { text-align: right; }
code { font: 13px/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.none { color: var(--soft); font-style: italic; }
"""


def document(title: str, content: str, *, style: str = "", reload_seconds: int = 0) -> str:
    """A whole page. ``content`` and ``style`` are HTML and CSS; ``reload_seconds``: how often it asks again by itself."""
    again = f'<meta http-equiv="refresh" content="{reload_seconds}">' if reload_seconds else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{again}'
        f"<style>{_STYLE}{style}</style></head><body><main>{content}</main></body></html>"
    )
