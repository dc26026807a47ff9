"""One benchmark on the device: its phases, the warm-up, the timed loop, and nothing else inside the window.

Phases, in order: cooldown (where a temperature is asked for), idle_before, import, load, check (every input and the
golden pair once), warmup, steady, runout (the load stays on while the meter finishes its last mean of the window),
idle_after, profile (where it is asked for). What a phase measured is sent as soon as it is over, but the latencies and
the board's states only behind the run-out.
"""

import gc
import itertools
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from device_agent.acceptance import require_golden
from device_agent.backend_table import BACKENDS
from device_agent.backends import Backend, Subject, open_backend, require_libraries
from device_agent.board_states import BoardWatch, watching_board
from device_agent.errors import AgentError, BadRequest
from device_agent.image_check import check_all
from device_agent.inputs import BenchInputs
from device_agent.memory import memory_use, reset_peak, swapped_bytes
from device_agent.messages.bench import (
    BenchBegun,
    BenchDone,
    BenchNews,
    BenchRequest,
    BoardStates,
    Latencies,
    Loaded,
    Phase,
    PhaseMark,
    PhaseSpan,
)
from device_agent.messages.profile import Profiled
from device_agent.probe import board_facts, temperature_c, usable_cores
from device_agent.processor import read_processor, use_between
from device_agent.requested import requested_subject
from device_agent.settings import Settings, Workload

Emit = Callable[[BenchNews], None]
_LEAST_WARMUP = 3
# So many times as long as the warm-up foretold, and so much more: less than what a phase's patience allows.
_LONGER, _LONGER_S = 3, 10.0
_RING = 16
# Only the null backend is ever so fast; without a limit its latencies would fill a small board's memory.
_MOST = 1_000_000
_BLOCK = 4096  # latencies in a message
_STATES_BLOCK = 512
_COOLED_EVERY_S = 1.0
_SLOW_S = 30.0  # importing PyTorch from a slow SD card takes tens of seconds; who waits allows for several times that


