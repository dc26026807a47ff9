"""Where this machine keeps what is one user's: $GROUPNL_HOME for all of it, else the XDG folders."""

import os
import socket
from pathlib import Path


def config_dir() -> Path:
    """Where our settings live."""
    return _folder("XDG_CONFIG_HOME", ".config")


def data_dir() -> Path:
    """Where our data lives."""
    return _folder("XDG_DATA_HOME", ".local/share")


def machine_dir() -> Path:
    """Where lies what is true of this machine alone: a home may be shared by many."""
    return data_dir() / "machines" / socket.gethostname()


def cache_dir() -> Path:
    """Where lives what can be made again, and may be removed at any time."""
    own = os.environ.get("GROUPNL_HOME")
    return Path(own).expanduser() / "cache" if own else _folder("XDG_CACHE_HOME", ".cache")


def _folder(variable: str, fallback: str) -> Path:
    own = os.environ.get("GROUPNL_HOME")
    if own:
        return Path(own).expanduser()
    base = os.environ.get(variable)
    # The XDG specification tells us to ignore a relative path here.
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / fallback) / "groupnl"
