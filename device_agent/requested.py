"""What a request names, checked before it is used: the backend, its settings, the artifact and its native library."""

from pathlib import Path

from device_agent.artifact import open_artifact
from device_agent.backend_table import BACKENDS, native_refusal, require_read
from device_agent.backends import Subject, require_libraries
from device_agent.errors import BadRequest
from device_agent.machine import installed_version
from device_agent.manifest import ArtifactManifest
from device_agent.native_store import choose_here, folder_of, require_whole
from device_agent.places import below
from device_agent.probe import usable_cores
from device_agent.settings import SettingError, Settings


def requested_subject(root: Path, directory: str, manifest_sha256: str, backend: str, settings: Settings) -> Subject:
    """The verified artifact, which lies below the root. Raises an `AgentError` for what this device cannot do."""
    require_libraries(backend)
    _require_settings(backend, settings)
    folder, libraries = below(root, directory), folder_of(root)
    manifest = open_artifact(folder, manifest_sha256)
    _require_format(backend, manifest)
    if manifest.native is not None and (refusal := native_refusal(backend)) is not None:
        raise BadRequest(*refusal)
    if manifest.native is not None and BACKENDS[backend].computes:
        installed = installed_version(manifest.native.runtime)
        choice = choose_here(manifest.native, installed, settings.threads or usable_cores())
        require_whole(libraries, choice.library)
    return Subject(folder, manifest, libraries)


def _require_settings(backend: str, settings: Settings) -> None:
    try:
        require_read(backend, settings)
    except SettingError as error:
        raise BadRequest(error.problem, error.remedy) from error
    if settings.threads > usable_cores():
        raise BadRequest(
            f"{settings.threads} threads were asked for, but this process may use {usable_cores()} cores.",
            "Ask for as many threads as the device has cores, or 0 for all of them.",
        )


def _require_format(backend: str, manifest: ArtifactManifest) -> None:
    entry = BACKENDS.get(backend)
    if entry is not None and manifest.format not in entry.formats:
        raise BadRequest(
            f"The backend {backend} runs artifacts of format {' or '.join(entry.formats)}, not {manifest.format}.",
            f"Export with --format {entry.formats[0]} and push that.",
        )
