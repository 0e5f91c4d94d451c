import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.metrics import normalized_root_mse, peak_signal_noise_ratio, structural_similarity

from isoscope import metrics
from isoscope.errors import DataError

SIDE = 32


@pytest.fixture
def truth():
    return data.camera()[:64, :80]


@pytest.fixture
def noisy(truth):
    rng = np.random.default_rng(0)
    return np.clip(truth + rng.normal(0, 12, truth.shape), 0, 255).astype(np.uint8)


images = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).uniform(0, 255, (SIDE, SIDE)))
few = settings(max_examples=20, deadline=None)


def test_psnr_is_that_of_skimage(noisy, truth):
    assert metrics.psnr(noisy, truth, 255) == pytest.approx(peak_signal_noise_ratio(truth, noisy, data_range=255))


def test_psnr_by_hand():
    assert metrics.psnr(np.full((4, 4), 10), np.zeros((4, 4)), 100) == pytest.approx(20)


def test_unsigned_grey_values_do_not_wrap():
    low, high = np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)
    assert metrics.psnr(low, high, 255) == pytest.approx(0)


def test_equal_images(truth):
    assert metrics.psnr(truth, truth, 255) == math.inf
    assert metrics.ssim(truth, truth, 255) == pytest.approx(1)
    assert metrics.nrmse(truth, truth) == 0
    assert metrics.pearson(truth, truth) == pytest.approx(1)
    assert metrics.affine_fit(truth, truth) == pytest.approx((1, 0))


def test_ssim_is_that_of_wang_2004(noisy, truth):
    a, b = noisy.astype(float), truth.astype(float)
    expected = structural_similarity(a, b, data_range=255, gaussian_weights=True, use_sample_covariance=False)
    assert metrics.ssim(noisy, truth, 255) == pytest.approx(expected)


def test_ssim_averages_planes(noisy, truth):
    stack, reference = np.stack([noisy, truth])[None], np.stack([truth, truth])[None]
    assert metrics.ssim(stack, reference, 255) == pytest.approx((metrics.ssim(noisy, truth, 255) + 1) / 2)


@pytest.mark.parametrize(("side", "defined"), [(10, False), (11, True)])
def test_ssim_never_shrinks_its_window(side, defined, noisy, truth):
    value = metrics.ssim(noisy[:side, :20], truth[:side, :20], 255)
    assert math.isfinite(value) is defined


def test_black_makes_ssim_independent_of_a_signed_scale(truth):
    grey = [truth * 0.2 + lift for lift in (105, 85)]  # mid grey, which the signed scale takes for black
    signed = [image / 127.5 - 1 for image in grey]
    assert metrics.ssim(*signed, 2, black=-1) == pytest.approx(metrics.ssim(*grey, 255))
    assert metrics.ssim(*signed, 2) < metrics.ssim(*grey, 255) - 0.01


@pytest.mark.parametrize(("norm", "theirs"), [("range", "min-max"), ("mean", "mean"), ("euclidean", "euclidean")])
def test_nrmse_is_that_of_skimage(norm, theirs, noisy, truth):
    expected = normalized_root_mse(truth.astype(float), noisy.astype(float), normalization=theirs)
    assert metrics.nrmse(noisy, truth, norm) == pytest.approx(expected)


def test_an_unknown_norm_is_refused_with_the_nearest(truth):
    with pytest.raises(DataError, match="did you mean 'euclidean'"):
        metrics.nrmse(truth, truth, "euclid")


def test_pearson_is_that_of_numpy(noisy, truth):
    expected = np.corrcoef(noisy.ravel(), truth.ravel())[0, 1]
    assert metrics.pearson(noisy, truth) == pytest.approx(expected)
    assert metrics.pearson(255 - truth, truth) == pytest.approx(-1)


def test_what_a_constant_truth_leaves_undefined(truth):
    flat = np.full(truth.shape, 0.1)
    assert math.isnan(metrics.pearson(truth, flat))
    assert math.isnan(metrics.pearson(flat, truth))
    assert math.isnan(metrics.nrmse(truth, flat, "range"))
    assert math.isfinite(metrics.nrmse(truth, flat, "mean"))


