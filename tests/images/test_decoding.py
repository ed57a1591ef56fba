import io
import struct
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from tests.bound_by_permissions import CAN_BE_BOUND, run_bound
from tests.images.costly_pictures import deep_png, many_scans
from unitscope.errors import ImageAccessError, ImageError, ImageTooLargeError
from unitscope.images import decode
from unitscope.images.bit_depth import grey_to_rgb
from unitscope.images.decoding import pixels_in, pixels_of_plain_jpeg
from unitscope.images.limits import MAX_PIXELS, UNTRUSTED, Limits, check_size

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
RED, WHITE = (255, 0, 0), (255, 255, 255)


YCBCR_TIFF = pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 13, reason="Pillow before 13 takes a TIFF in YCbCr for truncated"
)


def pixels(path: Path) -> np.ndarray:
    image = decode(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path: Path, *, size: tuple[int, int], depth: int, colour: int, rows: bytes, extra: bytes = b"") -> None:
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm", "webp"])
def test_a_lossless_rgb_file_is_decoded_exactly(tmp_path, suffix):
    values = noise(5, 7, 3)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(values).save(path, **({"lossless": True} if suffix == "webp" else {}))
    assert np.array_equal(pixels(path), values)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif", "gif"])
def test_a_lossy_file_is_decoded_approximately(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (16, 16), (200, 60, 30)).save(path)
    assert np.abs(pixels(path).astype(int) - (200, 60, 30)).max() <= 6


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "expected"),
    [
        ("1", 1, "png", (255, 255, 255)),
        ("L", 77, "png", (77, 77, 77)),
        ("L", 77, "jpg", (77, 77, 77)),
        ("CMYK", (0, 255, 255, 0), "tiff", (255, 0, 0)),
        ("CMYK", (0, 255, 255, 0), "jpg", (254, 0, 0)),
        pytest.param("YCbCr", (76, 85, 255), "tiff", (254, 0, 0), marks=YCBCR_TIFF),
        ("LAB", (255, 128, 128), "tiff", (255, 255, 255)),
    ],
)
def test_every_colour_mode_becomes_rgb(tmp_path, mode, colour, suffix, expected):
    path = tmp_path / f"a.{suffix}"
    Image.new(mode, (8, 8), colour).save(path)
    assert np.abs(pixels(path).astype(int) - expected).max() <= 3


def test_transparency_is_composited_on_white(tmp_path):
    values = np.zeros((1, 3, 4), np.uint8)
    values[0, :, :3] = RED
    values[0, :, 3] = 0, 128, 255
    Image.fromarray(values).save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").tolist() == [[list(WHITE), [255, 127, 127], list(RED)]]


def test_grey_with_alpha_is_composited_on_white(tmp_path):
    Image.new("LA", (2, 2), (0, 0)).save(tmp_path / "a.png")
    assert (pixels(tmp_path / "a.png") == 255).all()


@pytest.mark.parametrize("transparency", [0, b"\x00\xff"], ids=["one entry", "alpha of each entry"])
def test_a_palette_is_applied_and_its_transparent_entry_becomes_white(tmp_path, transparency):
    image = Image.new("P", (2, 1))
    image.putpalette([0, 255, 0, *RED])
    image.putdata([0, 1])
    image.save(tmp_path / "a.png", transparency=transparency)
    assert pixels(tmp_path / "a.png").tolist() == [[list(WHITE), list(RED)]]


def test_16_bit_grey_is_divided_by_257_and_never_clipped(tmp_path):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    Image.fromarray(values).save(tmp_path / "a.png")
    Image.fromarray(values).save(tmp_path / "a.tiff")
    for name in ("a.png", "a.tiff"):
        assert np.array_equal(pixels(tmp_path / name)[..., 0], np.rint(values / 257))


def test_16_bit_grey_of_the_other_byte_order_is_the_same(tmp_path):
    values = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    Image.frombytes("I;16B", (16, 16), values.astype(">u2").tobytes()).save(tmp_path / "a.tiff")
    assert np.array_equal(pixels(tmp_path / "a.tiff")[..., 0], np.rint(values / 257))


