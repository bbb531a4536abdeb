"""Failures: how an error reads on the terminal, and which exit status it means."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback

import click

from engine.errors import DefinitionError, EngineError, ExtensionError, InputError, RequestError, RunNotFoundError

DEBUG = "engine.debug"
_URLS = "engine.urls"
"""Keys of the click context's ``meta``: whether --debug was given, and the URLs whose passwords are secret."""

FAILED = 1
USED_WRONGLY = 2
INTERRUPTED = 130
"""128 + SIGINT, as shells count it."""


def status_of(error: BaseException) -> int:
    """Return the exit status of an error: 2 where the user can mend the call or the dataflow, otherwise 1."""
    mendable = (DefinitionError, RequestError, ExtensionError, RunNotFoundError)
    return USED_WRONGLY if isinstance(error, mendable) else FAILED


def report(error: Exception, *, debug: bool) -> int:
    """Print an error on stderr, with its stack trace if ``debug``; return the exit status."""
    if debug:
        click.echo(scrubbed("".join(traceback.format_exception(error))), err=True)
    if isinstance(error, EngineError):
        # The library's hint is about its own call; here inputs come from the settings.
        hint = "give inputs under [inputs] in the project's settings" if isinstance(error, InputError) else error.hint
        _print(error.message, hint)
    else:
        hint = "" if debug else "this is not your fault; see where it comes from with --debug, and please report it"
        _print(scrubbed(f"unexpected {type(error).__name__}: {error}"), hint)
    return status_of(error)


def report_usage(error: click.ClickException) -> int:
    """Print a fault of the command line."""
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"{error.ctx.command_path} --help"
    _print(_lowered(error.format_message()), hint)
    return USED_WRONGLY


def report_interrupt() -> int:
    """Say that Ctrl-C was heard."""
    _print("interrupted", "what was written before stands; run the same command again to go on")
    return INTERRUPTED


def remember_urls(*urls: str | None) -> None:
    """Have the passwords of these URLs kept out of everything that is printed from now on."""
    context = click.get_current_context()
    context.meta[_URLS] = (*context.meta.get(_URLS, ()), *(url for url in urls if url))


def masked(text: str) -> str:
    """Return a sentence of the engine's own without the passwords that the settings hold."""
    from engine.masking import MASK

    for secret in _secrets():
        text = text.replace(secret, MASK)
    return text


def scrubbed(text: str) -> str:
    """Return a text of unknown origin without those passwords, and without anything that looks like one."""
    from engine.dialects.secrets import scrub

    return scrub(text, _secrets())


def _secrets() -> list[str]:
    from engine.dialects.secrets import parse_url, secrets_of

    context = click.get_current_context(silent=True)
    found: list[str] = []
    for url in context.meta.get(_URLS, ()) if context else ():
        with contextlib.suppress(EngineError):  # what is no URL is reported by whoever opens it
            found += secrets_of(parse_url(url))
    return found


def colour() -> bool | None:
    """Return False where the user asked for no colours (https://no-color.org), otherwise None: decide by the stream."""
    return False if os.environ.get("NO_COLOR") else None


def _print(message: str, hint: str) -> None:
    sys.stdout.flush()
    click.echo(click.style("error: ", fg="red", bold=True) + masked(message), err=True, color=colour())
    if hint:
        click.echo(click.style("hint: ", fg="cyan") + masked(hint), err=True, color=colour())


def _lowered(sentence: str) -> str:
    """Return click's sentence as ours begin: in lower case, without a full stop."""
    return (sentence[:1].lower() + sentence[1:]).rstrip(".")
