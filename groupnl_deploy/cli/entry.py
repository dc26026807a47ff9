"""The console script: check that the packages are ours, take `--debug` off, run the application."""

import importlib
import os
import sys

from groupnl_deploy.cli.debug import take_debug
from groupnl_deploy.interrupt import forget_interrupt, hear_every_interrupt
from groupnl_deploy.version import DISTRIBUTION


def entry() -> None:
    """Run `groupnl`. `--debug` may stand anywhere on the line, so it is taken off before the line is parsed."""
    # PyTorch's OpenMP threads spin while they wait. With another busy process on the machine a training then
    # takes ten times as long; waiting passively costs a quarter on an idle one. The user's own setting stands.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _forget_no_size()
    hear_every_interrupt()
    _require_streams()
    foreign = _foreign_package()
    if foreign is not None:
        sys.stderr.write(foreign)
        raise SystemExit(1)
    arguments = take_debug(sys.argv[1:])
    try:
        from groupnl_deploy.cli.main import app

        app(args=arguments)
    except KeyboardInterrupt:  # before a command had begun, so there is nothing to tell but this
        sys.stderr.write("Error: Stopped.\n")
        forget_interrupt()
        raise SystemExit(1) from None
    except OSError as error:  # of --help and --version; a command has told its own
        sys.stderr.write(
            f"Error: The output cannot be written: {(error.strerror or str(error)).lower()}.\n"
            "Try:   Send it to a file on a disk with room, or to the terminal.\n"
        )
        _give_nothing(1, "stdout")  # or what is left of it would be tried again at the end
        raise SystemExit(1) from None


def _forget_no_size() -> None:
    """Terminals of no known size are said to have 0 columns, and rich would write as much: nothing, not even errors."""
    for name in ("COLUMNS", "LINES"):
        if os.environ.get(name) == "0":
            del os.environ[name]


def _require_streams() -> None:
    """Refuse a closed stdout before any work: a file opened later would take its number, and results would go there.

    What is said on a closed stderr is lost, as asked for, and a closed stdin is an empty one.
    """
    for number, stream in ((0, "stdin"), (2, "stderr")):
        if getattr(sys, stream) is None:
            _give_nothing(number, stream)
    if sys.stdout is None:
        sys.stderr.write(
            "Error: Standard output is closed, so no result could be shown.\n"
            "Try:   Send it to a file, or nowhere: > /dev/null\n"
        )
        raise SystemExit(1)


def _give_nothing(number: int, name: str) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    if nothing != number:
        os.dup2(nothing, number)
        os.close(nothing)
    setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


def _foreign_package() -> str | None:
    """`power` and `exporters` are names of other projects too, which may have been installed over ours."""
    for name in ("device_agent", "exporters", "power"):
        package = importlib.import_module(name)
        if getattr(package, "__dist__", None) != DISTRIBUTION:
            return (
                f"Error: The package “{name}” at {package.__file__} is another project's.\n"
                "Try:   Install groupnl-deploy into a virtual environment of its own.\n"
            )
    return None


if __name__ == "__main__":
    entry()
