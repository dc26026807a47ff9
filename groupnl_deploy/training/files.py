"""Files whose digest is recorded: the bytes that are checked are the bytes that are used."""

import os
import re
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from device_agent.file_digest import FileDigest
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.workspace import sha256_hex


def read_whole(path: Path, remedy: str) -> bytes:
    """The file's content. Raises `VerificationFailed` where it is missing or unreadable."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise VerificationFailed(f"{path} is missing.", remedy) from error
    except OSError as error:
        raise VerificationFailed(f"{path} cannot be read: {error.strerror}.", remedy) from error


def read_verified(directory: Path, file: FileDigest, remedy: str) -> bytes:
    """The content of a recorded file, after its size and SHA-256 were found to be the recorded ones."""
    if not file.is_plain:
        raise VerificationFailed(f"{directory} lists {file.name!r}, which is not a plain file name.", remedy)
    path = directory / file.name
    data = read_whole(path, remedy)
    if len(data) != file.bytes:
        change = "is truncated" if len(data) < file.bytes else "has grown"
        raise VerificationFailed(f"{path} {change}: {len(data)} bytes instead of {file.bytes}.", remedy)
    if sha256_hex(data) != file.sha256:
        raise VerificationFailed(f"{path} was altered: its SHA-256 is not the recorded one.", remedy)
    return data


def tensor_bytes(tensors: dict[str, Tensor]) -> bytes:
    """A safetensors file's content; equal tensors give equal bytes."""
    return safetensors.torch.save({key: tensor.detach().contiguous() for key, tensor in tensors.items()})


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> FileDigest:
    """Write a safetensors file, without a second copy of its numbers in memory, and describe it.

    Raises `OSError` where the disk refuses, as any writing does.
    """
    path.touch()
    mode = path.stat().st_mode  # what the umask leaves; the library makes files that are their owner's alone
    try:
        safetensors.torch.save_file({key: tensor.detach().contiguous() for key, tensor in tensors.items()}, path)
    except safetensors.SafetensorError as error:
        raise _of_disk(error, path) or error from error
    path.chmod(mode)
    return FileDigest.of(path)


def _of_disk(error: Exception, path: Path) -> OSError | None:
    """The operating system's error in one of the library's, which keeps its number in its words alone."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1])), str(path)) if number else None
