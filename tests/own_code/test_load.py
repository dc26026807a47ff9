"""A user's own network: what of their code is run, what is kept of it, and how their mistakes are told."""

import hashlib
import importlib
import os
import py_compile
import sys
import sysconfig
from pathlib import Path

import pytest
import torch

from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.own import CodeChanged, CodeNotLoaded, builder_of
from groupnl_deploy.models.profile import profile
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import CodeOrigin, ConvSpec
from groupnl_deploy.own_code.blame import is_users
from groupnl_deploy.own_code.load import load_code
from groupnl_deploy.own_code.spec import OwnNetwork, own_network

STANDARD = ConvSpec("standard")
NET = """
from torch import nn

def net(num_classes=10, in_channels=3, width=1.0):
    wide = int(16 * width)
    return nn.Sequential(
        nn.Conv2d(in_channels, wide, 3, stride=2, padding=1), nn.BatchNorm2d(wide), nn.ReLU(),
        nn.Conv2d(wide, wide, 3, groups=wide, padding=1), nn.Conv2d(wide, 2 * wide, 1), nn.ReLU(),
        nn.Conv2d(2 * wide, 3, 3, padding=1), nn.Conv2d(3, wide, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(wide, num_classes),
    )
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, file: str = "net.py") -> None:
    Path(file).parent.mkdir(exist_ok=True)
    Path(file).write_text(text, encoding="utf-8")


def made(word: str = "net.py:net", conv: ConvSpec = STANDARD, **asked) -> OwnNetwork:
    return own_network(load_code(word), conv, **({"input_shape": (3, 8, 8)} | asked))


def refused(word: str = "net.py:net", **asked) -> str:
    """What the user reads."""
    with pytest.raises(UsageError) as caught:
        made(word, **asked)
    return f"{caught.value.message} {caught.value.remedy}"


def test_the_function_gets_what_it_names_and_one_seed_gives_one_network() -> None:
    write(NET)
    own = made(num_classes=7, input_shape=(1, 8, 8), width=0.5, seed=3)
    assert own.spec.label == "net.py:net x0.5 standard" and not own.assumed
    first, second = (create_model(own.spec).state_dict() for _ in range(2))
    assert first["0.weight"].shape == (8, 1, 3, 3) and first["10.bias"].shape == (7,)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert profile(own.spec).total.params == sum(p.numel() for p in create_model(own.spec).parameters())


def test_kernels_become_the_convolution_that_is_asked_for_where_their_channels_allow_it() -> None:
    write(NET)
    own = made(conv=ConvSpec("groupnl", nl_groups=4))
    became = {conv.name: conv.now or conv.note for conv in own.outcomes.convs}
    assert became["0"] == "the first convolution stays" and became["4"] == "pointwise convolutions stay"
    assert became["3"].startswith("groupnl-sparse") and became["7"].startswith("groupnl ")
    assert "equal groups" in became["6"]  # three channels have no seeds in four groups
    with pytest.raises(InvalidSpec, match="no convolution of only is one that groupnl stands for"):
        write("from torch import nn\ndef only(): return nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten())")
        made("net.py:only", conv=ConvSpec("groupnl"))


def test_a_layer_that_no_rule_knows_is_counted_by_its_parameters_and_named() -> None:
    write(
        "import torch\nfrom torch import nn\nclass Scaled(nn.Module):\n  def __init__(self):\n    super().__init__()\n"
        "    self.scale, self.conv = nn.Parameter(torch.ones(4)), nn.Conv2d(3, 4, 8)\n"
        "  def forward(self, x):\n    return self.conv(x).flatten(1) * self.scale\n"
        "def net(): return nn.Sequential(Scaled(), nn.LayerNorm(4))"
    )
    counted = profile(made().spec)
    assert counted.uncounted == ("Scaled",) and counted.total.params == 4 + 772 + 8
    assert {row.kind: row.counts.flops for row in counted.layers} == {"Scaled": 0, "Conv2d": 768, "LayerNorm": 4}


def test_a_network_that_branches_on_its_images_is_told_before_it_is_trained(tmp_path: Path) -> None:
    (tmp_path / "fork.py").write_text(
        "from torch import nn\n\n\nclass Fork(nn.Linear):\n    def __init__(self):\n        super().__init__(12, 4)\n\n"
        "    def forward(self, x):\n        x = x.flatten(1)\n        if x.sum() > 0:\n            x = 2 * x\n"
        "        return super().forward(x)\n"
    )
    code = load_code(f"{tmp_path / 'fork.py'}:Fork")
    (told,) = own_network(code, ConvSpec("standard"), input_shape=(3, 2, 2)).assumed
    assert told.startswith("it can be trained but not exported") and "fork.py, line 10 (if x.sum() > 0:)" in told


def test_what_nobody_said_is_the_functions_own_and_else_assumed_and_told() -> None:
    write("from torch import nn\ndef net(input_shape=(1, 8, 8)): return nn.Sequential(nn.Flatten(), nn.Linear(64, 5))")
    own = made(input_shape=None)
    assert (own.spec.input_shape, own.spec.num_classes) == ((1, 8, 8), 5)
    write("from torch import nn\ndef net(num_classes): return nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes))")
    assert "is a lazy one" in refused()
    write(NET.replace("num_classes=10", "num_classes"))
    own = made(input_shape=None)
    assert (own.spec.input_shape, own.spec.num_classes) == ((3, 224, 224), 1000)
    assert "for what images" in own.assumed[0] and "for how many classes" in own.assumed[1]


def test_the_digest_is_of_the_file_and_of_the_neighbours_that_it_imports() -> None:
    write(NET)
    alone = load_code("net.py:net").origin
    assert alone == CodeOrigin("net.py", "net", hashlib.sha256(Path("net.py").read_bytes()).hexdigest())
    write("from torch import nn\nWIDE = 4\n", "blocks.py")
    write("from blocks import WIDE, nn\ndef net(): return nn.Sequential(nn.Conv2d(3, WIDE, 8), nn.Flatten())")
    both = load_code("net.py:net").origin
    assert made().spec.num_classes == 4 and "blocks" not in sys.modules
    write("from torch import nn\nWIDE = 5\n", "blocks.py")
    assert made().spec.num_classes == 5
    assert load_code("net.py:net").origin.sha256 not in (both.sha256, alone.sha256)
    assert not list(Path().rglob("__pycache__"))
    write("def net():\n    import blocks\n    return blocks.nn.Conv2d(3, 4, 8)")
    assert "imports blocks when it is called" in refused() and "at the top of net.py" in refused()


FROM_BLOCKS = "from blocks import WIDE, nn\ndef net(): return nn.Sequential(nn.Conv2d(3, WIDE, 8), nn.Flatten())"


def test_a_neighbour_is_what_its_file_says_now_whatever_bytecode_lies_beside_it() -> None:
    write("from torch import nn\nWIDE = 4\n", "blocks.py")
    write(FROM_BLOCKS)
    before, written = load_code("net.py:net").origin, Path("blocks.py").stat()
    py_compile.compile("blocks.py")
    write("from torch import nn\nWIDE = 5\n", "blocks.py")
    os.utime("blocks.py", ns=(written.st_atime_ns, written.st_mtime_ns))  # of the same date and size
    assert made().spec.num_classes == 5 and load_code("net.py:net").origin != before


def test_a_neighbour_counts_that_is_a_link_or_was_imported_before(monkeypatch: pytest.MonkeyPatch) -> None:
    write("from torch import nn\nWIDE = 4\n", "elsewhere/real.py")
    Path("here").mkdir()
    Path("here/blocks.py").symlink_to(Path("elsewhere/real.py").absolute())
    write(FROM_BLOCKS, "here/net.py")
    before = load_code("here/net.py:net").origin
    monkeypatch.syspath_prepend("here")
    imported = importlib.import_module("blocks")
    try:
        assert load_code("here/net.py:net").origin == before and sys.modules["blocks"] is imported
        write("from torch import nn\nWIDE = 5\n", "elsewhere/real.py")
        assert made("here/net.py:net").spec.num_classes == 5
        assert load_code("here/net.py:net").origin != before
    finally:
        del sys.modules["blocks"]


def test_pythons_own_modules_are_no_neighbours_where_python_lies_below_the_folder() -> None:
    library = Path(sysconfig.get_path("stdlib"))
    assert not is_users(str(library / "this.py"), library.parent) and not is_users(os.__file__, library.parents[1])
    write("x = 1", "nets.py")
    assert is_users(str(Path("nets.py").absolute()), Path().absolute())


def test_two_folders_may_have_neighbours_of_one_name() -> None:
    for folder, wide in (("one", 4), ("two", 6)):
        write(f"WIDE = {wide}", f"{folder}/blocks.py")
        write("import blocks\nfrom torch import nn\n", f"{folder}/net.py")
        with Path(folder, "net.py").open("a") as file:
            file.write("def net(): return nn.Sequential(nn.Conv2d(3, blocks.WIDE, 8), nn.Flatten())")
    specs = [made(f"{folder}/net.py:net").spec for folder in ("one", "two")]
    assert [create_model(spec)[0].out_channels for spec in specs] == [4, 6]


def test_a_module_is_found_from_the_working_directory() -> None:
    write("", "nets/__init__.py")
    write(NET, "nets/small.py")
    assert made("nets.small:net").spec.code.file == "nets.small"
    assert "there is no module “nets.smal”" in refused("nets.smal:net")


@pytest.mark.parametrize("changed", [{"file": "../net.py"}, {"file": "a\033"}, {"function": "a b"}, {"sha256": "0"}])
def test_a_record_of_code_is_a_name_and_never_a_path(changed: dict[str, str]) -> None:
    with pytest.raises(InvalidSpec, match="without its folder"):
        CodeOrigin(**({"file": "net.py", "function": "net", "sha256": "0" * 64} | changed))


def test_code_is_built_by_the_digest_that_a_record_has_and_by_no_other() -> None:
    write(NET)
    origin = load_code("net.py:net").origin
    builder_of(origin)
    other = CodeOrigin("net.py", "net", "0" * 64)
    with pytest.raises(CodeChanged, match=r"net\.py has changed.*000000000000.*train again"):
        builder_of(other)
    with pytest.raises(CodeNotLoaded, match=r"--module gone\.py:net"):
        builder_of(CodeOrigin("gone.py", "net", "0" * 64))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def net(:", ["cannot be imported at net.py, line 1 (def net(:)"]),
        ("import nosuchpackage", ["at net.py, line 1 (import nosuchpackage)", "no module “nosuchpackage”"]),
        ("x = 1\ny = x / 0", ["cannot be imported at net.py, line 2 (y = x / 0): ZeroDivisionError"]),
        ("raise SystemExit(3)", ["line 1", "SystemExit", '__name__ == "__main__"']),
        ("def nets(): pass", ["no function “net”; it has nets", "Did you mean net.py:nets?"]),
        ("net = 3", ["net in net.py is a int, which cannot be called"]),
        ("from torch import nn\nnet = nn.Linear(2, 3)", ["is a network, not a function"]),
        ("def net(depth, num_classes): pass", ["needs depth", "num_classes, input_shape, in_channels and width"]),
        ("def net():\n    return missing", ["cannot be called at net.py, line 2 (return missing): NameError"]),
        ("def net(): pass", ["returns nothing, not an nn.Module"]),
        ("def net(): return [1]", ["returns a list, not an nn.Module"]),
        ("from torch import nn\ndef net(): return nn.Flatten()", ["has no parameters"]),
        (
            "from torch import nn\ndef net(): return nn.DataParallel(nn.Conv2d(3, 4, 8))",
            ["wraps or compiles a network"],
        ),
        ("from torch import nn\ndef net(): return nn.Conv2d(3, 4, 3).double()", ["weight of net.py:net is float64"]),
        ("from torch import nn\ndef net(): return nn.Conv2d(3, 4, 3)", ["with (2, 4, 6, 6)", "(N, classes)"]),
        ("from torch import nn\ndef net(): return nn.Conv2d(5, 4, 3)", ["does not take images of 3x8x8"]),
        ("from torch import nn\ndef net(): return nn.LSTM(8, 4)", ["does not take images|answers with a tuple"]),
        (
            "import itertools\nfrom torch import nn\ncount = itertools.count(3)\n"
            "def net(): return nn.Sequential(nn.Flatten(), nn.Linear(192, next(count)))",
            ["makes another network each time", "1.bias"],
        ),
        (
            "from torch import nn\nclass Net(nn.Module):\n  def __init__(self):\n    super().__init__()\n"
            "    self.l = nn.Linear(1, 1)\n  def forward(self, x):\n    return self.gone(x)\ndef net(): return Net()",
            ["does not take images of 3x8x8 at net.py, line 7 (return self.gone(x)): AttributeError"],
        ),
    ],
)
def test_a_mistake_is_told_with_the_users_own_line(body: str, said: list[str]) -> None:
    write(body)
    text = refused()
    assert all(any(one in text for one in words.split("|")) for words in said), text


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("net.py", "Write net.py:net."),
        ("net.py:", "Write net.py:net."),
        ("nte.py:net", "Did you mean net.py?"),
        (".:net", "neither a Python file nor a module"),
        ("nets/small.py:net", "nets/small.py does not exist"),
    ],
)
def test_a_word_that_names_no_function_is_told_what_to_write(word: str, said: str) -> None:
    write(NET)
    assert said in refused(word)


def test_classes_that_differ_from_the_data_sets_are_refused_with_what_to_change() -> None:
    write("from torch import nn\ndef net(): return nn.Sequential(nn.Flatten(), nn.Linear(192, 4))")
    assert "answers with 4 classes, and 7 are asked for. Let the function take num_classes" in refused(num_classes=7)
    with pytest.raises(InvalidSpec, match=r"takes no width"):
        made(width=0.5)


def test_what_the_code_prints_stays_off_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    write(f"print('hello')\n{NET}")
    made()
    said = capsys.readouterr()
    assert "hello" in said.err and not said.out
