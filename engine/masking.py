"""Masking: a text without the passwords of the URLs in it.

It stands on the lowest floor, so that whatever shows a value of the user's can show it masked. What is known to be
secret, and what only looks like it outside of URLs, is the business of `engine.dialects.secrets`.
"""

from __future__ import annotations

import re

MASK = "***"

_USER_INFO = re.compile(r"(\b[\w+.-]+://[^\s:/@]*):[^\s@/]*(?:@|%40(?=[^\s@]*@))")


def masked(text: str) -> str:
    """Return ``text`` with the password of every URL in it masked.

    >>> masked("postgresql://ann:s3cr3t@db/shop")
    'postgresql://ann:***@db/shop'
    """
    return _USER_INFO.sub(rf"\1:{MASK}@", text)
