"""How a network is trained, as plain data."""

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

from device_agent.manifest import INTERPOLATIONS, Interpolation, View
from groupnl_deploy.errors import InvalidSetting

AugmentationWord = Literal["none", "shift", "shift_flip", "crop_flip_jitter", "random_resized_crop"]
AUGMENTATIONS: tuple[AugmentationWord, ...] = get_args(AugmentationWord)
OptimiserWord = Literal["sgd", "adamw", "rmsproptf"]
OPTIMISERS: tuple[OptimiserWord, ...] = get_args(OptimiserWord)
ScheduleWord = Literal["cosine", "multistep", "epoch_cosine", "epoch_step"]
SCHEDULES: tuple[ScheduleWord, ...] = get_args(ScheduleWord)
Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
MOST_THREADS = 1024
MOST_JITTER = 0.9
MOST_VIEWS = 8
ANY_DEPTH = 3
"""A depth of AugMix: one, two or three operations a chain, each as often."""
AUGMIX_DEPTHS = (1, ANY_DEPTH)


class InvalidRecipe(InvalidSetting, ValueError):
    """A number in a recipe trains nothing; a `ValueError` too, so that strict decoding names its place."""


@dataclass(frozen=True)
class Recipe:
    """An optimiser, a schedule of its learning rate, and what happens to images, weights and gradients meanwhile.

    With the defaults (SGD with momentum, a linear warm-up, then a cosine to zero, gradients clipped) ResNet-18 at
    width 0.25 read 98.3 to 99.7 % of the test digits, over three seeds of the standard net and of GroupNL's two
    semantics. The batch is small because steps, not images, are what so short a training lacks. `recipes.RECIPES` has
    this one and others by name.

    Args:
        epochs: passes over the training images.
        batch_size: images a step.
        lr: the learning rate after the warm-up.
        momentum: of SGD and RMSprop; β₁ of AdamW.
        weight_decay: L2 penalty on every learnable parameter, see `decay_vectors`; of AdamW, apart from the gradient.
        clip_norm: largest L2 norm of the whole gradient, None for no limit. Without a limit GroupNL nets of
            the paper's semantics (seed maps not normalised) diverge to NaN.
        warmup_epochs: the learning rate rises linearly over this many epochs.
        max_shift_pixels: with "shift" and "shift_flip" each training image moves by up to this many pixels in both
            directions; what comes in is black. 4 is the usual padding by 4 pixels and random crop.
        seed: of shuffling and altering. The network's own seed is in its spec.
        threads: that PyTorch computes with. Their number decides the order in which sums are added up, and so the last
            bits of every weight. As a part of the recipe it keeps the weights from depending on how many cores there
            are and what else they compute. 0 is as many as PyTorch takes by itself; then they do depend on it.
        augmentation: what happens to training images: "none"; "shift", without mirroring, for a mirrored digit is no
            digit; "shift_flip", mirrored or not; "crop_flip_jitter": a random window, mirrored or not, in other light;
            "random_resized_crop": a window of random size and aspect, by timm (arXiv 1409.4842), mirrored or not.
        flip: whether these mirror half of the images, left to right.
        jitter: by how much, as a share, "crop_flip_jitter" changes brightness, contrast and saturation at most.
        decay_vectors: whether the weight decay is on biases and normalisations as well; if not, on the weights of
            convolutions and linear layers alone.
        label_smoothing: the share of the loss that asks for all classes alike.
        lr_decay_by_depth: the head learns at `lr`, the stage before it at this times that, and so on down to the stem.
        freeze: the stage, or any module by its dotted name, up to which nothing is learned.
        accumulate: the number of parts in which a batch is computed, one after the other: the same step in less
            memory, but each part has batch statistics of its own.
        precision: of the convolutions and matrix products: "fp32", or mixed with "bf16", or with "fp16" whose loss is
            scaled.
        ema_decay: of the moving average of weights and batch statistics that is tested and kept in place of the raw
            ones; None keeps the raw ones.
        channels_last: the memory format on a GPU. It is left out of account on a CPU, where PyTorch 2.13 computes
            wrongly in it.
        compile: whether the network is compiled by `torch.compile`.
        optimiser: "sgd"; "adamw" (arXiv 1711.05101); "rmsproptf": RMSprop as TensorFlow has it, by timm.
        nesterov: whether the momentum of SGD is Nesterov's.
        square_decay: of the running mean of squared gradients: β₂ of AdamW, α of RMSprop.
        optimiser_eps: what is added to the root of that mean (AdamW) or to the mean itself (RMSprop).
        lr_batch: the images of a step that `lr` is meant for; the rate is scaled in proportion where a step has
            another number. None is as many as `batch_size`.
        schedule: "cosine": from step to step, behind the warm-up, down to `min_lr`; "multistep": times `decay_rate`
            at half and at three quarters of the epochs; "epoch_cosine" and "epoch_step":
            timm's, from epoch to epoch, which count the epochs of the warm-up.
        min_lr: where a cosine ends.
        warmup_lr: where the warm-up begins.
        cooldown_epochs: trained at `min_lr` behind the `epochs` of "epoch_cosine".
        decay_rate: what "multistep" and "epoch_step" multiply the rate by,
        decay_epochs: the latter each time that so many epochs are over.
        lr_noise: from and up to which share of `epochs` timm's schedules multiply the rate by 1 + a normal number of
            standard deviation 1 between -0.67 and 0.67, which the seed and the epoch decide; None for no noise.
        drop_path: the share of images for which the last residual block is left out in a step (arXiv 1603.09382); it
            falls linearly to 0 at the first block.
        dropout: the share of the head's inputs that are 0 in a step.
        crop_scale: the least and the largest share of an image that "random_resized_crop" shows, of aspect 3:4 to 4:3.
        rand_augment: timm's words for the operations that change each image, such as "rand-m9-mstd0.5-inc1"
            (arXiv 1909.13719); None for none.
        erasing: the share of images in which a rectangle becomes noise, by timm (arXiv 1708.04896).
        mixup: α of the Beta distribution of how two images are blended, by timm (arXiv 1710.09412); 0 for never.
        cutmix: α of that of how large a part of one image stands in another, by timm (arXiv 1905.04899); 0 for never.
            Of both, every batch takes one, each as often.
        augmix: W, D and J of AugMix (arXiv 1912.02781), by timm: J views of each image go through the network at once,
            itself and J - 1 that are blended with W chains of up to D operations; 1,3,4 is ERA (arXiv 2410.07691). J of
            0 is one blended view alone. None for none.
        jsd: what the Jensen-Shannon divergence of the views' answers counts beside the cross-entropy of the image.
        test_crop: the share of the shorter side of a photograph that the network is shown when it is tested, see
            `device_agent.manifest.View`; None is as the data set has it. The images of some data sets are shown whole.
        test_interpolation: how the photograph is resized for that, "bilinear" or "bicubic".
    """

    epochs: int = 5
    batch_size: int = 32
    lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    clip_norm: float | None = 1.0
    warmup_epochs: float = 0.5
    max_shift_pixels: int = 1
    seed: int = 0
    threads: int = 1
    augmentation: AugmentationWord = "shift"
    flip: bool = True
    jitter: float = 0.3
    decay_vectors: bool = True
    label_smoothing: float = 0.0
    lr_decay_by_depth: float = 1.0
    freeze: str | None = None
    accumulate: int = 1
    precision: Precision = "fp32"
    ema_decay: float | None = None
    channels_last: bool = False
    compile: bool = False
    optimiser: OptimiserWord = "sgd"
    nesterov: bool = False
    square_decay: float = 0.999
    optimiser_eps: float = 1e-8
    lr_batch: int | None = None
    schedule: ScheduleWord = "cosine"
    min_lr: float = 0.0
    warmup_lr: float = 0.0
    cooldown_epochs: int = 0
    decay_rate: float = 0.1
    decay_epochs: float = 30.0
    lr_noise: tuple[float, float] | None = None
    drop_path: float = 0.0
    dropout: float = 0.0
    crop_scale: tuple[float, float] = (0.08, 1.0)
    rand_augment: str | None = None
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    augmix: tuple[int, int, int] | None = None
    jsd: float = 12.0
    test_crop: float | None = None
    test_interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        _require(self.epochs >= 1, "epochs", self.epochs, "at least 1")
        _require(self.batch_size >= 2, "batch_size", self.batch_size, "at least 2, for batch normalisation")
        _require(_positive(self.lr), "lr", self.lr, "a positive number")
        _require(0 <= self.momentum < 1, "momentum", self.momentum, "at least 0 and below 1")
        _require(_zero_or_more(self.weight_decay), "weight_decay", self.weight_decay, "at least 0")
        _require(self.clip_norm is None or _positive(self.clip_norm), "clip_norm", self.clip_norm, "a positive number")
        _require(_zero_or_more(self.warmup_epochs), "warmup_epochs", self.warmup_epochs, "at least 0")
        _require(self.max_shift_pixels >= 0, "max_shift_pixels", self.max_shift_pixels, "at least 0")
        _require(0 <= self.threads <= MOST_THREADS, "threads", self.threads, f"between 0 and {MOST_THREADS:,}")
        _require_word("augmentation", self.augmentation, AUGMENTATIONS)
        _require(0 <= self.jitter <= MOST_JITTER, "jitter", self.jitter, f"between 0 and {MOST_JITTER}")
        _require(0 <= self.label_smoothing < 1, "label_smoothing", self.label_smoothing, "at least 0 and below 1")
        _require(0 < self.lr_decay_by_depth <= 1, "lr_decay_by_depth", self.lr_decay_by_depth, "above 0 and at most 1")
        parted = self.accumulate >= 1 and 2 * self.accumulate <= self.batch_size
        _require(parted, "accumulate", self.accumulate, f"from 1 to {self.batch_size // 2}, half the batch size")
        _require_word("precision", self.precision, PRECISIONS)
        averaged = self.ema_decay is None or 0 < self.ema_decay < 1
        _require(averaged, "ema_decay", self.ema_decay, "above 0 and below 1")
        self._require_descent()
        self._require_regularisation()
        self._require_view()

    def _require_descent(self) -> None:
        """Of optimiser and schedule."""
        _require_word("optimiser", self.optimiser, OPTIMISERS)
        _require(self.momentum > 0 or not self.nesterov, "momentum", self.momentum, "above 0 for Nesterov's")
        _require(0 <= self.square_decay < 1, "square_decay", self.square_decay, "at least 0 and below 1")
        _require(_positive(self.optimiser_eps), "optimiser_eps", self.optimiser_eps, "a positive number")
        _require(self.lr_batch is None or self.lr_batch >= 1, "lr_batch", self.lr_batch, "at least 1")
        _require_word("schedule", self.schedule, SCHEDULES)
        _require(_zero_or_more(self.min_lr) and self.min_lr <= self.lr, "min_lr", self.min_lr, "from 0 to lr")
        _require(
            _zero_or_more(self.warmup_lr) and self.warmup_lr <= self.lr, "warmup_lr", self.warmup_lr, "from 0 to lr"
        )
        _require(self.cooldown_epochs >= 0, "cooldown_epochs", self.cooldown_epochs, "at least 0")
        _require(0 < self.decay_rate <= 1, "decay_rate", self.decay_rate, "above 0 and at most 1")
        _require(_positive(self.decay_epochs), "decay_epochs", self.decay_epochs, "a positive number")
        if self.lr_noise is not None:
            _require_shares("lr_noise", self.lr_noise)

    def _require_regularisation(self) -> None:
        """Of what keeps a network from learning by heart."""
        for name in ("drop_path", "dropout"):
            _require(0 <= getattr(self, name) < 1, name, getattr(self, name), "at least 0 and below 1")
        _require(0 <= self.erasing <= 1, "erasing", self.erasing, "between 0 and 1")
        for name in ("mixup", "cutmix"):
            _require(_zero_or_more(getattr(self, name)), name, getattr(self, name), "at least 0")
        _require_shares("crop_scale", self.crop_scale)
        _require(self.crop_scale[1] > 0, "crop_scale", _listed(self.crop_scale), "two shares, the second above 0")
        _require(_zero_or_more(self.jsd), "jsd", self.jsd, "at least 0")
        self._require_augmix()
        said = self.rand_augment
        _require(said is None or said.startswith("rand-"), "rand_augment", said, "timm's, such as rand-m9-mstd0.5-inc1")

    def _require_augmix(self) -> None:
        if self.augmix is None:
            return
        width, depth, views = self.augmix
        fits = width >= 1 and depth in AUGMIX_DEPTHS and (views == 0 or 2 <= views <= MOST_VIEWS)
        form = f"a width from 1, a depth of 1 or 3, and 0 or 2 to {MOST_VIEWS} views, such as 1,3,4"
        _require(fits, "augmix", _listed(self.augmix), form)
        others = [name for name in ("mixup", "cutmix", "erasing", "rand_augment") if getattr(self, name)]
        _require(not others, "augmix", _listed(self.augmix), f"none beside {', '.join(others)}")

    def _require_view(self) -> None:
        shown = self.test_crop is None or 0 < self.test_crop <= 1
        _require(shown, "test_crop", self.test_crop, "above 0 and at most 1")
        _require_word("test_interpolation", self.test_interpolation, INTERPOLATIONS)

    @property
    def view(self) -> View | None:
        """What of a photograph the network is shown when it is tested; None is as the data set has it."""
        return None if self.test_crop is None else View(self.test_crop, self.test_interpolation)

    def of_epochs(self, epochs: int) -> "Recipe":
        """The same for so many epochs, of which a warm-up takes half at the most: short trainings need their rate."""
        return replace(self, epochs=epochs, warmup_epochs=min(self.warmup_epochs, epochs / 2))

    @property
    def all_epochs(self) -> int:
        """Passes over the training images in all: those of the schedule, and of its cool-down behind them."""
        return self.epochs + (self.cooldown_epochs if self.schedule == "epoch_cosine" else 0)

    @property
    def mixes(self) -> bool:
        """Whether images are mixed with one another, and their labels with them."""
        return self.mixup > 0 or self.cutmix > 0


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _zero_or_more(value: float) -> bool:
    return math.isfinite(value) and value >= 0


def _require_word(name: str, word: str, known: tuple[str, ...]) -> None:
    _require(word in known, name, word, f"one of {', '.join(known)}")


def _require_shares(name: str, pair: tuple[float, float]) -> None:
    low, high = pair
    _require(0 <= low <= high <= 1, name, _listed(pair), "two shares from 0 to 1, the smaller one first")


def _listed(pair: tuple[float, ...]) -> str:
    return ",".join(f"{share:g}" for share in pair)


def _require(holds: bool, name: str, value: float | str | None, wanted: str) -> None:
    if not holds:
        raise InvalidRecipe(f"The recipe's {name} is {value}.", f"It must be {wanted}.", name)
