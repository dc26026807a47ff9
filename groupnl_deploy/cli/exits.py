"""Errors of all four packages → what the user reads and the exit code.

=====  ==========================================
code   meaning
=====  ==========================================
0      ok
1      anything else, Ctrl-C included
2      usage: a word, option or file is wrong
3      device or meter unreachable
4      verification failed: a digest differs
5      parity failed: two models that must agree do not
6      measurement invalid
7      a comparison shows that a rule (--fail-if) is broken
126    the command of `power run` is no program
127    the command of `power run` is not found
=====  ==========================================

A command of `power run` that fails lends its own code, whatever that is; its document has `exit_code` and `valid`.

Of several failures the gravest has the word: what must not be trusted (4, 5, 6) before a rule that is broken (7),
before what is not reached or not ready (3), before everything else that failed (1), before a wrong word of the user's
(2).
"""

import errno
import functools
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import typer

import exporters.errors as export_errors
import power.errors as power_errors
from device_agent.settings import SettingError
from groupnl_deploy.cli import console
from groupnl_deploy.cli.debug import debugging
from groupnl_deploy.errors import GroupNLError, Stopped, option_name, says_no_memory
from groupnl_deploy.interrupt import forget_interrupt, terminate_as_interrupt
from groupnl_deploy.models.own import CodeChanged
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.training.launch import follows, tells
from groupnl_deploy.words import naming, sentence

P = ParamSpec("P")
R = TypeVar("R")

_GRAVEST_FIRST = (4, 5, 6, 7, 3, 1, 2)

# Looked up from the most special class to the most general.
_CODES: dict[type[Exception], int] = {
    power_errors.MeterUnreachable: 3,
    power_errors.MeterProtocolError: 3,
    power_errors.WindowNotCovered: 6,
    power_errors.SampleGap: 6,
    power_errors.MeterTooFast: 6,
    power_errors.HostSlept: 6,
    power_errors.TraceNotWritten: 1,
    power_errors.PowerError: 2,
    export_errors.ParityError: 5,
    export_errors.ArtifactDamaged: 4,
    export_errors.NotAnArtifact: 2,
    export_errors.ExportError: 1,
}
_STARTS_OVER = "Run the command again; it starts over. Nothing half-written was left."
_SENDS_THE_REST = "Run the command again: it sends only what has not arrived."
_GOES_ON = "Nothing half-written was left; the same command goes on with what was finished."
_REPORT_IT = "Run again with --debug for the details; if it looks like our mistake, please report it with them."

# What the system refuses for reasons that a user can see to.
_YOURS_TO_MEND = {
    errno.EACCES: "Give yourself the permission, or use another place.",
    errno.EPERM: "Give yourself the permission, or use another place.",
    errno.EROFS: "Use a place on a disk that is not read-only.",
    errno.ENOENT: "Check the path; something else may have removed it.",
    errno.ENOTDIR: "Check the path: a part of it is a file.",
    errno.EISDIR: "Name a file there, not a folder.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EIO: "See to that disk, or use another place.",
}


@dataclass(frozen=True)
class Explanation:
    """What the user reads, and the exit code."""

    message: str
    remedy: str
    exit_code: int


def explain(error: BaseException, when_stopped: str = _STARTS_OVER) -> Explanation:
    """The explanation of any error, known or not; `when_stopped` is the remedy for Ctrl-C."""
    if isinstance(error, GroupNLError):
        return Explanation(error.message, error.remedy, error.exit_code)
    if isinstance(error, power_errors.PowerError | export_errors.ExportError):
        code = next(code for kind, code in _CODES.items() if isinstance(error, kind))
        return Explanation(error.message, error.remedy, code)
    if isinstance(error, SettingError):
        return Explanation(*error.worded(option_name), 2)
    if isinstance(error, InvalidSpec):
        return Explanation(f"{sentence(error.problem)}.", error.remedy, 4 if isinstance(error, CodeChanged) else 2)
    if isinstance(error, KeyboardInterrupt):
        return Explanation("Stopped.", error.remedy if isinstance(error, Stopped) else when_stopped, 1)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        holds = error.filename or "the output, or temporary files,"
        return Explanation(
            f"The disk that holds {holds} is full.", "Free some space there, then run the command again.", 1
        )
    if says_no_memory(error):
        return Explanation("Memory ran out.", "Close other programs, or use a smaller network or recording.", 1)
    if isinstance(error, OSError) and error.filename is not None and error.errno in _YOURS_TO_MEND:
        said = (error.strerror or str(error)).lower()
        return Explanation(f"Cannot use {error.filename}: {said}.", _YOURS_TO_MEND[error.errno], 1)
    return Explanation(f"{type(error).__name__}: {error}", _REPORT_IT, 1)


def gravest(exit_codes: Iterable[int]) -> int:
    """The exit code of a command that did several things; 0 where none of them failed."""
    return min((code for code in exit_codes if code), key=_GRAVEST_FIRST.index, default=0)


def show_failure(error: BaseException, device: str) -> None:
    """What went wrong on one of several devices, which is named; with `--debug` the traceback, too."""
    explanation = explain(error)
    if debugging():
        console.show_traceback(error)
    console.show_error(naming(device, explanation.message), explanation.remedy)


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Wrap a command: its errors become two sentences and an exit code; `--debug` shows the traceback too."""
    return _guarded(command, _STARTS_OVER)


def resuming(command: Callable[P, R]) -> Callable[P, R]:
    """`guarded`, for a command that goes on where Ctrl-C stopped it."""
    return _guarded(command, _GOES_ON)


def sending(command: Callable[P, R]) -> Callable[P, R]:
    """`guarded`, for a command that sends what it sends only once."""
    return _guarded(command, _SENDS_THE_REST)


def _guarded(command: Callable[P, R], when_stopped: str) -> Callable[P, R]:
    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with terminate_as_interrupt(), console.narrowness_told_once():
                return command(*args, **kwargs)
        except typer.Exit:
            raise
        except BrokenPipeError:
            # The reader of our output left (`| head`): not an error, and nothing more can be said to it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except (Exception, KeyboardInterrupt) as error:
            explanation = explain(error, when_stopped)
            if debugging():
                console.show_traceback(error)
            if not (isinstance(error, KeyboardInterrupt) and follows()) and tells():
                console.show_error(explanation.message, explanation.remedy)
            forget_interrupt()
            raise typer.Exit(explanation.exit_code) from error

    return wrapper