def test_16_bit_rgb_is_accurate_to_one_level(tmp_path):
    values = np.linspace(0, 65535, 64 * 3).astype(np.uint16).reshape(8, 8, 3)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    write_png(tmp_path / "a.png", size=(8, 8), depth=16, colour=2, rows=rows)
    assert np.abs(pixels(tmp_path / "a.png") - values / 257).max() <= 1


def test_float_from_0_to_1_becomes_0_to_255(tmp_path):
    Image.fromarray(np.array([[0, 0.2, 1]], np.float32)).save(tmp_path / "a.tiff")
    assert pixels(tmp_path / "a.tiff")[0, :, 0].tolist() == [0, 51, 255]


def test_float_of_any_other_range_is_stretched_from_lowest_to_highest(tmp_path):
    Image.fromarray(np.array([[-1000, 0, 3000]], np.float32)).save(tmp_path / "a.tiff")
    assert pixels(tmp_path / "a.tiff")[0, :, 0].tolist() == [0, 64, 255]


def test_an_animation_gives_its_first_frame(tmp_path):
    first, second = Image.new("RGB", (4, 4), RED), Image.new("RGB", (4, 4), (0, 0, 255))
    for name, options in {"a.gif": {}, "a.png": {}, "a.webp": {"lossless": True}, "a.tiff": {}}.items():
        first.save(tmp_path / name, save_all=True, append_images=[second], **options)
        assert (pixels(tmp_path / name) == RED).all(), name


UPRIGHT = {  # what EXIF says was done to the picture → how NumPy undoes it
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


def exif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_each_exif_orientation_is_applied(tmp_path, orientation):
    values = noise(3, 5, 3, seed=orientation)
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif_of(orientation))
    assert np.array_equal(pixels(tmp_path / "a.png"), UPRIGHT[orientation](values))


def test_the_exif_orientation_is_reset_after_it_is_applied(tmp_path):
    Image.new("RGB", (6, 4)).save(tmp_path / "a.jpg", exif=exif_of(6))
    image = decode(tmp_path / "a.jpg")
    assert image.size == (4, 6)
    assert image.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("exif", [b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense", exif_of(6)[:-6]])
def test_an_image_with_broken_exif_is_still_decoded(tmp_path, exif):
    Image.new("RGB", (6, 4), RED).save(tmp_path / "a.jpg", exif=exif)
    assert decode(tmp_path / "a.jpg").mode == "RGB"


def test_a_jpeg_is_decoded_at_full_quality():
    path = next((SHARED / "imagenet-sample").glob("*/*"), None)
    if path is None:
        pytest.skip("shared/data/imagenet-sample is not here")
    with Image.open(path) as image:
        assert np.array_equal(pixels(path), np.asarray(image.convert("RGB")))


def test_an_empty_file_is_reported_as_empty(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(ImageError, match="empty file"):
        decode(tmp_path / "a.jpg")


@pytest.mark.parametrize("content", [b"hello, I am text\n" * 50, bytes(range(256)) * 8], ids=["text", "bytes"])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.txt", "a"])
def test_a_file_that_is_not_an_image_is_reported(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match="not an image"):
        decode(tmp_path / name)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "tiff", "webp", "gif", "avif"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_file_is_an_error_in_every_format(tmp_path, suffix, share):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise(80, 80, 3)).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ImageError, match=r"truncated|broken|not an image"):
        decode(path)


def test_a_truncated_jpeg_is_reported_as_truncated(tmp_path):
    Image.fromarray(noise(80, 80, 3)).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:3000])
    with pytest.raises(ImageError, match="truncated"):
        decode(tmp_path / "a.jpg")


@pytest.mark.parametrize("side", [13_400, 30_000], ids=["where Pillow warns", "where Pillow refuses"])
def test_a_decompression_bomb_is_refused_from_its_header(tmp_path, side):
    assert side * side > MAX_PIXELS
    write_png(tmp_path / "a.png", size=(side, side), depth=8, colour=2, rows=b"")
    with pytest.raises(ImageError, match=r"over the limit of 179\.0 megapixels"):
        decode(tmp_path / "a.png")


