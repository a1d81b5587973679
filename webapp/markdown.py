"""Markdown of requesters as safe HTML: CommonMark with tables, and no HTML of their own.

Pictures are shown by content address only (`![a seven](ipfs://bafk…)`), from this server; any other
becomes its description. Headings begin below the page's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

from oracle.errors import FormatError
from oracle.evidence.codec import Link


def markdown(text: str) -> Markup:
    """Return Markdown as HTML that holds no script, style, form or foreign picture."""
    return Markup(_READER.render(text))


def _picture(
    self: RendererHTML, tokens: Sequence[Token], at: int, options: Any, environment: Any
) -> str:
    token = tokens[at]
    described = self.renderInlineAsText(token.children or [], options, environment)
    try:
        link = Link.parse(str(token.attrs["src"]).removeprefix("ipfs://"))
    except FormatError:
        return str(escape(described))
    return str(Markup('<img src="/pictures/{}" alt="{}">').format(str(link), described))


def _link(
    self: RendererHTML, tokens: Sequence[Token], at: int, options: Any, environment: Any
) -> str:
    target = str(tokens[at].attrs["href"])
    if not target.startswith(("https://", "mailto:")):
        return "<a>"
    return str(Markup('<a href="{}" rel="noopener noreferrer nofollow">').format(target))


def _lower_headings(state: Any) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.add_render_rule("image", _picture)
    reader.add_render_rule("link_open", _link)
    reader.core.ruler.push("lower_headings", _lower_headings)
    return reader


_READER = _reader()
