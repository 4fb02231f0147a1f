"""HTML and Markdown made into plain text. What they lay out becomes a pause (`clean.BREAK`)."""

from __future__ import annotations

import re

from gateway.text.clean import BREAK, LINK, Notes, take_url, without_entities, without_urls

_HTML_NAMES = (
    "a|abbr|address|article|audio|b|big|blockquote|body|br|button|caption|center|cite|code|dd|del|div|dl|dt|em|figure|"
    "font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|kbd|label|li|link|main|mark|meta|nav|ol|option|p|"
    "pre|q|s|script|section|select|small|span|strike|strong|style|sub|sup|svg|table|tbody|td|textarea|tfoot|th|thead|"
    "title|tr|u|ul|video|wbr"
)
_HTML_TAG = re.compile(rf"</?(?:{_HTML_NAMES})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_INVISIBLE = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[|\]\]>|<[!?][^<>]*>"
    r"|<(script|style|head|title|template|svg|iframe|noscript)\b[^<>]*>.*?(?:</\1\s*>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(r"<(/?)([A-Za-z][\w:.-]{0,40})((?:\"[^\"]{0,2000}\"|'[^']{0,2000}'|[^<>\"'])*)>")
_HREF = re.compile(r"\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)
_BREAKING = re.compile(
    r"br|p|li|ul|ol|div|h[1-6]|hr|tr|table|thead|tbody|blockquote|section|article|header|footer|dt|dd|dl|pre|address|"
    r"option|figure|caption|form|body|main|nav"
)

_FENCE = re.compile(r"^ {0,3}(?:```|~~~)[^\n]*$", re.MULTILINE)
_IMAGE = re.compile(r"!\[([^\[\]]*)\]\([^()\s]*(?:\s+\"[^\"]*\")?\)")
_MD_LINK = re.compile(r"\[([^\[\]]+)\]\(\s*<?((?:[^()\s<>]|\([^()\s]*\))*)>?(?:\s+[\"'][^\"']*[\"'])?\s*\)")
_REFERENCE = re.compile(r"\[([^\[\]]+)\]\[[^\[\]]*\]")
_DEFINITION = re.compile(r"^ {0,3}\[[^\[\]]+\]:\s*<?(\S+?)>?(?:\s+[\"'(].*)?$", re.MULTILINE)
_FOOTNOTE = re.compile(r"\[\^[^\[\]\s]+\]:?")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^<>\s]+|[^<>\s@]+@[^<>\s@]+\.[^<>\s@]+)>")
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.*?)[ \t]*#*$")
_RULE = re.compile(r"^ {0,3}(?:(?:[-*_][ \t]*){3,}|=+|-+)$")
_QUOTE = re.compile(r"^ {0,3}(?:>[ ]?)+")
_ITEM = re.compile(r"^[ \t]*(?:[-*+•‣◦▪–][ \t]+(?:\[[ xX]\][ \t]+)?|(?=\d{1,3}[.)][ \t]))")
_TABLE_LINE = re.compile(r"^[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*$")
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|>~<])")
_HIDDEN = 0xE000  # escaped signs wait in the private use area, which no text has at this point
_HIDDEN_SIGN = re.compile("[\ue000-\ue07f]")
_STRONG = re.compile(r"\*{2,}(?<!\d\*\*(?=\d))|(?<!\w)_{2,}|_{2,}(?!\w)|~~|`+")
_EMPHASIS = re.compile(
    r"(?<![\w*])\*(?=[^\s*])([^*]{1,500}?)(?<=\S)\*(?![\w*])|(?<![\w_])_(?=[^\s_])([^_]{1,500}?)(?<=\S)_(?![\w_])"
)


def has_tags(text: str) -> bool:
    """Whether a text has HTML in it; ``5 < 6`` has not."""
    return _HTML_TAG.search(text) is not None


def from_html(text: str, notes: Notes) -> str:
    """Drop the tags: paragraphs, items and line breaks become pauses, links their text, scripts nothing."""
    text = _INVISIBLE.sub(" ", text)
    laid_out = any(_BREAKING.fullmatch(tag[2].lower()) for tag in _TAG.finditer(text))
    if laid_out:
        text = text.replace("\n", " ")

    def replace(tag: re.Match[str]) -> str:
        name = tag[2].lower()
        if name == "a" and (href := _HREF.search(tag[3])):
            take_url(without_entities(href[1] or href[2] or href[3] or ""), notes)
        if _BREAKING.fullmatch(name):
            return BREAK
        return ", " if name in ("td", "th") and tag[1] else ""

    text = re.sub(rf"[, ]*{BREAK}", BREAK, _TAG.sub(replace, text))
    return _inline(text if laid_out else _blocks(text), notes)


def from_markdown(text: str, notes: Notes) -> str:
    """Drop the marks: headings, items and table rows become sentences of their own, links their text."""

    def definition(match: re.Match[str]) -> str:
        return "" if take_url(match[1], notes) else match[0]

    return _inline(_blocks(_FENCE.sub("", _DEFINITION.sub(definition, text))), notes)


def _blocks(text: str) -> str:
    """Lines to running text. A line goes on into the next one only if that begins in lower case."""
    lines = text.split("\n")
    out: list[str] = []
    open_line = False
    header: list[str] | None = None
    for index, line in enumerate(lines):
        line = _QUOTE.sub("", line)
        following = lines[index + 1] if index + 1 < len(lines) else ""
        if "|" in line and (header is not None or ("|" in following and _TABLE_LINE.match(following))):
            out += [BREAK, "" if header is None else _row(header, line)]
            header, open_line = (_cells(line) if header is None else header), False
            continue
        header = None
        content = _HEADING.sub(r"\1", _ITEM.sub("", line)).strip()
        if not content or _RULE.match(line):
            open_line = False
        elif open_line and content[0].islower() and not _ITEM.match(line):
            out += [" ", content]
        else:
            out += [BREAK, content]
            open_line = not _HEADING.match(line)
    return "".join(out)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _row(header: list[str], line: str) -> str:
    """A table's row as a sentence: each cell under the name of its column."""
    if _TABLE_LINE.match(line):
        return ""
    cells = _cells(line)
    names = [*header, *[""] * len(cells)]
    return ", ".join(f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=False) if cell)


def _inline(text: str, notes: Notes) -> str:
    def link(match: re.Match[str]) -> str:
        label, url = match[1], match[2]
        known = take_url(url, notes)
        return LINK if known and _same_address(label, url) else label

    def bare(match: re.Match[str]) -> str:
        return LINK if take_url(match[1], notes) else match[1].removeprefix("mailto:")

    text = _ESCAPED.sub(lambda match: chr(_HIDDEN + ord(match[1])), text)
    text = _REFERENCE.sub(r"\1", _FOOTNOTE.sub("", _MD_LINK.sub(link, _IMAGE.sub(r"\1", text))))
    text = without_urls(_AUTOLINK.sub(bare, text), notes)
    text = _EMPHASIS.sub(lambda match: match[1] or match[2], _STRONG.sub("", text))
    return without_entities(_HIDDEN_SIGN.sub(lambda match: chr(ord(match[0]) - _HIDDEN), text))


def _same_address(label: str, url: str) -> bool:
    def bare(address: str) -> str:
        return re.sub(r"^(?:https?://)?(?:www\.)?", "", address.strip().lower()).rstrip("/")

    return bare(label) == bare(url) or "://" in label