@pytest.mark.parametrize("seed", range(40))
def test_random_corruption_gives_a_picture_or_an_image_error(tmp_path, seed):
    suffix = ("jpg", "png", "gif", "tiff", "webp", "bmp")[seed % 6]
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise(20, 20, 3)).save(path)
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    random = np.random.default_rng(seed)
    content[random.integers(0, min(len(content), 200), 6)] = random.integers(0, 256, 6)
    path.write_bytes(content.tobytes())
    assert picture_or_error(path) == "RGB" or path.name in picture_or_error(path)


def picture_or_error(path):
    try:
        return decode(path).mode
    except ImageError as problem:
        return str(problem)


def test_an_image_just_over_the_limit_is_refused_even_if_pillow_has_no_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    write_png(tmp_path / "a.png", size=(13_400, 13_400), depth=8, colour=2, rows=b"")
    with pytest.raises(ImageError, match="179.6 megapixels is over the limit of 179.0".replace(".", r"\.")):
        decode(tmp_path / "a.png")


def test_a_missing_file_and_a_folder_are_image_errors(tmp_path):
    with pytest.raises(ImageError, match="no image file"):
        decode(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match=r"is a folder|denied"):
        decode(tmp_path)


DECODE = """
import sys
from unitscope.errors import ImageAccessError
from unitscope.images import decode
try:
    decode(sys.argv[1])
except ImageAccessError as problem:
    print(problem)
"""


@pytest.mark.skipif(not CAN_BE_BOUND, reason="root needs `setpriv` to be refused a file")
def test_a_file_without_read_permission_is_an_image_error(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    assert "denied" in run_bound(DECODE, str(tmp_path / "a.png"))


def test_many_threads_decode_the_same_as_one(tmp_path):
    paths = [tmp_path / f"{number}.{'jpg' if number % 2 else 'png'}" for number in range(24)]
    for number, path in enumerate(paths):
        Image.fromarray(noise(40, 30, 3, seed=number)).save(path, exif=exif_of(1 + number % 8))
    alone = [pixels(path) for path in paths]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(pixels, paths * 4))
    assert all(np.array_equal(one, two) for one, two in zip(alone * 4, together, strict=True))


def chunk(name, data, *, checksum=None):
    found = zlib.crc32(name + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", found)


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(2_000_000))),
        chunk(b"zTXt", b"comment\0\0" + zlib.compress(bytes(2_000_000))),
        chunk(b"iCCP", b"profile\0\0not compressed"),
        chunk(b"gAMA", b"\0\0\xb1\x8f", checksum=1),
        chunk(b"pHYs", b"\0"),
        chunk(b"eXIf", b"\0\0\0\1", checksum=1),
        chunk(b"abCd", b"\0\0\0\1", checksum=1),
        chunk(b"iDOT", b"\0\0\0\1", checksum=1),
    ],
    ids=["large profile", "large text", "broken profile", "wrong checksum", "short chunk", "exif", "private", "iDOT"],
)
def test_chunks_beside_the_pixels_of_a_png_may_be_broken(extra):
    image = Image.new("RGB", (60, 40), (10, 200, 30))
    exif = Image.Exif()
    exif[274] = 6
    image.save(written := io.BytesIO(), "PNG", exif=exif)
    png = written.getvalue()
    end_of_header = 8 + 12 + 13
    decoded = decode(png[:end_of_header] + extra + png[end_of_header:])
    assert (decoded.size, decoded.getpixel((5, 5))) == ((40, 60), (10, 200, 30))


def test_a_png_with_broken_pixels_is_refused_with_its_own_error():
    Image.new("RGB", (60, 40)).save(written := io.BytesIO(), "PNG")
    png = written.getvalue()
    with pytest.raises(ImageError, match=r"the picture is (truncated|broken)"):
        decode(png[:60])


def test_a_png_with_a_damaged_name_of_a_needed_chunk_is_refused():
    Image.new("RGB", (60, 40), (10, 200, 30)).quantize(4).save(written := io.BytesIO(), "PNG", transparency=0)
    png = written.getvalue()
    for bit in range(8):
        with pytest.raises(ImageError):
            decode(png.replace(b"PLTE", bytes([ord("P") ^ 1 << bit]) + b"LTE"))


