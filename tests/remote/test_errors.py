"""The tree of errors as its docstring draws it, and the faults of an agent in it."""

import errno
import re
from pathlib import Path

import pytest

from device_agent.disk import refusal
from device_agent.errors import AgentError
from device_agent.messages.greeting import AgentFault
from device_agent.native_choice import CannotRunNative
from groupnl_deploy import errors
from groupnl_deploy.errors import (
    DeviceBusy,
    DeviceFault,
    DiskFull,
    GroupNLError,
    NoNativeLibrary,
    NotAccepted,
    UsageError,
    VerificationFailed,
)
from groupnl_deploy.remote.client import fault_error


def subclasses(kind: type) -> list[type]:
    return [kind, *(below for child in kind.__subclasses__() for below in subclasses(child))]


def test_the_picture_shows_each_error_its_exit_code_and_whether_it_is_transient() -> None:
    drawn = re.findall(r"^ {4}[│├└─ ]*(\w+) +(\d)( ↻)?", errors.__doc__ or "", re.MULTILINE)
    pictured = {name: (int(code), bool(mark)) for name, code, mark in drawn}
    kinds = [kind for kind in subclasses(GroupNLError) if kind.__module__ == errors.__name__]
    assert pictured == {kind.__name__: (kind.exit_code, kind.transient) for kind in kinds}


# What `AgentFault` says beyond the kinds of `AgentError`.
_OTHER_CODES = ("disk_full", "storage", "internal")
_KINDS = {
    "bad_request": UsageError,
    "digest_mismatch": VerificationFailed,
    "disk_full": DiskFull,
    "busy": DeviceBusy,
    "runtime_too_old": NotAccepted,
    "native_damaged": VerificationFailed,
    "native_no_library": NoNativeLibrary,
    **dict.fromkeys(("native_32_bit", "native_libc", "native_instructions", "native_block"), UsageError),
    **dict.fromkeys(("native_operators", "native_threads"), UsageError),
}
# In the docstring, for one class has them all.
_NATIVE_CODES = re.findall(r"native_\w+", CannotRunNative.__doc__ or "")


@pytest.mark.parametrize("code", [*(kind.code for kind in subclasses(AgentError)), *_OTHER_CODES, *_NATIVE_CODES])
def test_a_fault_of_the_agent_is_transient_only_while_the_device_is_busy(code: str) -> None:
    error = fault_error(AgentFault(code, "What happened.", "What to do."), "pi")
    assert type(error) is _KINDS.get(code, DeviceFault)
    assert error.transient == (code == "busy")
    assert (error.message, error.remedy) == ("pi: What happened.", "What to do.")


def test_the_remedy_of_a_full_disk_names_the_device(tmp_path: Path) -> None:
    full = refusal(OSError(errno.ENOSPC, "full"), tmp_path)
    assert "`groupnl device prune pi`" in fault_error(AgentFault(full.code, str(full), full.remedy), "pi").remedy
