"""Which library and which model file run on a machine, and what each refusal says."""

import re
from dataclasses import replace
from typing import Any

import pytest

from device_agent.machine import Machine, block_of, libc_of, this_machine
from device_agent.manifest import NativeModel, NativeOperators
from device_agent.native import NativeLibrary
from device_agent.native_choice import CannotRunNative, choose, release

X86 = Machine("linux", "x86_64", 64, "glibc", "2.36", 16)
PI = Machine("linux", "aarch64", 64, "glibc", "2.36", 0)
LIBRARIES = [
    NativeLibrary("a" * 64, 5, "linux", "x86_64", "glibc", "2.17", 1, "1.15.1"),
    NativeLibrary("b" * 64, 5, "linux", "aarch64", "glibc", "2.17", 1, "1.15.1"),
]
OF_16 = NativeModel("model.onnx", 16, "1.20.1", "1.32.0")
OF_8 = NativeModel("model-8.onnx", 8, "1.20.1", "1.32.0")
PLAIN = NativeModel("model-plain.onnx", 0, "1.15.1", None, "1.17.0")


def chosen(machine: Machine = X86, runtime: str | None = "1.32.0", threads: int = 1, **changes: Any) -> str:
    """The file that runs; changes are of the record."""
    native = NativeOperators("groupnl.native", 1, {"Depthwise": 1}, (OF_16, OF_8, PLAIN))
    choice = choose(replace(native, **changes), LIBRARIES, machine, runtime, threads)
    assert choice.library.machine == machine.machine
    return choice.model.file


def test_the_first_model_file_of_the_machines_block_runs() -> None:
    assert chosen() == "model.onnx"
    assert chosen(replace(X86, block=8)) == "model-8.onnx"
    assert chosen(replace(X86, block=0)) == chosen(PI) == "model-plain.onnx"


@pytest.mark.parametrize("runtime", ["1.19.2", "1.32.1", "1.33.0.dev20261101", "1.15.1"])
def test_a_runtime_outside_a_range_gets_the_model_file_of_every_runtime(runtime: str) -> None:
    assert chosen(runtime=runtime) == "model-plain.onnx"


def test_the_ends_of_a_range_are_in_it() -> None:
    assert chosen(runtime="1.20.1") == "model.onnx"
    of_any_patch = replace(OF_16, newest_runtime="1.32")
    assert chosen(runtime="1.32.7", models=(of_any_patch, PLAIN)) == "model.onnx"


def test_where_the_runtime_is_not_known_it_is_not_judged() -> None:
    assert chosen(runtime=None, threads=4) == "model.onnx"


def test_what_has_one_thread_is_not_for_several() -> None:
    serial = replace(OF_16, one_thread_below="1.32.0")
    assert chosen(runtime="1.24.4", models=(serial, PLAIN), threads=1) == "model.onnx"
    assert chosen(runtime="1.24.4", models=(serial, PLAIN), threads=2) == "model-plain.onnx"
    assert chosen(runtime="1.32.0", models=(serial, PLAIN), threads=2) == "model.onnx"


MAC = Machine("macos", "arm64", 64, None, None, 0)
HELD = replace(X86, block=0, held_to="avx2")
MUSL, OTHER_LIBC = replace(X86, libc="musl", libc_version=None), replace(X86, libc=None)
GENERIC = "--target generic"
REFUSALS: list[tuple[str, dict[str, Any], str, str]] = [
    ("native_32_bit", {"machine": replace(PI, bits=32)}, "Python here is a 32-bit program", "64-bit system"),
    ("native_libc", {"machine": MUSL}, "this system has musl", "Debian"),
    ("native_libc", {"machine": OTHER_LIBC}, "another C library", "Debian"),
    ("native_libc", {"machine": replace(X86, libc_version="2.9")}, "glibc 2.17 or newer, and this is 2.9", "newer"),
    ("native_no_library", {"machine": MAC}, "macos on arm64", "native/build.py --target macos-arm64 does; or export"),
    ("native_no_library", {"machine": replace(PI, machine="riscv64")}, "on riscv64", "^Export with --optimize full"),
    ("native_operators", {"version": 2}, "version 2 of groupnl.native, and the library has version 1", "Update"),
    ("native_old_runtime", {"runtime": "1.14.1"}, "1.15.1 or newer, and the device has 1.14.1", "newer onnxruntime"),
    ("native_instructions", {"machine": PI, "models": (OF_16, OF_8)}, "AVX-512 or AVX2 with FMA, and", "--target rpi4"),
    ("native_instructions", {"machine": MAC, "models": (OF_16, OF_8)}, "AVX-512 or", "--target rpi4"),  # builds nothing
    ("native_instructions", {"machine": replace(X86, block=0), "models": (OF_16, OF_8)}, "has none of them", GENERIC),
    (
        "native_instructions",
        {"machine": HELD, "models": (OF_16, OF_8)},
        "GROUPNL_NATIVE_ISA is avx2, .*16 or 8",
        "^Unset",
    ),
    ("native_block", {"models": (OF_8,)}, "blocks of 8, .*with AVX-512, needs blocks of 16", GENERIC),
    ("native_block", {"machine": replace(X86, block=8), "models": (OF_16,)}, "needs blocks of 8", GENERIC),
    (
        "native_runtime",
        {"runtime": "1.33.0", "models": (OF_16,)},
        "1.20.1 to 1.32.0, and the device has 1.33",
        "Install onnxruntime 1.32.0 .*--target generic",
    ),
    ("native_runtime", {"runtime": "1.16.3", "models": (OF_16,)}, "device has 1.16.3", "1.32.0 .*--target rpi4"),
    ("native_threads", {"runtime": "1.16.3", "threads": 4}, "one thread in ONNX Runtime 1.16.3, and 4", "1.17.0 or"),
]


