"""CIFAR-10 and CIFAR-100 as Krizhevsky publishes them: their files, classes and statistics.

MD5 and sizes of the archives are those of https://www.cs.toronto.edu/~kriz/cifar.html and of torchvision.
"""

from dataclasses import dataclass
from typing import Literal

from groupnl_deploy.images.dataset import Statistics
from groupnl_deploy.images.published.known import KnownFile

ADDRESS = "https://www.cs.toronto.edu/~kriz/cifar.html"


@dataclass(frozen=True)
class Form:
    """One of the two forms of the same images in the same order.

    Args:
        kind: "binary" are records of bytes; "python" is a pickle.
        archive: what is to be fetched.
        folder: that the archive unpacks to.
        train: the files to train on, in their order.
        test: the file to test on.
        names: the file with the names of the classes.
        labels: of an image: in bytes ("binary"), or the key of the class ("python").
    """

    kind: Literal["binary", "python"]
    archive: KnownFile
    folder: str
    train: tuple[KnownFile, ...]
    test: KnownFile
    names: KnownFile
    labels: int | str

    @property
    def files(self) -> tuple[KnownFile, ...]:
        """Those with images."""
        return (*self.train, self.test)

    @property
    def remedy(self) -> str:
        """Where it is to be had, as sentences."""
        return f"Get {self.archive} from {ADDRESS}; the archive may stay packed."


@dataclass(frozen=True)
class Cifar:
    """One of the two data sets.

    Args:
        title: as people call it.
        class_names: by label.
        statistics: of the training images.
        forms: the preferred one first.
        images: how many are published to train and to test on.
    """

    title: str
    class_names: tuple[str, ...]
    statistics: Statistics
    forms: tuple[Form, ...]
    images: tuple[int, int] = (50_000, 10_000)


_CIFAR10 = Cifar(
    "CIFAR-10",
    ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    Statistics((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    (
        Form(
            "binary",
            KnownFile("cifar-10-binary.tar.gz", 170_052_171, "c32a1d4ab5d03f1284b67883e8d87530"),
            "cifar-10-batches-bin",
            tuple(KnownFile(f"data_batch_{number}.bin", 30_730_000) for number in range(1, 6)),
            KnownFile("test_batch.bin", 30_730_000),
            KnownFile("batches.meta.txt"),
            1,
        ),
        Form(
            "python",
            KnownFile("cifar-10-python.tar.gz", 170_498_071, "c58f30108f718f92721af3b95e74349a"),
            "cifar-10-batches-py",
            (
                KnownFile("data_batch_1", md5="c99cafc152244af753f735de768cd75f"),
                KnownFile("data_batch_2", md5="d4bba439e000b95fd0a9bffe97cbabec"),
                KnownFile("data_batch_3", md5="54ebc095f3ab1f0389bbae665268c751"),
                KnownFile("data_batch_4", md5="634d18415352ddfa80567beed471001a"),
                KnownFile("data_batch_5", md5="482c414d41f54cd18b22e5b47cb7c3cb"),
            ),
            KnownFile("test_batch", md5="40351d587109b95175f43aff81a1287e"),
            KnownFile("batches.meta", md5="5ff9c542aee3614f3951f8cda6e48888"),
            "labels",
        ),
    ),
)
_FINE = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
_CIFAR100 = Cifar(
    "CIFAR-100",
    tuple(_FINE.split()),
    Statistics((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    (
        Form(
            "binary",
            KnownFile("cifar-100-binary.tar.gz", 168_513_733, "03b5dce01913d631647c71ecec9e9cb8"),
            "cifar-100-binary",
            (KnownFile("train.bin", 153_700_000, "6172c7755cfe09b2fe270c85cebc1b15"),),
            KnownFile("test.bin", 30_740_000, "4499cfba6c016c1be1438163640a0898"),
            KnownFile("fine_label_names.txt"),
            2,
        ),
        Form(
            "python",
            KnownFile("cifar-100-python.tar.gz", 169_001_437, "eb9058c3a382ffc7106e4002c42a8d85"),
            "cifar-100-python",
            (KnownFile("train", md5="16019d7e3df5f24257cddd939b257f8d"),),
            KnownFile("test", md5="f0ef6b0ae62326f3e7ffdfab6717acfc"),
            KnownFile("meta", md5="7973b15100ade9c7d40fb424638fde48"),
            "fine_labels",
        ),
    ),
)
CIFAR = {"cifar10": _CIFAR10, "cifar100": _CIFAR100}
