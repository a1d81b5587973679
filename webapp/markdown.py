"""Markdown of requesters as safe HTML: CommonMark with tables, no HTML of their own, and what
comes out cleaned by an allow-list.

Pictures are shown by content address only (`![a seven](ipfs://bafk…)`), from this server; any other
becomes its description. Headings begin below the page's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

from oracle.errors import FormatError
from oracle.evidence.codec import Link

_TAGS = {
    *("p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "strong", "em", "code", "pre", "blockquote"),
    *("ul", "ol", "li", "a", "img", "table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"a": {"href"}, "img": {"src", "alt"}, "ol": {"start"}}


@lru_cache(maxsize=64)  # long texts take seconds, and every visitor asks for them
def markdown(text: str) -> Markup:
    """Return Markdown as HTML that holds no script, style, form or foreign picture."""
    return Markup(clean(_READER.render(text)))


def clean(html: str) -> str:
    """Return HTML with what Markdown can say, and nothing else."""
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_kept,
        url_schemes={"https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


def _kept(tag: str, name: str, value: str) -> str | None:
    elsewhere = (tag, name) == ("img", "src") and not value.startswith("/pictures/")
    # Relative links of a stranger would lead into this page's own routes.
    inside = (tag, name) == ("a", "href") and not value.startswith(("https://", "mailto:"))
    return None if elsewhere or inside else value


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


def _lower_headings(state: Any) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.add_render_rule("image", _picture)
    reader.core.ruler.push("lower_headings", _lower_headings)
    return reader


_READER = _reader()
