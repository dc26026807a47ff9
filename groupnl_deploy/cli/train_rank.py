"""One process of several that train together, as `groupnl train --nproc` starts it: it leaves its exit code in a file.

A code of ours in place of the process' own tells the launcher that starting it again would help nobody.
"""

import os
from pathlib import Path

from groupnl_deploy.cli.entry import entry
from groupnl_deploy.training.launch import ENDED
from groupnl_deploy.training.peers import LOST_CODE


def run() -> None:
    """Run `groupnl`; end well unless another process was lost, after which all are started again."""
    try:
        entry()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if code == LOST_CODE:
            raise
        (Path(os.environ[ENDED]) / os.environ["RANK"]).write_text(str(code))


if __name__ == "__main__":
    run()
