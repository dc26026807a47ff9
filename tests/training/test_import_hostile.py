"""Files that somebody made to harm: none executes anything, hangs, or takes more memory than a few times its size."""

import io
import os
import pickle
import pickletools
import random
import struct
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from groupnl_deploy.errors import GroupNLError
from groupnl_deploy.pickles import machine
from groupnl_deploy.pickles import names as pickles_names
from groupnl_deploy.pickles.machine import read_pickle
from groupnl_deploy.training.foreign import names, read_foreign
from groupnl_deploy.training.foreign.names import ALLOWED

HEAD = b"\x80\x02"


def word(text: str) -> bytes:
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def name(dotted: str) -> bytes:
    module, _, last = dotted.rpartition(".")
    return f"c{module}\n{last}\n".encode()


def number(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def archive(path: Path, program: bytes, storages: dict[str, bytes] | None = None) -> Path:
    """A file as torch.save writes it, around a pickle that no program wrote."""
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("a/data.pkl", program)
        for key, data in (storages or {}).items():
            out.writestr(f"a/data/{key}", data)
    return path


def under_state(value: bytes) -> bytes:
    """A dictionary with this under “extra”, beside a state dict."""
    return HEAD + b"}(" + word("extra") + value + b"u."


def storage(count: int, key: str = "0") -> bytes:
    return b"(" + word("storage") + name("torch.FloatStorage") + word(key) + word("cpu") + number(count) + b"tQ"


def tensor(held: bytes, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    sizes = b"".join(b"(" + b"".join(map(number, numbers)) + b"t" for numbers in (shape, stride))
    return name("torch._utils._rebuild_tensor_v2") + b"(" + held + number(offset) + sizes + b"\x89}tR"


GIANT = 1 << 40
BOMBS = {
    "a bytearray of a terabyte": name("builtins.bytearray") + b"(" + number(GIANT) + b"tR",
    "a tensor's constructor": name("torch.Tensor") + b"(" + number(GIANT) + b"tR",
    "a storage's constructor": name("torch.FloatStorage") + b"(" + number(GIANT) + b"tR",
    "a deque": name("collections.deque") + b"(" + b"]" + number(GIANT) + b"tR",
    "an array of no bytes": name("numpy.core.multiarray._reconstruct")
    + b"("
    + name("numpy.ndarray")
    + b"("
    + number(GIANT)
    + b"t"
    + b"C\x01btR",
    "a range": name("builtins.range") + b"(" + number(GIANT) + b"tR",
    "a size": name("torch.Size") + b"((" + number(GIANT) + b"ttR",
    "a path": name("pathlib.PosixPath") + b"(" + word("/dev/zero") + b"tR",
    "a timezone": name("datetime.timezone") + b"(" + number(GIANT) + b"tR",
    "a counter of a text": name("collections.Counter") + b"(" + word("abc") + b"tR",
    "a state with a class": name("argparse.Namespace")
    + b")\x81N}"
    + word("__class__")
    + name("builtins.dict")
    + b"s\x86b",
    "a slot of a namespace": name("types.SimpleNamespace") + b")\x81}" + word("__init__") + number(1) + b"sb",
    "an optimizer": name("torch.optim.sgd.SGD") + b")\x81}" + word("__reduce__") + number(1) + b"sb",
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_constructor_with_any_arguments_is_a_record_at_most(tmp_path, what):
    program = HEAD + b"}(" + word("state_dict") + b"}" + word("w.weight") + tensor(storage(1), 0, (1,), (1,)) + b"s"
    path = archive(tmp_path / "a.pth", program + word("extra") + BOMBS[what] + b"u.", {"0": b"\0\0\x80\x3f"})
    before = resident()
    try:
        weights = read_foreign(path)
        assert weights.tensors["w.weight"].tolist() == [1.0]
    except GroupNLError as error:
        assert error.remedy
    assert resident() - before < 50e6


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE")


HARMFUL = ("os.system", "builtins.eval", "builtins.exec", "builtins.getattr", "builtins.open", "builtins.__import__")
HARMFUL += ("subprocess.Popen", "importlib.import_module", "operator.attrgetter", "functools.partial", "shutil.rmtree")
HARMFUL += ("torch.load", "torch.hub.load", "torch.ops.load_library", "torch.jit.load", "numpy.load", "pickle.loads")
HARMFUL += ("torch._utils._rebuild_wrapper_subclass", "torch._utils._rebuild_device_tensor_from_numpy", "sys.exit")
HARMFUL += ("pathlib.Path.unlink", "pathlib.PosixPath.write_bytes", "datetime.datetime.now", "builtins.set.add")


@pytest.mark.parametrize("dotted", HARMFUL)
def test_a_name_that_is_not_on_the_list_is_refused_by_its_name(tmp_path, dotted):
    for program in (name(dotted) + b"(" + word("touch x") + b"tR", name(dotted)):
        path = archive(tmp_path / "a.pth", under_state(program))
        with pytest.raises(GroupNLError) as caught:
            read_foreign(path)
        assert dotted.rpartition(".")[2] in caught.value.message
        assert "nothing in the file was executed" in caught.value.message
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.pth"]


def test_no_name_of_the_list_is_a_thing_of_its_module():
    for builder in ALLOWED.values():
        assert builder is None or builder.__module__ in (names.__name__, pickles_names.__name__)


def doubling(code: str) -> bytes:
    """A text in a code that doubles it, of the result, forty times."""
    once = b"q\x00" + b"0" + name("_codecs.encode") + b"(h\x00" + word(code) + b"tR"
    return word("a") + b"".join(once for _ in range(40))


def nested(depth: int, kind: bytes) -> bytes:
    """A value in a value, twice each: 2^depth ways to its end in a few bytes."""
    twice = {"tuple": b"q\x00h\x00\x86", "list": b"q\x00]h\x00a" + b"h\x00a"}[kind.decode()]
    return b")" + twice * depth if kind == b"tuple" else b"]" + (b"q\x00" + b"0]h\x00ah\x00a") * depth


def equal_hashes(count: int) -> bytes:
    """So many pairs of numbers, as keys, that Python's hash of tuples, which has no secret, takes for one another."""
    first, second, five, wrap = 11400714785074694791, 14029467366897019727, 2870177450012600261, 1 << 64
    wanted = 0x123456789ABCDEF * pow(first, -1, wrap) % wrap
    turned = (wanted >> 31 | wanted << 33) % wrap
    ones = np.arange(1, 20 * count, dtype=np.uint64)  # of which one in sixteen has a number to go with it
    lanes = np.uint64(five) + ones * np.uint64(second)
    lanes = (lanes << np.uint64(31) | lanes >> np.uint64(33)) * np.uint64(first)
    others = (np.uint64(turned) - lanes) * np.uint64(pow(second, -1, wrap))
    fit = np.flatnonzero(others < 1 << 60)[:count]
    pairs = list(zip(ones[fit].tolist(), others[fit].tolist(), strict=True))
    assert len(pairs) == count and len({hash(pair) for pair in pairs}) == 1
    return b"}(" + b"".join(number(one) + number(two) + b"\x86N" for one, two in pairs) + b"u"


CYCLE = b"]q\x00h\x00a"


def slow_programs() -> dict[str, bytes]:
    """Built where they are needed: the colliding keys alone take a second."""
    return {
        "a key that takes years to hash": b"}" + nested(80, b"tuple") + b"Ns",
        "a list with 2^60 ways through it": nested(60, b"list"),
        "a list within itself": CYCLE,
        "a thousand lists of a thousand": (b"](" + b"N" * 1000 + b"e")
        + (b"q\x000](" + b"h\x00" * 1000 + b"eq\x00") * 6,
        "a hundred thousand brackets": b"]" * 100_000 + b"a" * 99_999,
        "a tuple as deep": b")" + b"\x85" * 100_000,
        "a key that is a thing of 2^60 parts": b"}" + name("datetime.date") + nested(60, b"tuple") + b"\x85RNs",
        "keys that collide": equal_hashes(60_000),
        "a dictionary of itself": b"}q\x00" + word("a") + b"h\x00s",
    }


@pytest.mark.slow
def test_what_is_deep_or_turns_in_circles_ends_at_once(tmp_path):
    """In a process of its own, which a crash or its limit of processor time would end."""
    program = HEAD + b"}(" + word("state_dict") + b"}" + word("w.weight") + tensor(storage(1), 0, (1,), (1,)) + b"s"
    programs = slow_programs().values()
    for index, slow in enumerate(programs):
        archive(tmp_path / f"{index}.pth", program + word("extra") + slow + b"u.", {"0": b"\0\0\x80\x3f"})
    code = f"""
        import resource
        from pathlib import Path
        from groupnl_deploy.errors import GroupNLError
        from groupnl_deploy.training.foreign import read_foreign
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
        for index in range({len(programs)}):
            try:
                read_foreign(Path({str(tmp_path)!r}, f"{{index}}.pth"))
            except GroupNLError as error:
                assert error.remedy
        print("ended")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout == "ended\n", done.stderr[-500:]


def test_a_key_of_a_million_wrappers_is_no_key(tmp_path):
    key = word("module." * 1_000_000 + "weight")
    path = archive(tmp_path / "a.pth", HEAD + b"}" + key + tensor(storage(1), 0, (1,), (1,)) + b"s.", {"0": b"\0" * 4})
    with pytest.raises(GroupNLError, match="no word or number"):
        read_foreign(path)
    safetensors.torch.save_file({"module." * 2000: torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(GroupNLError, match="keys that no network has"):
        read_foreign(tmp_path / "a.safetensors")


@pytest.mark.parametrize("counter", [torch.zeros(2), torch.tensor(float("nan")), torch.tensor(1j)])
def test_a_counter_that_is_no_number_is_damage(tmp_path, counter):
    torch.save({"n_averaged": counter, "module.fc.weight": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(GroupNLError, match=r"damaged at n_averaged: it is no number"):
        read_foreign(tmp_path / "a.pth")


@pytest.mark.parametrize("code", ["hex", "base64", "utf-16", "zlib_codec"])
def test_no_code_but_that_of_bytes_is_obeyed(tmp_path, code):
    path = archive(tmp_path / "a.pth", under_state(doubling(code)))
    with pytest.raises(GroupNLError):
        read_foreign(path)


def test_one_text_named_a_million_times_is_kept_once():
    text = "\xff" * (1 << 20)
    program = (
        HEAD + b"](" + word(text) + b"q\x00" + (name("_codecs.encode") + b"(h\x00" + word("latin1") + b"tR") * 5000
    )
    before = resident()
    assert len(read_pickle(memoryview(program + b"e."), ALLOWED).value) == 5001
    assert resident() - before < 50e6


def test_a_program_without_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "MOST_INSTRUCTIONS", 10_000)
    path = archive(tmp_path / "a.pth", HEAD + b"]" + b"Na" * 5_001 + b".")
    with pytest.raises(GroupNLError, match="more plain values"):
        read_foreign(path)


FAR = [(0, (2,), (1,)), (1, (1,), (1,)), (0, (1, 2), (5, 1)), (1 << 61, (1,), (1,)), (0, (1 << 61,), (1,))]
FAR += [(0, (1 << 61, 1 << 61), (0, 0)), (0, (1,), (1, 1))]


@pytest.mark.parametrize(("offset", "shape", "stride"), FAR)
def test_a_tensor_reaches_no_further_than_its_storage(tmp_path, offset, shape, stride):
    made = tensor(storage(1), offset, shape, stride)
    path = archive(tmp_path / "a.pth", HEAD + b"}" + word("w.weight") + made + b"s.", {"0": b"\0\0\x80\x3f"})
    with pytest.raises(GroupNLError, match="damaged"):
        read_foreign(path)


def test_a_storage_that_claims_more_than_the_file_has_is_refused(tmp_path):
    made = tensor(storage(1 << 40), 0, (1 << 40,), (1,))
    path = archive(tmp_path / "a.pth", HEAD + b"}" + word("w.weight") + made + b"s.", {"0": b"\0\0\x80\x3f"})
    with pytest.raises(GroupNLError, match="longer than its storage"):
        read_foreign(path)


@pytest.mark.parametrize(
    ("kind", "shape", "raw", "fits"),
    [
        ("f4", (2,), 8, True),
        ("f4", (2,), 7, False),
        ("f4", (1 << 40,), 8, False),
        ("O", (1,), 8, False),
        ("V8", (1,), 8, False),
        ("U2", (1,), 8, False),
        ("f4", (), 4, True),
    ],
)
def test_an_array_has_numbers_and_as_many_bytes_as_it_says(tmp_path, kind, shape, raw, fits):
    dtype = name("numpy.dtype") + b"(" + word(kind) + b"\x89\x88tR(K\x03" + word("<") + b"NNNtb"
    sizes = b"(" + b"".join(map(number, shape)) + b"t"
    made = name("numpy.core.multiarray._reconstruct") + b"(" + name("numpy.ndarray") + b"K\x00\x85C\x01btR"
    made += b"(K\x01" + sizes + dtype + b"\x89" + b"C" + bytes([raw]) + bytes(raw) + b"tb"
    path = archive(tmp_path / "a.pth", HEAD + b"}" + word("w.weight") + made + b"s.")
    if fits:
        assert read_foreign(path).tensors["w.weight"].shape == shape
        return
    with pytest.raises(GroupNLError, match="damaged"):
        read_foreign(path)


@pytest.mark.parametrize("order", ["C", "F", "big"])
def test_arrays_are_read_in_every_order_that_numpy_writes(tmp_path, order):
    array = np.arange(6, dtype=">f4" if order == "big" else "<f4").reshape(2, 3)
    array = np.asfortranarray(array) if order == "F" else array
    torch.save({"w.weight": array, "b.bias": np.float32([1, 2])}, tmp_path / "a.pth")
    tensors = read_foreign(tmp_path / "a.pth").tensors
    assert tensors["w.weight"].tolist() == [[0, 1, 2], [3, 4, 5]] and tensors["b.bias"].tolist() == [1, 2]


def test_torn_and_altered_files_end_in_a_sentence(tmp_path):
    """Hundreds of files with bytes changed, cut and doubled: an error with a remedy or tensors, and nothing else."""
    buffer = io.BytesIO()
    content: dict[str, Any] = {"state_dict": {"a.weight": torch.ones(2, 3), "a.bias": np.ones(2)}, "epoch": 3}
    torch.save(content | {"where": Path("x"), "args": {"lr": 0.1, "betas": (0.9, 0.99)}}, buffer)
    with zipfile.ZipFile(buffer) as stored:
        inside = next(entry for entry in stored.namelist() if entry.endswith("data.pkl"))
        program = stored.read(inside)
    rng = random.Random(2026)
    for _ in range(400):
        path = archive(tmp_path / "a.pth", altered(program, rng), {"0": bytes(24)})
        try:
            weights = read_foreign(path)
        except GroupNLError as error:
            assert error.remedy and "\n" not in error.message
        else:
            assert all(isinstance(value, torch.Tensor) for value in weights.tensors.values())


def altered(program: bytes, rng: random.Random) -> bytes:
    data = bytearray(program)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at = rng.randrange(len(data))
        kind = rng.randrange(4)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at : at + rng.randrange(1, 4)]
        elif kind == 2:
            data[at:at] = data[at : at + rng.randrange(1, 12)]
        else:
            data[at] = rng.choice(b"Rb\x81usaetq(h)]}\x85\x86\x87.0")
    return bytes(data) or b"."


def test_what_torch_writes_is_what_the_machine_reads():
    """Every kind of plain value that a training keeps, by way of Python's own writer."""
    values = [
        None,
        True,
        3,
        -70_000,
        1 << 40,
        -(1 << 300),
        2.5,
        "ä",
        b"",
        (1, (2,)),
        [1, [2]],
        {"a": {1: (None,), 2: ()}},
    ]
    program = pickle.dumps(values, 2)
    assert read_pickle(memoryview(program), ALLOWED).value == values
    used = {instruction.name for instruction, _, _ in pickletools.genops(program)}
    assert {"LONG1", "BINFLOAT", "TUPLE2", "SETITEMS"} <= used


def test_tensors_of_one_storage_stay_views_of_it(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    torch.save({"a.weight": base, "b.weight": base.T, "c.weight": base[1, 2], "d.weight": base[:0]}, tmp_path / "a.pth")
    tensors = read_foreign(tmp_path / "a.pth").tensors
    assert torch.equal(tensors["a.weight"], base) and torch.equal(tensors["b.weight"], base.T)
    assert tensors["c.weight"] == 6 and tensors["d.weight"].shape == (0, 4)
    assert tensors["a.weight"].data_ptr() == tensors["b.weight"].data_ptr()
