"""HTML from parts, so that no text of a file or a device is ever taken for markup. Pure.

What is not `Markup` is escaped wherever it is put. Only `element` makes markup of texts, and no attribute that holds
code or style can be given: the page's content security policy would refuse it anyway.
"""

import html
from collections.abc import Iterable

from groupnl_deploy.words import harmless

_VOID = ("input", "br", "hr", "wbr")  # they have no end tag in HTML
_EMPTY = (*_VOID, "path", "rect", "circle", "line")
_NO_TEXT = ("style", "srcdoc", "href", "src", "xlink")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """The text as it can stand between tags and in an attribute; control codes are replaced."""
    return text if isinstance(text, Markup) else Markup(html.escape(harmless(text)))


def joined(*children: object) -> Markup:
    """Markup, texts and lists of them, one after another; None is nothing."""
    return Markup("".join(_parts(children)))


def element(tag: str, /, *children: object, **attributes: object) -> Markup:
    """One element.

    Args:
        tag: its name.
        children: what it holds; texts are escaped.
        attributes: `class_` and `for_` lose their underscore, another one becomes a hyphen. True is an attribute
            without a value, None and False are none.

    Raises `ValueError` for an attribute that could hold code, a style or an address, but for one within the page.
    """
    said = "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in _EMPTY and not children:
        return Markup(f"<{tag}{said}>") if tag in _VOID else Markup(f"<{tag}{said}/>")
    return Markup(f"<{tag}{said}>{joined(*children)}</{tag}>")


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    within = name == "href" and str(value).startswith("#")
    if name.startswith("on") or (name in _NO_TEXT and not within):
        raise ValueError(f"no element of a report has the attribute {name}")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escaped(str(value))}"'


def _parts(children: Iterable[object]) -> Iterable[str]:
    for child in children:
        if isinstance(child, str):
            yield escaped(child)
        elif isinstance(child, Iterable):
            yield from _parts(child)
        elif child is not None:
            raise TypeError(f"{type(child).__name__} is no part of a page")
