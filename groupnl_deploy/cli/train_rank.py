"""One process of several that train together, as `groupnl train --nproc` starts it: it leaves its exit code in a file.

A code of ours in place of the process' own tells the launcher that starting it again would help nobody.
"""

import os
import signal
import threading
import time
from pathlib import Path

from groupnl_deploy.cli.entry import entry
from groupnl_deploy.training.launch import ENDED, leave_code, other_has_ended
from groupnl_deploy.training.peers import LOST_CODE

_LOOK_S = 0.5
_PATIENCE_S = 5.0  # with one that is telling its error


def _end_with_launcher() -> None:
    """Be told to stop as soon as the launcher is gone: nobody would start the others again, or tell how it ends."""
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(_LOOK_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def run() -> None:
    """Run `groupnl`; end well unless another process was lost, after which all are started again.

    One that ended with an error of its own is as if lost, too, and then no new start would help.
    """
    _end_with_launcher()
    try:
        entry()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        folder = Path(os.environ[ENDED])
        if code != LOST_CODE:
            leave_code(folder, os.environ["RANK"], code)
        elif not other_has_ended(folder, _PATIENCE_S):
            raise


if __name__ == "__main__":
    run()
