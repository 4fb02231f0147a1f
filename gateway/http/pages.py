"""Pages for people, made on the server: nothing fetched from elsewhere, readable without colours.

All but the page that calls do without scripts; that one has its script as a file of ours, and none within the page.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from starlette.responses import HTMLResponse, Response

STYLE = files("gateway.http").joinpath("console.css").read_text(encoding="utf-8")
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='%230b6e69'/%3E"
    "%3Cpath d='M4 6v4M8 3v10M12 6v4' stroke='white' stroke-width='2' stroke-linecap='round'/%3E%3C/svg%3E"
)


def _policy(style: str, *, has_script: bool) -> str:
    """What the browser may load: this very style, and for a page with a script, our own files and requests."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    scripts = "script-src 'self'; connect-src 'self'; " if has_script else ""
    return (
        f"default-src 'none'; {scripts}style-src 'sha256-{digest}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


POLICY = _policy(STYLE, has_script=False)


@dataclass(frozen=True, slots=True)
class Markup:
    """Text that is HTML already. Everything else is escaped where it is put into a page."""

    text: str


def escaped(value: Any) -> str:
    """A value as HTML."""
    return value.text if isinstance(value, Markup) else html.escape(str(value))


def pill(text: str, mood: str = "") -> Markup:
    """A word that stands out; ``mood``: good, bad, or neither."""
    return Markup(f'<span class="pill {html.escape(mood)}">{html.escape(text)}</span>')


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading, and the class of its cells."""

    name: str
    style: str = ""


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[Any]], *, empty: str) -> str:
    """A table whose first cells are the headings of their rows; a sentence where there are no rows."""
    body = "".join(_row(columns, row) for row in rows)
    if not body:
        return f'<div class="sheet"><p>{html.escape(empty)}</p></div>'
    head = "".join(f'<th scope="col" class="{column.style}">{html.escape(column.name)}</th>' for column in columns)
    return (
        f'<div class="sheet" tabindex="0"><table><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(columns: Sequence[Column], row: Sequence[Any]) -> str:
    styles = [column.style for column in columns]
    first = f'<th scope="row" class="{styles[0]}">{escaped(row[0])}</th>'
    rest = "".join(f'<td class="{style}">{escaped(cell)}</td>' for style, cell in zip(styles[1:], row[1:], strict=True))
    return f"<tr>{first}{rest}</tr>"


def tiles(facts: Sequence[tuple[str, Any]]) -> str:
    """A few facts, large."""
    found = "".join(
        f'<div><dt>{html.escape(name)}</dt><dd class="{"long" if len(escaped(value)) > 10 else ""}">'
        f"{escaped(value)}</dd></div>"
        for name, value in facts
    )
    return f'<dl class="tiles">{found}</dl>'


def page(
    title: str, body: str, *, status: int = 200, refresh: int = 0, style: str = "", script: str | None = None
) -> Response:
    """A whole page.

    Args:
        body: HTML of what stands in the page's body.
        refresh: Seconds after which the browser asks again; 0: never.
        style: Added to the style of all pages.
        script: Address of the page's script, as seen from the page.
    """
    whole = STYLE + style
    run = f'<script type="module" src="{html.escape(script)}"></script>' if script else ""
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    policy = _policy(whole, has_script=script is not None)
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title>"
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{again}'
        f'<link rel="icon" href="{ICON}"><style>{whole}</style>{run}</head><body>{body}</body></html>'
    )
    return HTMLResponse(text.encode(errors="replace"), status, {"content-security-policy": policy})
