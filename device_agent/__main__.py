"""Entry point of the bundle: `python groupnl-agent.pyz`, spoken to in lines on stdin and stdout."""

import hashlib
import io
import os
import signal
import sys
from pathlib import Path

from device_agent.messages.greeting import REQUESTS
from device_agent.session import Session
from device_agent.silence import Listened
from device_agent.sweep import hold_agent


def main() -> None:
    """Serve one session on the process's own stdin and stdout; or try an artifact, as a child of one that does."""
    stdout = os.fdopen(os.dup(1), "wb")
    # Libraries print where they like, from C too: everything but our lines goes to stderr.
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    if sys.argv[1:]:
        from device_agent.trial import run_trial

        run_trial(sys.stdin.buffer, stdout)
    # Told when a file is opened whose writers we look for (sweep.py); by itself the signal would end us.
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    hold_agent(Path(sys.argv[0]))
    first = os.environ.pop(REQUESTS, "").encode().splitlines(keepends=True)
    Session(Listened(io.FileIO(0, closefd=False)), stdout, _bundle_sha256()).serve(first)


def _bundle_sha256() -> str:
    """Digest of the `.pyz` this runs from; "source" when it runs from a folder."""
    archive = Path(sys.argv[0])
    return hashlib.sha256(archive.read_bytes()).hexdigest() if archive.suffix == ".pyz" else "source"


if __name__ == "__main__":
    main()
