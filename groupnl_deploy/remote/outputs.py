"""What a model on a device answered, as arrays again."""

import base64
import binascii
from typing import Any

import numpy as np
import numpy.typing as npt

from device_agent.messages.bench import OutputValues
from groupnl_deploy.errors import DeviceFault


def array_of(values: OutputValues) -> npt.NDArray[Any]:
    """One output, read only. Raises `DeviceFault` for bytes that are not those of its type and shape."""
    try:
        data = base64.b64decode(values.data, validate=True)
        return np.frombuffer(data, dtype=np.dtype(values.dtype).newbyteorder("<")).reshape(values.shape)
    except (binascii.Error, TypeError, ValueError) as error:
        raise DeviceFault(
            f"The agent sent a {values.name} that is no {values.dtype} {values.shape}: {error}.", "Run it again."
        ) from error
