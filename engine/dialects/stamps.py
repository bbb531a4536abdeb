"""Stamps: the commit id in a table's comment, behind whatever comment a person gave it."""

from __future__ import annotations

import re

_STAMP = re.compile(r"\s*\[engine commit ([\w.:-]+)\]\s*$")


def stamped(comment: str | None, commit_id: str) -> str:
    r"""Return the comment with this stamp instead of the one it may have.

    >>> stamped("Daily totals", "c1")
    'Daily totals\n[engine commit c1]'
    """
    own = own_comment(comment)
    return f"{own}\n[engine commit {commit_id}]" if own else f"[engine commit {commit_id}]"


def own_comment(comment: str | None) -> str:
    """Return what a person wrote: the comment without a stamp."""
    return _STAMP.sub("", comment or "")


def stamp_of(comment: str | None) -> str | None:
    """Return the stamp in a comment, if it has one."""
    match = _STAMP.search(comment or "")
    return match.group(1) if match else None
