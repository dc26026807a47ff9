"""What can go wrong in an export.

::

    ExportError
    ├── ExportFailed        torch or an optimizer could not express the model
    │   └── OnnxRefused     an ONNX file from elsewhere is damaged, or has something that no artifact can have
    ├── ParityError         the exported model does not equal its source
    │   ├── Amplified       it differs by more than twice what rounding alone does in a network that amplifies it
    │   └── BatchBaked      it does for one image at a time, and not for several
    ├── NotAnArtifact       a folder that was named is none
    └── ArtifactDamaged     an artifact's file is missing, truncated or altered
"""


class ExportError(Exception):
    """Base: one sentence of what happened (`message`), one of what to do (`remedy`)."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class ExportFailed(ExportError):
    """The model could not be turned into the asked-for format."""


class OnnxRefused(ExportFailed):
    """An ONNX file from elsewhere that cannot become an artifact as it is."""


class ParityError(ExportError):
    """The exported model's outputs differ from its source's by more than the tolerance."""


class Amplified(ParityError):
    """The difference is too large, in a network whose own rounding is large: nobody can say which pass is to blame."""


class BatchBaked(ParityError):
    """The exported model is right for one image at a time and wrong, or fails, for several."""


class NotAnArtifact(ExportError):
    """The folder that was named holds no artifact."""


class ArtifactDamaged(ExportError):
    """An artifact folder is not, or no longer, what its manifest says."""
