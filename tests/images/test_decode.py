"""Image files → pixels, for everything that people have: modes, depths, transparency, EXIF, sizes, damage."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images import decode
from groupnl_deploy.images.decode import DamagedImage, decoded, fitted, middle, usual_shape
from tests.images.pictures import picture

RED = (200, 40, 10)
SHAPE = (3, 8, 8)


def file_of(image: Image.Image, format: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def pixels_of(data: bytes, shape=SHAPE) -> np.ndarray:
    return fitted(decoded(data, Path("a.jpg"), shape), shape)


def colour_of(data: bytes, shape=SHAPE) -> list[float]:
    return pixels_of(data, shape).reshape(shape[0], -1).mean(axis=1).tolist()


def red(mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (16, 16), RED).convert(mode)


def see_through(mode: str, colour: object) -> Image.Image:
    return Image.new(mode, (16, 16), colour)


def sixteen_bits(value: int) -> Image.Image:
    return Image.fromarray(np.full((16, 16), value, np.uint16))


def without_adobes_mark(jpeg: bytes) -> bytes:
    start = jpeg.index(b"\xff\xee")
    return jpeg[:start] + jpeg[start + 2 + int.from_bytes(jpeg[start + 2 : start + 4], "big") :]


WHITE, BLUE = [255, 255, 255], Image.new("RGB", (16, 16), (0, 0, 255))


SEEN = {
    "jpeg": (file_of(red(), "JPEG", quality=95), RED),
    "cmyk of Adobe's": (file_of(red("CMYK"), "JPEG", quality=95), RED),
    "cmyk": (without_adobes_mark(file_of(Image.eval(red("CMYK"), lambda ink: 255 - ink), "JPEG", quality=95)), RED),
    "cmyk tiff": (file_of(red("CMYK"), "TIFF"), RED),
    "ycbcr tiff": (file_of(red("YCbCr"), "TIFF"), RED),
    "palette": (file_of(red().quantize(4), "PNG"), RED),
    "palette with a hole": (file_of(red().quantize(4), "PNG", transparency=0), WHITE),
    "rgb with a hole": (file_of(red(), "PNG", transparency=RED), WHITE),
    "grey with a hole": (file_of(see_through("L", 60), "PNG", transparency=60), WHITE),
    "grey and alpha": (file_of(see_through("LA", (0, 0)), "PNG"), WHITE),
    "webp and alpha": (file_of(see_through("RGBA", (*RED, 0)), "WEBP", lossless=True), WHITE),
    "half transparent": (file_of(see_through("RGBA", (*RED, 128)), "PNG"), [227, 147, 132]),
    "1 bit": (file_of(see_through("1", 1), "PNG"), WHITE),
    "16 bit png": (file_of(sixteen_bits(40000), "PNG"), [156] * 3),
    "16 bit tiff": (file_of(sixteen_bits(65535), "TIFF"), WHITE),
    "16 bit pgm": (file_of(sixteen_bits(40000), "PPM"), [156] * 3),
    "animated gif": (file_of(red(), "GIF", save_all=True, append_images=[BLUE]), RED),
    "animated png": (file_of(red(), "PNG", save_all=True, append_images=[BLUE]), RED),
    "animated webp": (file_of(red(), "WEBP", save_all=True, append_images=[BLUE], lossless=True), RED),
    "bmp": (file_of(red(), "BMP"), RED),
}


@pytest.mark.parametrize(("data", "colour"), SEEN.values(), ids=SEEN)
def test_what_people_see_becomes_rgb(data, colour):
    assert colour_of(data) == pytest.approx(colour, abs=2)


def test_one_channel_is_grey():
    assert colour_of(file_of(sixteen_bits(40000), "PNG"), (1, 8, 8)) == [156]
    assert colour_of(file_of(red(), "PNG"), (1, 8, 8)) == [np.asarray(red("L"))[0, 0]]
    assert usual_shape(None) == (3, 224, 224) and usual_shape((1, 4, 4)) == (1, 4, 4)
    with pytest.raises(UsageError, match="4 channels"):
        usual_shape((4, 8, 8))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_sets_an_image_upright(format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.new("RGB", (40, 24), RED)
    image.paste((0, 0, 250), (0, 0, 20, 12))
    data = file_of(image, format, exif=exif, **({"quality": 95} if format in ("JPEG", "WEBP") else {}))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    found = decoded(data, Path("a"), SHAPE, exact=True)
    assert found.size == upright.size and np.array_equal(np.asarray(found), np.asarray(upright))


def test_damaged_exif_harms_no_pixel():
    data = file_of(red(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03\xff\xff")
    assert colour_of(data) == pytest.approx(RED, abs=2)


@pytest.mark.parametrize("size", [(64, 32), (32, 64), (9, 200), (5, 4)])
def test_the_middle_is_cut_to_the_aspect_and_resized_with_antialiasing(size):
    image, shape = picture(1, size), (3, 12, 18)
    wanted = ImageOps.fit(image, (18, 12), Image.Resampling.BILINEAR)
    found = np.moveaxis(pixels_of(file_of(image, "PNG"), shape), 0, 2).astype(int)
    assert np.abs(found - np.asarray(wanted)).max() <= 1
    assert found.std() < 74 or size == (5, 4)  # of noise: many pixels became one


def test_an_image_of_the_wanted_size_stays_as_it_is():
    image = picture(2, (8, 8))
    assert np.array_equal(np.moveaxis(pixels_of(file_of(image, "PNG")), 0, 2), np.asarray(image))


def test_a_jpegs_own_reduction_leaves_hardly_a_trace():
    rows, columns = np.indices((480, 640))
    scene = np.stack([127 + 120 * np.sin(rows / 9), 127 + 120 * np.cos(columns / 7), (rows + columns) % 255], axis=2)
    data = file_of(Image.fromarray(scene.astype(np.uint8)), "JPEG", quality=92)
    assert decoded(data, Path("a"), (3, 32, 32)).size == (160, 120)
    exact = fitted(decoded(data, Path("a"), (3, 32, 32), exact=True), (3, 32, 32)).astype(float)
    error = np.sqrt(np.mean((pixels_of(data, (3, 32, 32)) - exact) ** 2))
    assert error < 2  # of 255


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.97])
def test_a_file_that_was_cut_short_is_never_half_an_image(format, share):
    data = file_of(picture(3, (64, 48)), format)
    with pytest.raises(DamagedImage, match=r"photos/a\.x is (damaged|no image)") as caught:
        decoded(data[: int(len(data) * share)], Path("photos/a.x"), SHAPE)
    assert caught.value.exit_code == 4 and caught.value.remedy


def test_a_jpeg_whose_end_was_never_written_is_damaged_and_one_with_more_behind_it_is_not():
    data = file_of(picture(4, (64, 48)), "JPEG", progressive=True)
    for damaged in (data[: len(data) // 2] + bytes(len(data) // 2), data[:-2]):
        with pytest.raises(DamagedImage, match="its end is missing"):
            decoded(damaged, Path("a.jpg"), SHAPE)
    assert np.array_equal(pixels_of(data + b"\xff\xda and a film"), pixels_of(data))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.png", b"", "a.png is empty"),
        ("a.jpg", b"<html>404</html>", "no image that Pillow knows"),
        ("a.heic", b"\0\0\0\x18ftypheic", "Pillow does not read a.heic"),
        (
            "a.tif",
            file_of(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF"),
            "nothing says which of them is wh",
        ),
        ("a\x1b[2J.png", b"", "a�\\[2J.png is empty"),
    ],
)
def test_what_is_no_image_here_has_its_own_message(name, data, message):
    with pytest.raises(DamagedImage, match=message):
        decoded(data, Path(name), SHAPE)


def test_an_image_that_would_fill_the_memory_is_refused_before_it_is_decoded(monkeypatch):
    data = file_of(Image.new("1", (10_001, 10_000)), "PNG")
    assert len(data) < 100_000
    with pytest.raises(DamagedImage, match=r"bomb\.png is too large an image"):
        decoded(data, Path("bomb.png"), SHAPE)
    monkeypatch.setattr(decode, "MOST_PIXELS", 500)
    with pytest.raises(DamagedImage, match="too large an image: 32x16 pixels"):
        decoded(file_of(picture(5, (32, 16)), "PNG"), Path("a.png"), SHAPE)


@pytest.mark.parametrize("format", ["EPS", "PDF", "IM", "XBM"])
def test_a_format_that_is_for_other_programs_is_opened_under_no_name(format) -> None:
    data = file_of(red("1" if format == "XBM" else "RGB"), format)
    with pytest.raises(DamagedImage, match="no image that Pillow knows"):
        pixels_of(data)


@pytest.mark.parametrize("target", [(32, 32), (73, 73), (110, 110), (146, 146), (182, 182), (224, 224), (329, 247)])
def test_the_window_lies_within_an_image_of_any_size(target):
    """87x87 for 146x146 once began at -7e-15, which Pillow refuses."""
    for side in range(1, 2000):
        for size in ((side, side), (side, 225), (300, side)):
            left, top, right, bottom = middle(size, *target)
            assert 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]
    assert fitted(Image.new("RGB", (87, 87)), (3, *target)).shape == (3, *target)