class Phases:
    """Marks each phase as it begins; tells when it ran, who used the processor, and the memory, as it ends."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    @contextmanager
    def __call__(self, phase: Phase, expected_s: float) -> Iterator[None]:
        # The mark leaves and the counters are read before the phase's clock starts: neither is part of the phase.
        self._emit(PhaseMark(phase, time.perf_counter_ns(), expected_s))
        swapped = swapped_bytes()
        reset_peak()
        before = read_processor()
        start_ns = time.perf_counter_ns()
        yield
        end_ns = time.perf_counter_ns()
        cpu = use_between(before, read_processor())
        self._emit(PhaseSpan(phase, start_ns, end_ns, cpu, memory_use(swapped)))


@dataclass(frozen=True)
class _Measured:
    """What is left of the measuring: the loaded model, the inputs that it was shown, the latencies."""

    backend: Backend
    ring: Sequence[Any]
    iterations: int


def run_bench(request: BenchRequest, inputs: BenchInputs, subject: Subject, agent_sha256: str, emit: Emit) -> BenchDone:
    """Carry out the request; each part goes to `emit` as soon as it is there. Raises an `AgentError`."""
    settings = replace(request.settings, threads=request.settings.threads or usable_cores())
    emit(BenchBegun(agent_sha256, settings, board_facts(), memory_use()))
    with watching_board() as watch:
        measured = _all_measured(replace(request, settings=settings), inputs, subject, watch, emit)
        _send_states(watch, emit)
    board = board_facts()  # before a profile: what that does to the board is no part of the measurement
    if request.profile:
        with Phases(emit)("profile", _SLOW_S):
            profiled = _profiled(measured, subject, settings)
        emit(profiled)
    return BenchDone(measured.iterations, board)


def _all_measured(
    request: BenchRequest, inputs: BenchInputs, subject: Subject, watch: BoardWatch, emit: Emit
) -> _Measured:
    """All phases but the profile, under settings that apply."""
    phases, settings = Phases(emit), request.settings
    idle_s = settings.workload.idle_s
    _cool_down(settings.workload, phases)
    with phases("idle_before", idle_s):
        time.sleep(idle_s)
    backend = _load_backend(request, settings, subject, phases)
    emit(Loaded(backend.versions, backend.native, backend.providers))
    with phases("check", _SLOW_S):
        checked = check_all(backend, inputs, subject.manifest, emit)
        if BACKENDS[request.backend].computes:
            require_golden(backend, subject.directory, subject.manifest)
    emit(checked)
    # A handful is enough to keep a cache honest, and the memory measured is then not that of the workload.
    ring = [backend.prepare(one) for one in itertools.islice(inputs, _RING)]
    latencies = _measure(backend, ring, request, checked.first_inference_ns, phases)
    # Sent behind the run-out: the load must not change while the meter finishes its last mean of the window.
    _send_latencies(latencies, emit)
    _send_states(watch, emit)
    with phases("idle_after", idle_s):
        time.sleep(idle_s)
    return _Measured(backend, ring, len(latencies))


def _profiled(measured: _Measured, subject: Subject, settings: Settings) -> Profiled:
    """The profile, or why there is none: what was measured until then is whole without it."""
    try:
        return measured.backend.profile(subject, settings, measured.ring)
    except AgentError as error:
        return Profiled((), (), error.message)
    except Exception as error:  # every profiler has exceptions of its own
        return Profiled((), (), f"the profiler failed: {str(error) or type(error).__name__}")


def _cool_down(workload: Workload, phases: Phases) -> None:
    """Wait until the board is as cool as it should be, or for as long as it is waited for; the host judges which."""
    target_c = workload.cool_to_c
    if target_c is None:
        return
    with phases("cooldown", workload.cool_within_s):
        deadline = time.monotonic() + workload.cool_within_s
        while (now_c := temperature_c()) is not None and now_c > target_c and time.monotonic() < deadline:
            time.sleep(_COOLED_EVERY_S)


def _send_latencies(latencies: "array[int]", emit: Emit) -> None:
    """A block at a time, so that no copy of them all is made."""
    for start in range(0, len(latencies), _BLOCK):
        emit(Latencies(tuple(latencies[start : start + _BLOCK])))


def _send_states(watch: BoardWatch, emit: Emit) -> None:
    states = watch.take()
    for start in range(0, len(states), _STATES_BLOCK):
        emit(BoardStates(states[start : start + _STATES_BLOCK]))


def _load_backend(request: BenchRequest, settings: Settings, subject: Subject, phases: Phases) -> Backend:
    with phases("import", _SLOW_S):
        backend = open_backend(request.backend)
    with phases("load", _SLOW_S):
        backend.load(subject, settings)
    return backend


def _measure(
    backend: Backend, ring: Sequence[Any], request: BenchRequest, first_ns: int, phases: Phases
) -> "array[int]":
    """Warm-up, the steady window, run-out; the latencies of the window."""
    workload = request.settings.workload
    with phases("warmup", max(workload.warmup_s, _LEAST_WARMUP * first_ns / 1e9)):
        fastest_ns, mean_ns = _keep_busy(backend, ring, workload.warmup_s, _LEAST_WARMUP)
    buffer = _latency_buffer(workload, fastest_ns)
    # By the mean: who waits gives a window several times as long, and a busy board is not a dead one.
    expected_s = max(workload.min_seconds, workload.min_iterations * mean_ns / 1e9)
    with _quiet_collector(), phases("steady", expected_s):
        latencies = timed_loop(backend.run, ring, workload, buffer, int((_LONGER * expected_s + _LONGER_S) * 1e9))
    with phases("runout", max(request.runout_s, mean_ns / 1e9)):
        _keep_busy(backend, ring, request.runout_s, 0)
    return latencies


def check_request(request: BenchRequest, root: Path) -> Subject:
    """Refuse what this device cannot do; return the verified artifact, which lies below the root."""
    require_libraries(request.backend)
    _require_temperature(request.settings.workload)
    return requested_subject(root, request.directory, request.manifest_sha256, request.backend, request.settings)


def _require_temperature(workload: Workload) -> None:
    if workload.cool_to_c is not None and temperature_c() is None:
        raise BadRequest(
            "The device does not tell its temperature, so nobody knows when it has cooled down.",
            "Leave the temperature out, and use a longer idle phase.",
        )


def _keep_busy(backend: Backend, prepared: Sequence[Any], seconds: float, least: int) -> tuple[float, float]:
    """Run for `seconds`, at least `least` times; the fastest latency and the mean, in nanoseconds."""
    fastest, count = float("inf"), 0
    begun = time.perf_counter_ns()
    deadline = begun + seconds * 1e9
    while count < least or time.perf_counter_ns() < deadline:
        begin = time.perf_counter_ns()
        backend.run(prepared[count % len(prepared)])
        fastest = min(fastest, time.perf_counter_ns() - begin)
        count += 1
    return fastest, (time.perf_counter_ns() - begun) / max(count, 1)


def _latency_buffer(workload: Workload, fastest_ns: float) -> "array[int]":
    """Room for twice what the warm-up foretells, made before the window opens."""
    expected = 2 * workload.min_seconds * 1e9 / max(fastest_ns, 1.0)
    return array("q", [0]) * max(workload.min_iterations, int(min(expected, _MOST)), 1)


def timed_loop(
    run: Callable[[Any], Any], prepared: Sequence[Any], workload: Workload, latencies: "array[int]", longest_ns: int
) -> "array[int]":
    """At least `min_iterations` and `min_seconds`, but no more than `_MOST` inferences.

    It ends with fewer after `longest_ns`, and at least one: what a busy board gave until then is kept, for whoever
    waits takes it for dead soon after, and the run would be lost. The number of inferences tells.
    """
    clock, images = time.perf_counter_ns, len(prepared)
    count, now = 0, clock()
    deadline, latest = now + int(workload.min_seconds * 1e9), now + longest_ns
    while (count < workload.min_iterations and (now < latest or not count)) or (now < deadline and count < _MOST):
        image = prepared[count % images]
        begin = clock()
        run(image)
        now = clock()
        if count == len(latencies):  # only when the warm-up was twice as slow as what follows
            latencies.extend(latencies)
        latencies[count] = now - begin
        count += 1
    return latencies[:count]


@contextmanager
def _quiet_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
