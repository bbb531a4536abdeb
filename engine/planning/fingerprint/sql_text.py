"""SQL text: the form of a statement in which comments and white space do not count. Knows no dialect.

It keeps whatever it is not sure of, so two texts with one form always mean the same; two texts that mean the same may
have two forms, which costs at most a rebuild.
"""

from __future__ import annotations

import re

_TOKENS = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<comment>--[^\n]*|/\*(?!\+).*?\*/)
    | (?P<hint>/\*\+.*?\*/)              # to an optimiser it is no comment
    | (?P<dollar>\$(?P<tag>[^\W\d]\w*|)\$.*?\$(?P=tag)\$)
    | (?P<escaped>[eE]'(?:\\.|''|[^'\\])*')
    | (?P<quoted>[a-zA-Z&]*'(?:''|[^'])*'|"(?:""|[^"])*"|`(?:``|[^`])*`)
    | (?P<unclosed>['"`].*|/\*.*)
    | (?P<word>[\w.$@#]+)
    | (?P<operator>[-+*/<>=~!%^&|:?]+?(?=--|/\*|[^-+*/<>=~!%^&|:?]|$))
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_DOUBTFUL = re.compile(r"""(?<![eE])'[^']*\\'|/\*(?:(?!\*/).)*/\*""", re.DOTALL)
"""A backslash before a quote ends a text in one dialect and not in another; so it is with comments in comments."""


def normalise_sql(text: str) -> str:
    """Return a statement with its tokens one space apart and without its comments and closing semicolons.

    >>> normalise_sql("SELECT a , 'x -- y'  -- why" + chr(10) + "FROM t;")
    "SELECT a , 'x -- y' FROM t"
    """
    if _DOUBTFUL.search(text):
        return text.strip()
    tokens = [match.group() for match in _TOKENS.finditer(text) if match.lastgroup not in {"space", "comment"}]
    while tokens and tokens[-1] == ";":
        tokens.pop()
    return " ".join(tokens)