@few
@given(images, st.floats(0.1, 10), st.floats(-100, 100))
def test_the_affine_fit_undoes_gain_and_offset(truth, gain, offset):
    slope, shift = metrics.affine_fit(truth * gain + offset, truth)
    assert slope == pytest.approx(1 / gain)
    assert shift == pytest.approx(-offset / gain, abs=1e-6)


@few
@given(images, images)
def test_the_affine_fit_never_makes_the_error_larger(prediction, truth):
    slope, offset = metrics.affine_fit(prediction, truth)
    assert slope > 0
    fitted = slope * prediction + offset
    assert metrics.nrmse(fitted, truth) <= metrics.nrmse(prediction, truth) + 1e-9
    assert metrics.nrmse(fitted, truth, "range") <= truth.std() / np.ptp(truth) + 1e-9


def test_the_affine_fit_does_not_repair_an_inversion(truth):
    slope, offset = metrics.affine_fit(255 - truth, truth)
    assert 0 < slope < 1e-300
    assert offset == pytest.approx(truth.mean())
    fitted = slope * (255.0 - truth) + offset
    assert metrics.nrmse(fitted, truth) == pytest.approx(truth.std() / np.ptp(truth))


def test_the_affine_fit_moves_a_constant_to_the_mean(truth):
    assert metrics.affine_fit(np.full(truth.shape, 7), truth) == pytest.approx((1, truth.mean() - 7))


@few
@given(images, images)
def test_bounds_and_symmetry(prediction, truth):
    assert metrics.psnr(prediction, truth, 255) == pytest.approx(metrics.psnr(truth, prediction, 255))
    assert -1 <= metrics.pearson(prediction, truth) <= 1
    assert -1 <= metrics.ssim(prediction, truth, 255) <= 1


def test_chroma_ignores_brightness():
    colour = data.astronaut()[:32, :32].transpose(2, 0, 1).astype(float)
    assert metrics.chroma_rmse(colour + 40, colour) == pytest.approx(0, abs=1e-9)
    grey = np.broadcast_to(colour.mean(axis=0), colour.shape)
    assert metrics.chroma_rmse(grey, colour) == pytest.approx(np.sqrt(np.mean((colour - grey) ** 2)))


def test_chroma_needs_three_channels(truth):
    with pytest.raises(DataError, match="expected the 3 of an RGB image"):
        metrics.chroma_rmse(truth[None], truth[None])


def test_overlap_by_hand():
    prediction, truth = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    prediction[:2], truth[1:3] = 255, 1
    assert metrics.dice(prediction, truth) == pytest.approx(0.5)
    assert metrics.iou(prediction, truth) == pytest.approx(1 / 3)
    empty = np.zeros((4, 4), bool)
    assert math.isnan(metrics.dice(empty, empty))
    assert math.isnan(metrics.iou(empty, empty))
    assert metrics.dice(empty, truth) == metrics.iou(empty, truth) == 0


@few
@given(images, images, st.floats(1, 254))
def test_dice_and_iou_say_the_same(prediction, truth, threshold):
    p, t = prediction > threshold, truth > threshold
    overlap = metrics.iou(p, t)
    assert metrics.dice(p, t) == pytest.approx(2 * overlap / (1 + overlap), nan_ok=True)


def test_objects_are_counted_in_masks_instance_maps_and_signed_floats():
    instances = np.zeros((8, 8), np.uint16)
    instances[:4, :4], instances[:4, 4:], instances[6:, :2] = 1, 2, 3
    assert metrics.count_objects(instances) == 3
    assert metrics.count_objects(instances > 0) == 2
    assert metrics.count_objects(np.where(instances > 0, 1.0, -1.0)) == 2
    assert metrics.object_count_error(instances > 0, instances) == metrics.object_count_error(instances, instances > 0)
    assert metrics.object_count_error(instances > 0, instances) == 1


def test_shapes_must_agree(truth):
    with pytest.raises(DataError, match=r"got a prediction of shape \(63, 80\), expected the truth's \(64, 80\)"):
        metrics.psnr(truth[1:], truth, 255)


def test_ranges_of_types():
    assert metrics.dtype_range(np.dtype(np.uint16)) == (0, 65535)
    assert metrics.dtype_range(np.dtype(np.int8)) == (-128, 127)
    assert metrics.dtype_range(np.dtype(bool)) == (0, 1)
    assert metrics.dtype_range(np.dtype(np.float32)) is None
