"""AlexNet's errors on ImageNet-C, and the mean corruption error that is divided by them. Pure.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations"
(arXiv 1903.12261): of each of the usual fifteen corruptions the sum of a network's five errors, divided by that of
AlexNet's; then the mean. It means nothing for other images than those of ImageNet-C.
"""

from collections.abc import Collection
from statistics import fmean

from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.robustness import USUAL, Errors, NamedMean
from groupnl_deploy.images.corrupted import SEVERITIES

IMAGENET_C = "imagenetc"

ALEXNET_ERRORS: dict[str, tuple[float, float, float, float, float]] = {
    "gaussian_noise": (0.69528, 0.82542, 0.93554, 0.98138, 0.99452),
    "shot_noise": (0.71224, 0.85108, 0.93574, 0.98182, 0.99146),
    "impulse_noise": (0.78374, 0.89808, 0.94870, 0.98720, 0.99548),
    "defocus_blur": (0.65624, 0.73202, 0.85036, 0.91364, 0.94714),
    "glass_blur": (0.64308, 0.75054, 0.88806, 0.91622, 0.93344),
    "motion_blur": (0.58430, 0.70048, 0.82108, 0.89750, 0.92638),
    "zoom_blur": (0.70008, 0.76992, 0.80784, 0.84198, 0.87198),
    "snow": (0.71726, 0.88392, 0.86468, 0.91870, 0.94952),
    "frost": (0.61390, 0.79734, 0.88790, 0.89942, 0.93430),
    "fog": (0.67474, 0.76050, 0.84378, 0.87260, 0.94500),
    "brightness": (0.45140, 0.48502, 0.54048, 0.62166, 0.72440),
    "contrast": (0.64548, 0.76150, 0.88874, 0.97760, 0.99270),
    "elastic_transform": (0.52596, 0.70116, 0.55686, 0.64076, 0.80554),
    "pixelate": (0.52218, 0.54620, 0.73728, 0.87092, 0.91262),
    "jpeg_compression": (0.51002, 0.54718, 0.57294, 0.65458, 0.74778),
}
"""Top-1 errors at severities 1 to 5, by name: lists of them without names have been paired in another order."""


def relative_to_alexnet(errors: Errors, dataset: str, origin: str) -> NamedMean:
    """The mean corruption error of the usual fifteen as a share of AlexNet's: 1 is as good as that.

    Args:
        errors: of the network.
        dataset: the name of the images' data set.
        origin: "published" or "generated".

    Raises `UsageError` for other images than those of ImageNet-C, and where one of the fifteen or a severity is
    missing.
    """
    require_imagenet_c(dataset, origin)
    whole = [name for name in USUAL if set(errors.get(name, ())) == set(SEVERITIES)]
    require_usual(whole, SEVERITIES)
    each = (sum(errors[name].values()) / sum(ALEXNET_ERRORS[name]) for name in USUAL)
    return NamedMean("mCE of 15 relative to AlexNet", fmean(each), True)


def require_imagenet_c(dataset: str, origin: str) -> None:
    """Raise `UsageError` for other images than those of ImageNet-C."""
    if (dataset, origin) != (IMAGENET_C, "published"):
        raise UsageError(
            f"AlexNet's errors are of ImageNet-C as it was published, and these images are of {dataset}, {origin}.",
            "Take the plain mean, which every evaluation has, or name the published images: --dataset imagenetc.",
        )


def require_usual(corruptions: Collection[str], severities: Collection[int]) -> None:
    """Raise `UsageError` unless the usual fifteen are among these, and all severities."""
    missing = [name for name in USUAL if name not in corruptions or set(severities) != set(SEVERITIES)]
    if missing:
        raise UsageError(
            f"A mean relative to AlexNet is of the usual fifteen corruptions at all severities, and {missing[0]} is "
            "not there at all of them.",
            "Evaluate with --corruptions all and without --severities.",
        )
