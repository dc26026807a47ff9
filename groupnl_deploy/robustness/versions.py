"""The versions of whatever may decide a bit of a corrupted image."""

from importlib.metadata import PackageNotFoundError, version

from PIL import features

from groupnl_deploy.version import __version__

_OPENCV = ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python")


def versions() -> dict[str, str]:
    """By name; without OpenCV where it is not installed."""
    found = {"groupnl": __version__} | {name: version(name) for name in ("numpy", "scipy", "pillow")}
    opencv = next(filter(None, map(_installed, _OPENCV)), None)
    turbo = features.version_feature("libjpeg_turbo")
    return found | ({"libjpeg-turbo": turbo} if turbo else {}) | ({"opencv": opencv} if opencv else {})


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