@pytest.mark.parametrize(("code", "about", "words", "remedy"), REFUSALS)
def test_each_refusal_has_a_code_a_sentence_and_a_remedy(
    code: str, about: dict[str, Any], words: str, remedy: str
) -> None:
    with pytest.raises(CannotRunNative, match=words) as caught:
        chosen(**about)
    assert caught.value.code == code
    assert re.search(remedy, caught.value.remedy), caught.value.remedy


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("1.15.1", (1, 15, 1)), ("1.33.0.dev2026", (1, 33, 0)), ("1.20.0+cu12", (1, 20, 0)), ("2.9", (2, 9)), ("x", ())],
)
def test_a_version_is_compared_by_the_numbers_it_begins_with(version: str, numbers: tuple[int, ...]) -> None:
    assert release(version) == numbers


def test_thousands_of_digits_are_no_version() -> None:
    assert release("9" * 5000) == () and release("1." + "2" * 5000) == (1,)


V3 = "avx avx2 fma f16c bmi1 bmi2 movbe abm"
V4 = f"{V3} avx512f avx512dq avx512cd avx512bw avx512vl"


@pytest.mark.parametrize(
    ("flags", "block"),
    [(V4, 16), (V3, 8), ("avx2 fma", 0), ("sse4_2 avx", 0), (f"{V3} avx512f avx512cd", 0)],
    ids=["x86-64-v4", "x86-64-v3", "less than v3", "old", "AVX-512F alone"],
)
def test_a_processors_block_is_in_its_flags(flags: str, block: int) -> None:
    assert block_of(f"processor\t: 0\nflags\t\t: fpu {flags} rdrand\nvmx flags\t: x\n\nprocessor\t: 1\n") == block


@pytest.mark.skipif(not this_machine().block, reason="this processor has no blocks to lose")
def test_kernels_that_are_not_those_of_the_runtimes_blocks_leave_a_machine_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    block = this_machine().block
    for asked, left, held_to in (
        ("portable", 0, "portable"),
        ({16: "avx512", 8: "avx2"}[block], block, None),
        ("", block, None),
    ):
        monkeypatch.setenv("GROUPNL_NATIVE_ISA", asked)
        assert (this_machine().block, this_machine().held_to) == (left, held_to)


def test_a_list_of_processors_without_flags_has_no_blocks() -> None:
    assert (
        block_of("processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU part\t: 0xd08\n") == block_of("") == 0
    )


def test_the_c_library_is_told_by_itself_or_by_the_loader_that_a_program_names() -> None:
    assert libc_of("glibc 2.36", b"") == ("glibc", "2.36")
    assert libc_of(None, b"\x7fELF\2\1\1\0/lib/ld-musl-x86_64.so.1\0") == ("musl", None)
    assert libc_of(None, b"\x7fELF\2\1\1\0/system/bin/linker64\0") == (None, None)


def test_this_machine_is_one_that_runs_these_tests() -> None:
    machine = this_machine()
    assert (
        machine.bits == 64 and machine.block in (0, 8, 16) and str(machine) == f"{machine.system} on {machine.machine}"
    )
