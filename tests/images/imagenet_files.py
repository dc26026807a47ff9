"""A small ImageNet in the three layouts, and an ImageNet-C: four classes that the mapping or the kit names as all."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

CLASSES = ("n01440764", "n02085620", "n03000134", "n15075141")  # sorted
IN_TRAIN, IN_VAL = 3, 8  # of each class; all


def image_bytes(seed: int, size: tuple[int, int] = (40, 30), mode: str = "RGB", format: str = "JPEG") -> bytes:
    random = np.random.default_rng(seed)
    mean, std = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))
    blocks = np.clip(random.normal(mean, std, (3, 4, 3)) * 255, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).convert(mode).save(stream, format)
    return stream.getvalue()


def truth() -> list[str]:
    """The wnid of each validation image, in the order of their numbers."""
    return [CLASSES[(3 * number + 1) % 4] for number in range(IN_VAL)]


def name_of(number: int) -> str:
    return f"ILSVRC2012_val_{number + 1:08}.JPEG"


def write_train(root: Path) -> None:
    for label, wnid in enumerate(CLASSES):
        (root / wnid).mkdir(parents=True)
        for number in range(IN_TRAIN):
            # One file of the real ones is a PNG by its content, and some are CMYK.
            odd = {0: {"format": "PNG"}, 1: {"mode": "CMYK"}}.get(number if label == 0 else -1, {})
            (root / wnid / f"{wnid}_{number}.JPEG").write_bytes(image_bytes(10 * label + number, **odd))


def write_val(root: Path, flat: bool) -> None:
    for number, wnid in enumerate(truth()):
        folder = root if flat else root / wnid
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name_of(number)).write_bytes(image_bytes(1000 + number))


def write_mapping(root: Path) -> None:
    lines = [f"{wnid} tench, Tinca tinca" for wnid in CLASSES]
    (root / "LOC_synset_mapping.txt").write_text("\n".join(lines) + "\n")


def write_solution(root: Path) -> None:
    """Kaggle's, which is not in the order of the numbers."""
    rows = [f"{Path(name_of(number)).stem},{wnid} 85 1 499 272 {wnid} 1 2 3 4 " for number, wnid in enumerate(truth())]
    (root / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *reversed(rows)]) + "\n")


def write_devkit(folder: Path) -> None:
    """IDs that are in no order of the wnids, and a synset with children, which is no class."""
    folder.mkdir(parents=True)
    ids = {wnid: id for id, wnid in enumerate(reversed(CLASSES), start=1)}
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height"]
    rows = [(id, wnid, "words", "gloss", 0, 0, 0) for wnid, id in ids.items()]
    rows.append((9, "n00001740", "entity", "gloss", 4, np.array([1, 2, 3, 4]), 19))
    synsets = np.array(
        [tuple(np.array(value) if isinstance(value, int) else value for value in row) for row in rows],
        dtype=[(field, object) for field in fields],
    )
    savemat(folder / "meta.mat", {"synsets": synsets.reshape(-1, 1)})
    lines = [str(ids[wnid]) for wnid in truth()]
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text("\n".join(lines) + "\n")


def write_torchvision(root: Path, val: str = "val") -> Path:
    write_train(root / "train")
    write_val(root / val, flat=False)
    write_mapping(root)
    return root


def write_kaggle(root: Path) -> Path:
    images = root / "ILSVRC" / "Data" / "CLS-LOC"
    write_train(images / "train")
    write_val(images / "val", flat=True)
    (images / "test").mkdir()
    write_mapping(root)
    write_solution(root)
    return root


def write_imagenet_c(root: Path, size: tuple[int, int] = (224, 224)) -> Path:
    """Two corruptions at two severities; a file's seed says which."""
    for place, word in enumerate(("noise/gaussian_noise", "fog")):
        for severity in (1, 5):
            for number, wnid in enumerate(truth()):
                folder = root / word / str(severity) / wnid
                folder.mkdir(parents=True, exist_ok=True)
                (folder / name_of(number)).write_bytes(image_bytes(100 * place + 10 * severity + number, size))
    write_mapping(root)
    return root