@pytest.mark.parametrize("kind", ["uint16", "int32", "float32"])
def test_deep_grey_in_blocks_equals_the_whole_scaled_at_once(tmp_path, kind):
    random = np.random.default_rng(3)
    values = (random.random((1500, 1100)) * 60000 - (kind != "uint16") * 900).astype(kind)
    if kind == "float32":
        values[3, 4], values[5, 6], values[7, 8] = np.nan, np.inf, -np.inf
    Image.fromarray(values).save(tmp_path / "deep.tif")
    wide = values.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    low, high = (0, 65535) if kind == "uint16" else (finite.min(), finite.max())
    expected = np.rint(np.nan_to_num((wide - low) * (255 / (high - low)), nan=0, posinf=255, neginf=0))
    np.testing.assert_array_equal(pixels(tmp_path / "deep.tif")[..., 0], expected.astype(np.uint8))


def test_deep_grey_takes_little_more_memory_than_its_bytes():
    image = Image.fromarray(np.zeros((4000, 3000), np.uint16))
    tracemalloc.start()
    grey_to_rgb(image, io.BytesIO())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * 4000 * 3000


def test_a_jpeg_can_be_decoded_smaller_and_no_smaller_than_asked_for(tmp_path):
    smooth = np.asarray(Image.fromarray(noise(9, 12, 3)).resize((1200, 900), Image.Resampling.BICUBIC))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95, exif=exif)
    Image.fromarray(smooth).save(tmp_path / "a.png")
    whole = decode(tmp_path / "a.jpg")
    for least, size in ((900, (900, 1200)), (450, (450, 600)), (300, (450, 600)), (112, (113, 150)), (5, (113, 150))):
        reduced = decode(tmp_path / "a.jpg", Limits(at_least=least))
        assert reduced.size == size
        difference = np.asarray(reduced, int) - np.asarray(whole.resize(size, Image.Resampling.BOX), int)
        assert np.abs(difference).mean() < 2
    assert decode(tmp_path / "a.png", Limits(at_least=5)).size == (1200, 900)


@pytest.mark.parametrize(("least", "size"), [(900, (1200, 900)), (450, (600, 450)), (100, (300, 225)), (5, (300, 225))])
def test_a_jpeg_2000_can_be_decoded_smaller(tmp_path, least, size):
    smooth = np.asarray(Image.fromarray(noise(9, 12, 3)).resize((1200, 900), Image.Resampling.BICUBIC))
    Image.fromarray(smooth).save(tmp_path / "a.jp2")
    reduced = decode(tmp_path / "a.jp2", Limits(at_least=least))
    assert reduced.size == size
    difference = np.asarray(reduced, int) - np.asarray(Image.fromarray(smooth).resize(size, Image.Resampling.BOX), int)
    assert np.abs(difference).mean() < 2


def test_a_jpeg_2000_of_one_scale_is_decoded_whole(tmp_path):
    Image.fromarray(noise(40, 60, 3)).save(tmp_path / "a.jp2", num_resolutions=1)
    assert decode(tmp_path / "a.jp2", Limits(at_least=5)).size == (60, 40)


def test_formats_that_can_hold_all_threads_are_not_decoded_for_strangers(tmp_path):
    for suffix in ("ico", "jp2", "ppm"):
        Image.new("RGB", (32, 32)).save(tmp_path / f"a.{suffix}")
        assert decode(tmp_path / f"a.{suffix}").size == (32, 32)
        for find in (decode, pixels_in):
            with pytest.raises(ImageError, match="its format is not supported; convert it to PNG or JPEG"):
                find(tmp_path / f"a.{suffix}", Limits(formats=UNTRUSTED))


@pytest.mark.parametrize("find", [decode, pixels_in])
def test_a_jpeg_of_many_scans_is_refused_before_it_is_decoded(find):
    with pytest.raises(ImageTooLargeError, match=r"a JPEG of 600 scans over 6\.0 megapixels, which takes too long"):
        find(many_scans(3000, 2000, 600))
    usual = many_scans(3000, 2000, 10)
    assert decode(usual).size == (3000, 2000)
    assert pixels_in(usual) == pixels_of_plain_jpeg(io.BytesIO(usual)) == 6_000_000
    assert pixels_of_plain_jpeg(io.BytesIO(many_scans(3000, 2000, 600))) == 0


