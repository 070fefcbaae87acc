"""Each defect against something independent: Pillow's JPEG, torchvision's blur, the curve's own formula."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as tv

from hierattn.training.augmentation import photo_defects
from hierattn.training.augmentation.augmentation import apply, draw
from hierattn.training.augmentation.photo_defects import draw_defects
from hierattn.training.augmentation.ranges import AugmentationRanges


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth(batch=3, size=64):
    low = torch.rand(batch, 3, 8, 8, generator=generator(8))
    return torch.nn.functional.interpolate(low, (size, size), mode="bicubic", align_corners=False).clamp(0, 1)


def drawn(batch=4, seed=0, **probabilities):
    return draw_defects(batch, AugmentationRanges(**probabilities), generator(seed))


@pytest.mark.parametrize(("quality", "size"), [(30, 64), (50, 64), (75, 60), (90, 50)])
def test_jpeg_noise_is_what_a_jpeg_file_does(quality, size):
    images = smooth(2, size)
    noisy = photo_defects.jpeg_noise(images, torch.tensor([float(quality)] * 2))
    for image, ours in zip(images, noisy, strict=True):
        pixels = Image.fromarray((image * 255).round().byte().permute(1, 2, 0).numpy())
        file = io.BytesIO()
        pixels.save(file, "JPEG", quality=quality, subsampling=0)
        theirs = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) / 255
        lost = (theirs - image).abs().mean()
        assert (ours - theirs).abs().mean() < 0.35 * lost + 0.5 / 255  # libjpeg rounds at each of its steps
    assert (noisy - images).abs().mean() > 0.5 / 255


def test_blur_equals_torchvisions_away_from_the_border():
    images, sigma = smooth(), torch.tensor([0.002, 0.006, 0.01])
    blurred = photo_defects.gaussian_blur(images, sigma)
    for i, share in enumerate(sigma.tolist()):
        theirs = tv.gaussian_blur(images[i], [9, 9], [share * 64] * 2)
        torch.testing.assert_close(blurred[i, :, 6:-6, 6:-6], theirs[:, 6:-6, 6:-6], atol=2e-3, rtol=0)


def test_losing_pixels_keeps_what_is_smooth_and_loses_what_is_fine():
    flat = torch.full((1, 3, 32, 32), 0.4)
    torch.testing.assert_close(photo_defects.lose_pixels(flat, 0.4), flat)
    fine = (torch.arange(32) % 2).float().expand(1, 3, 32, 32)
    assert photo_defects.lose_pixels(fine, 0.4).std() < 0.1 * fine.std()


def test_a_hair_lies_on_its_curve_and_only_darkens():
    white = torch.ones(1, 3, 64, 64)
    hairs = torch.zeros(1, photo_defects.HAIRS, 3, 2)
    hairs[0, 0] = torch.tensor([[0.1, 0.2], [0.5, 0.9], [0.9, 0.2]])
    depth = torch.zeros(1, photo_defects.HAIRS)
    depth[0, 0] = 0.8
    out = photo_defects.add_hairs(white, hairs, depth)
    for x, y in ((0.1, 0.2), (0.5, 0.55), (0.899, 0.2)):  # start, middle (a quarter, half and a quarter), end
        assert out[0, :, int(y * 64), int(x * 64)] == pytest.approx([0.2] * 3)
    assert out[0, 0, 60, 5] == 1
    assert (out < 1).float().mean() < 0.1
    assert (out <= white).all()


def test_dark_corners_are_black_outside_the_circle_and_leave_the_middle():
    white = torch.ones(1, 3, 65, 65)
    out = photo_defects.add_dark_corners(white, torch.tensor([[0.0, 0.0, 0.95]]))
    assert out[0, :, 32, 32] == pytest.approx([1.0] * 3)
    assert out[0, 0, 0, 0] < 0.01
    assert out[0, 0, 32, 63] == pytest.approx(torch.sigmoid(torch.tensor((0.95 - 31 / 32) * 40)).item(), abs=1e-5)


@pytest.mark.parametrize("name", ["blur", "downscale", "jpeg", "hair", "ruler", "dark_corners", "frame"])
def test_a_defect_happens_as_often_as_asked_and_alone(name):
    changes = drawn(4000, **{name: 0.3})
    happened = {
        "blur": changes.blur > 0,
        "downscale": changes.shrink > 0,
        "jpeg": changes.quality > 0,
        "hair": changes.hair_depth.amax(1) > 0,
        "ruler": changes.rulers[:, :, -1].amax(1) > 0,
        "dark_corners": changes.circle[:, 2] > 0,
        "frame": changes.frame.amax(1) > 0,
    }
    for other, which in happened.items():
        assert which.float().mean() == pytest.approx(0.3 if other == name else 0, abs=0.03)


def test_spared_images_keep_their_bits_and_others_stay_within_zero_and_one():
    ranges = AugmentationRanges(
        rotation=0, horizontal_flip=0, blur=0.5, downscale=0.5, jpeg=0.5, hair=0.5, dark_corners=0.5
    )
    images = smooth(64, 32)
    changes = draw(64, ranges, generator(4))
    out = apply(images, changes)
    assert out.min() >= 0
    assert out.max() <= 1 + 1e-6
    defects = changes.defects
    spared = (
        (defects.blur == 0)
        & (defects.shrink == 0)
        & (defects.quality == 0)
        & (defects.hair_depth.amax(1) == 0)
        & (defects.circle[:, 2] == 0)
    )
    assert 0 < spared.sum() < 64
    assert torch.equal(out[spared], images[spared])
    assert all(not torch.equal(out[i], images[i]) for i in torch.nonzero(~spared).flatten())


def test_a_part_of_a_draw_does_to_its_images_what_the_whole_does():
    ranges = AugmentationRanges(rotation=20, brightness=0.2, blur=0.5, jpeg=0.5, hair=0.5, dark_corners=0.5)
    images, changes = smooth(8, 32), draw(8, ranges, generator(5))
    whole = apply(images, changes)
    for rows in (slice(0, 4), slice(4, 8)):
        torch.testing.assert_close(apply(images[rows], changes.part(rows)), whole[rows], atol=2e-6, rtol=0)


def test_a_frame_is_black_on_the_sides_that_it_names_and_leaves_the_rest():
    white = torch.ones(2, 3, 101, 101)  # pixels lie 0.02 half sides apart
    out = photo_defects.add_frame(white, torch.tensor([[0.1, 0.0], [0.05, 0.31]]))
    for number, (beside, above) in enumerate([(5, 0), (3, 16)]):
        wanted = torch.zeros(101, 101)
        wanted[above : 101 - above, beside : 101 - beside] = 1
        assert torch.equal(out[number], wanted.expand(3, 101, 101))


def test_half_of_the_frames_go_around_and_half_lie_on_two_sides():
    frames = drawn(4000, frame=1.0).frame
    there = frames > 0
    assert there.all(1).float().mean() == pytest.approx(0.5, abs=0.03)
    assert there[:, 0].float().mean() == pytest.approx(0.75, abs=0.03)
    around = frames[there.all(1)]
    assert torch.equal(around[:, 0], around[:, 1])
    assert around.min() >= 0.02
    assert around.max() <= 0.3


def test_stickers_are_vivid_at_the_border_and_leave_the_middle():
    images = torch.full((32, 3, 64, 64), 0.6)
    stuck = photo_defects.apply_to_skin(images, drawn(32, stickers=1.0))
    changed = (stuck - images).abs().amax(1) > 0.1
    assert changed.any(dim=(1, 2)).float().mean() > 0.9
    assert not changed[:, 28:36, 28:36].any()
    assert stuck.min() >= 0
    assert stuck.max() <= 1
    colours = stuck.permute(0, 2, 3, 1)[changed]
    assert (colours.amax(1) - colours.amin(1)).mean() > 0.2


def test_as_many_photographs_have_stickers_as_asked_for_one_to_three_each():
    there = drawn(4000, stickers=0.3).stickers[:, :, -1].sum(1)
    assert (there > 0).float().mean() == pytest.approx(0.3, abs=0.03)
    for number in (1, 2, 3):
        assert (there == number).float().mean() == pytest.approx(0.1, abs=0.02)


def test_stickers_do_not_change_what_else_is_drawn():
    plain, stuck = drawn(4, hair=1.0), drawn(4, hair=1.0, stickers=1.0)
    assert torch.equal(plain.hairs, stuck.hairs)
    assert torch.equal(plain.circle, stuck.circle)
