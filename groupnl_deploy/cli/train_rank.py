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
_WAIT_S = 15.0  # for this one to hear of an error by itself


def _end_with_others(folder: Path) -> None:
    """Be told to stop as soon as the launcher is gone: nobody would start the others again, or tell how it ends.

    Where another process has ended with an error of its own, and this one does not hear of it, since it waits for all
    to come together, end at once: nobody would come.
    """
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            if other_has_ended(folder, 0):
                time.sleep(_WAIT_S)
                os._exit(0)  # how the training ended, the other one has left
            time.sleep(_LOOK_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def run() -> None:
    """Run `groupnl`; end well unless another process was lost, after which all are started again.

    One that ended with an error of its own is as if lost, too, and then no new start would help.
    """
    folder = Path(os.environ[ENDED])
    _end_with_others(folder)
    try:
        entry()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if code != LOST_CODE:
            leave_code(folder, os.environ["RANK"], code)
        elif not other_has_ended(folder, _PATIENCE_S):
            raise


if __name__ == "__main__":
    run()