@pytest.mark.parametrize("progressive", [True, False])
def test_what_a_camera_appends_to_a_jpeg_and_writes_before_it_are_not_scans(progressive):
    with io.BytesIO() as buffer:
        extra = b"\xff\xda" * 20_000
        Image.fromarray(noise(600, 800, 3)).save(
            buffer, "JPEG", progressive=progressive, icc_profile=extra, comment=extra, quality=90
        )
        data = buffer.getvalue()
    assert decode(data + extra).size == (800, 600)
    assert pixels_of_plain_jpeg(io.BytesIO(data + extra)) == 480_000


class Counted(io.BytesIO):
    taken = 0

    def read(self, size=-1, /):
        found = super().read(size)
        self.taken += len(found)
        return found


@pytest.mark.parametrize(("side", "progressive", "whole"), [(900, False, False), (100, True, False), (900, True, True)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_is_searched_for_scans_only_if_it_may_have_many(side, progressive, whole, mode):
    image = Image.fromarray(noise(side, side, 3)).convert(mode)
    image.save(written := io.BytesIO(), "JPEG", progressive=progressive, quality=95)
    file = Counted(written.getvalue())
    with Image.open(file) as opened:
        file.taken = 0
        check_size("", opened, file, side**2)
    assert file.taken >= len(written.getvalue()) if whole else file.taken < 10


def test_pixels_are_counted_from_the_header():
    assert pixels_in(deep_png(4000, 3000)) == 12_000_000
    with pytest.raises(ImageTooLargeError, match=r"12\.0 megapixels is over the limit of 10\.0"):
        pixels_in(deep_png(4000, 3000), Limits(10_000_000))
    with pytest.raises(ImageError, match="is not an image"):
        pixels_in(b"text")


def deep(path: Path, values: np.ndarray, *, extra: bytes = b"") -> Path:
    """Write a PNG of 16 bits a channel: ``[row, column]``, or ``[row, column, channel]`` with 2, 3 or 4 channels."""
    height, width, *channels = values.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels[0] if channels else 1]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    write_png(path, size=(width, height), depth=16, colour=colour, rows=rows, extra=extra)
    return path


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_fewer_bits_in_16_are_scaled_from_their_own_range(tmp_path, bits, suffix):
    values = np.linspace(0, 2**bits - 1, 64 * 64).astype(np.uint16).reshape(64, 64)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    assert np.array_equal(pixels(tmp_path / f"a.{suffix}")[..., 0], np.rint(values.astype(float) * 255 / (2**bits - 1)))


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_fewer_bits_in_16_bit_colours_are_scaled_from_their_own_range(tmp_path, bits):
    values = np.random.default_rng(bits).integers(0, 2**bits, (20, 30, 3)).astype(np.uint16)
    values[0, 0, 0] = 2**bits - 1
    expected = np.rint(values.astype(float) * 255 / (2**bits - 1))
    assert np.array_equal(pixels(deep(tmp_path / "a.png", values)), expected)
    opaque = np.concatenate([values, np.full((20, 30, 1), 65535, np.uint16)], -1)
    assert np.array_equal(pixels(deep(tmp_path / "b.png", opaque)), expected)


def test_dark_colours_whose_lower_bytes_can_not_be_read_are_an_error(tmp_path):
    values = np.full((4, 4, 2), 65535, np.uint16)
    values[..., 0] = 4095
    with pytest.raises(
        ImageError, match=r"a.png' is dark, as it does not use all of its 16 bits; convert it to 8 bits"
    ):
        decode(deep(tmp_path / "a.png", values))


def test_the_bits_that_a_file_names_count_more_than_those_it_uses(tmp_path):
    values = np.full((4, 4), 1000, np.uint16)
    assert pixels(deep(tmp_path / "a.png", values))[0, 0, 0] == 249  # of 1023
    for bits, expected in ((12, 62), (16, 4)):
        named = deep(tmp_path / "b.png", values, extra=png_chunk(b"sBIT", bytes([bits])))
        assert pixels(named)[0, 0, 0] == expected
    Image.fromarray(values).save(tmp_path / "c.tiff", tiffinfo={281: 4095})
    assert pixels(tmp_path / "c.tiff")[0, 0, 0] == 62
    (tmp_path / "d.pgm").write_bytes(b"P5\n4 4\n4095\n" + values.astype(">u2").tobytes())
    assert pixels(tmp_path / "d.pgm")[0, 0, 0] == 62


def test_deep_grey_whose_zero_is_white_is_inverted(tmp_path):
    Image.fromarray(np.array([[0, 65535]], np.uint16)).save(tmp_path / "a.tiff", tiffinfo={262: 0})
    assert pixels(tmp_path / "a.tiff")[0, :, 0].tolist() == [255, 0]


def test_a_tiff_that_begins_with_a_preview_is_refused(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.dng", "TIFF", tiffinfo={254: 1})
    with pytest.raises(ImageError, match=r"a.dng' begins with a reduced preview, .*; develop it, and save it as JPEG"):
        decode(tmp_path / "a.dng")


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC picture; .*pillow-heif"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0", "a HEIC picture"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "a video; .*ffmpeg"),
        (b"\x1a\x45\xdf\xa3....", "a video"),
        (b"\xff\x0a....", "a JPEG XL picture; .*djxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
        (b'<?xml version="1.0"?>\n<!-- made by hand -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"\n<svg/>", "an SVG drawing"),
        (b"<!DOCTYPE html><html>404</html>", "a web page; perhaps its download failed"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS.*`git lfs pull`"),
        (bytes(128) + b"DICM", "a DICOM file; .*pydicom"),
        (b"v/1\x01\2\0\0\0", "an OpenEXR picture"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"%PDF-1.7", "a PDF"),
        (b"PK\x03\x04", "an archive; unpack it"),
        (b"\x1f\x8b\x08", "an archive"),
        (b"\x93NUMPY\x01\0", "an array; save"),
    ],
)
def test_a_file_of_another_format_is_named(tmp_path, start, what):
    (tmp_path / "a.jpg").write_bytes(start)
    with pytest.raises(ImageError, match=rf"a.jpg' is not an image in a supported format: it is {what}"):
        decode(tmp_path / "a.jpg")


def test_the_suffix_does_not_matter_and_bytes_after_the_end_are_ignored(tmp_path):
    Image.new("RGB", (4, 4), RED).save(tmp_path / "a.PNG")
    (tmp_path / "a.PNG").rename(tmp_path / "a.jpg")
    assert (pixels(tmp_path / "a.jpg") == RED).all()
    for suffix in ("jpg", "png"):
        path = tmp_path / f"b.{suffix}"
        Image.new("RGB", (16, 16), RED).save(path)
        path.write_bytes(path.read_bytes() + b"\0 trailing \xff\xd8\xff garbage" * 50)
        assert np.abs(pixels(path).astype(int) - RED).max() <= 6


def test_a_picture_of_several_views_gives_the_first(tmp_path):
    Image.new("RGB", (16, 16), RED).save(tmp_path / "a.mpo", save_all=True, append_images=[Image.new("RGB", (16, 16))])
    assert np.abs(pixels(tmp_path / "a.mpo").astype(int) - RED).max() <= 6


def test_reading_errors_are_told_from_decoding_errors_also_if_a_decoder_ignores_them(tmp_path):
    Image.fromarray(noise(80, 80, 3)).save(written := io.BytesIO(), "JPEG")

    class Failing(io.BytesIO):
        def read(self, size=-1):
            if self.tell() >= 600:
                raise OSError(5, "Input/output error")
            return super().read(min(size, 600) if size > 0 else 600)

    with pytest.raises(ImageAccessError, match="the picture can't be read: Input/output error"):
        decode(Failing(written.getvalue()))
    with pytest.raises(ImageError, match="the picture is truncated") as damaged:
        decode(written.getvalue()[:600])
    assert not isinstance(damaged.value, ImageAccessError)
    (tmp_path / "a.png").symlink_to("/proc/self/mem")
    with pytest.raises(ImageAccessError, match=r"a.png' can't be read: Input/output error"):
        decode(tmp_path / "a.png")
    with pytest.raises(ImageAccessError, match=r"no image file '.*b.png'"):
        decode(tmp_path / "b.png")
