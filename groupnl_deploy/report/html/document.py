"""A page as one file that needs nothing else: its parts, and the policy that lets in what is embedded alone. Pure.

Nothing is fetched: the content security policy allows the two styles and the two scripts that are embedded, each by its
digest, and nothing else. A page that goes on asking whom it came from may ask that one, and nobody else.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template

from groupnl_deploy.report.html.markup import Markup, element, escaped, joined
from groupnl_deploy.version import __version__

UPLOT = "Charts over time are drawn by uPlot 1.6.32 (MIT licence)."


@dataclass(frozen=True)
class Chapter:
    """A part of a page: the name that links use, its title, and what stands there."""

    name: str
    title: str
    body: Markup


@dataclass(frozen=True)
class Document:
    """A whole page, and its content security policy."""

    text: str
    policy: str


def document(
    brand: str,
    title: str,
    subtitle: object,
    chapters: Sequence[Chapter],
    footer: Markup,
    data: Markup,
    more_script: str = "",
    asks_home: bool = False,
) -> Document:
    """A page that ends with a newline.

    Args:
        brand: what made it, above the title.
        title: of the page and of its window.
        subtitle: below the title.
        chapters: those with nothing in them are left out.
        footer: at the end.
        data: JSON for charts.js; no `<` in it.
        more_script: of ours, that runs behind charts.js.
        asks_home: whether its script may ask the server that the page came from.
    """
    chapters = [chapter for chapter in chapters if chapter.body]
    style, vendor_style, vendor_script = map(
        own_file, ("style.css", "vendor/uPlot.min.css", "vendor/uPlot.iife.min.js")
    )
    script = own_file("charts.js") + more_script
    policy = _policy((vendor_style, style), (vendor_script, script), asks_home)
    text = Template(own_file("page.html")).substitute(
        policy=escaped(policy),
        version=escaped(__version__),
        brand=escaped(brand),
        title=escaped(title),
        subtitle=joined(subtitle),
        style=style,
        vendor_style=vendor_style,
        skip=_skip(chapters),
        nav=joined(element("a", chapter.title, href=f"#{chapter.name}") for chapter in chapters),
        main=joined(map(_section, chapters)),
        footer=footer,
        data=data,
        vendor_script=vendor_script,
        script=script,
    )
    return Document(text, policy)


@cache
def own_file(name: str) -> str:
    """A file of this package, as text."""
    return (files(__package__) / name).read_text(encoding="utf-8")


def commands(title: str, *lines: str) -> Markup:
    """Commands to copy, with a sentence above; nothing where there are none."""
    shown = [element("pre", element("code", line), tabindex="0") for line in lines]
    return joined(element("p", title, class_="small"), shown) if lines else Markup("")


def _skip(chapters: Sequence[Chapter]) -> Markup:
    """The link that the first Tab finds."""
    return joined(
        element("a", f"Skip to the {chapter.title.lower()}", class_="skip", href=f"#{chapter.name}")
        for chapter in chapters[:1]
    )


def _section(chapter: Chapter) -> Markup:
    heading = element("h2", chapter.title, id=f"h-{chapter.name}")
    return element("section", heading, chapter.body, id=chapter.name, aria_labelledby=f"h-{chapter.name}")


def _policy(styles: Sequence[str], scripts: Sequence[str], asks_home: bool) -> str:
    allowed = {"style-src": styles, "script-src": scripts}
    said = [f"{kind} {' '.join(map(_digest, texts))}" for kind, texts in allowed.items()]
    home = ["connect-src 'self'"] if asks_home else []
    return "; ".join(["default-src 'none'", *said, *home, "base-uri 'none'", "form-action 'none'"])


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
