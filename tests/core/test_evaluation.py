import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage import data

from isoscope import metrics
from isoscope.errors import DataError
from isoscope.evaluation import evaluate
from isoscope.spectra import power_ratios
from isoscope.volume import ArrayVolume, Header, as_tczyx

MEASURES = [
    "psnr",
    "ssim",
    "nrmse",
    "pearson",
    "psnr_affine",
    "ssim_affine",
    "ssim_foreground",
    "power_low",
    "power_high",
]


def volume(array, axes="YX", name="image", rgb=False):
    array = as_tczyx(np.asarray(array), axes)
    return ArrayVolume(array, header=Header(name, array.shape, array.dtype, axes, rgb=rgb))


def noisy(image, seed=0, sd=12):
    values = image + np.random.default_rng(seed).normal(0, sd, image.shape)
    return np.clip(values, 0, 255).astype(np.uint8)


@pytest.fixture
def camera():
    return data.camera()[100:148, 200:260]


@pytest.fixture
def colour():
    return data.astronaut()[:40, 100:150]


def round_trip(report):
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    return report


def test_the_document(camera):
    report = round_trip(
        evaluate(
            [volume(noisy(camera), name="a"), volume(noisy(camera, 1), name="b")],
            [volume(camera)] * 2,
            [volume(noisy(camera, 2, sd=40)), volume(noisy(camera, 3, sd=40))],
        )
    )
    assert list(report) == ["data_range", "nrmse_norm", "black", "images", "mean", "sd", "n", "worst"]
    assert report["data_range"] == [0, 255]
    assert report["nrmse_norm"] == "range"
    assert [image["name"] for image in report["images"]] == ["a", "b"]
    for group in (*report["images"], report["mean"], report["sd"], report["n"]):
        for side in ("prediction", "baseline"):
            assert list(group[side]) == [*MEASURES, "channels"]
            assert [list(channel) for channel in group[side]["channels"]] == [MEASURES]
    assert report["mean"]["prediction"]["ssim"] > report["mean"]["baseline"]["ssim"]


def test_the_numbers_are_those_of_metrics(camera):
    image = noisy(camera)
    scores = evaluate([volume(image)], [volume(camera)])["images"][0]["prediction"]
    slope, offset = metrics.affine_fit(image, camera)
    fitted = slope * image + offset
    expected = {
        "psnr": metrics.psnr(image, camera, 255),
        "ssim": metrics.ssim(image, camera, 255),
        "nrmse": metrics.nrmse(image, camera),
        "pearson": metrics.pearson(image, camera),
        "psnr_affine": metrics.psnr(fitted, camera, 255),
        "ssim_affine": metrics.ssim(fitted, camera, 255),
        "ssim_foreground": metrics.ssim_foreground(image, camera, 255),
        "power_low": power_ratios(fitted, camera).min(),
        "power_high": power_ratios(fitted, camera).max(),
    }
    assert {key: scores[key] for key in MEASURES} == pytest.approx(expected)
    assert scores["channels"] == [expected | {key: scores[key] for key in MEASURES}]


def test_mean_sd_and_n_are_over_images(camera):
    report = evaluate([volume(noisy(camera, s, 5 * s + 5)) for s in range(3)], [volume(camera)] * 3)
    values = [image["prediction"]["psnr"] for image in report["images"]]
    assert report["mean"]["prediction"]["psnr"] == pytest.approx(np.mean(values))
    assert report["sd"]["prediction"]["psnr"] == pytest.approx(np.std(values, ddof=1))
    assert report["n"]["prediction"]["psnr"] == 3
    assert report["mean"]["prediction"]["channels"][0]["psnr"] == pytest.approx(np.mean(values))
    assert "baseline" not in report["mean"]


def test_nulls_are_left_out_of_the_mean_and_counted(camera):
    flat = np.full_like(camera, 9)
    report = round_trip(evaluate([volume(camera), volume(flat)], [volume(camera)] * 2))
    perfect, constant = (image["prediction"] for image in report["images"])
    assert perfect["psnr"] is None
    assert perfect["ssim"] == pytest.approx(1)
    assert constant["pearson"] is None
    assert report["mean"]["prediction"]["psnr"] == constant["psnr"]
    assert report["n"]["prediction"]["psnr"] == report["n"]["prediction"]["pearson"] == 1
    assert report["sd"]["prediction"]["psnr"] is None


def test_planes_smaller_than_the_window_have_no_ssim(camera):
    report = round_trip(evaluate([volume(noisy(camera)[:8])], [volume(camera[:8])]))
    assert report["mean"]["prediction"]["ssim"] is report["mean"]["prediction"]["ssim_affine"] is None
    assert report["n"]["prediction"]["ssim"] == 0
    assert report["mean"]["prediction"]["psnr"] > 0


def test_the_affine_fit_does_not_repair_an_inversion(camera):
    scores = evaluate([volume(255 - camera)], [volume(camera)])["images"][0]["prediction"]
    blank = evaluate([volume(np.full(camera.shape, camera.mean()))], [volume(camera)])["images"][0]["prediction"]
    assert scores["pearson"] == pytest.approx(-1)
    assert scores["psnr_affine"] == pytest.approx(blank["psnr"])
    assert scores["ssim_affine"] == pytest.approx(blank["ssim"])


def test_rgb_has_channels_and_chroma_and_takes_a_grey_baseline(colour):
    grey = colour.mean(axis=2).round().astype(np.uint8)
    report = round_trip(
        evaluate([volume(noisy(colour), "YXC", rgb=True)], [volume(colour, "YXC", rgb=True)], [volume(grey)])
    )
    prediction, baseline = report["images"][0]["prediction"], report["images"][0]["baseline"]
    assert len(prediction["channels"]) == len(baseline["channels"]) == 3
    assert prediction["ssim"] == pytest.approx(np.mean([channel["ssim"] for channel in prediction["channels"]]))
    assert prediction["channels"][1]["psnr"] == pytest.approx(
        metrics.psnr(noisy(colour)[..., 1], colour[..., 1], 255)
    )  # fmt: skip
    assert prediction["psnr"] == pytest.approx(metrics.psnr(noisy(colour), colour, 255))
    chroma = colour - colour.mean(axis=2, keepdims=True)
    assert baseline["chroma_rmse"] == pytest.approx(np.sqrt(np.mean(chroma**2)))
    assert report["mean"]["baseline"]["chroma_rmse"] == pytest.approx(baseline["chroma_rmse"])


def test_the_fit_is_made_per_channel(colour):
    tinted = colour * np.array([0.5, 0.7, 0.9]) + np.array([3.0, 20.0, 5.0])
    scores = evaluate([volume(tinted, "YXC")], [volume(colour, "YXC")])["images"][0]["prediction"]
    assert scores["psnr"] < 30
    assert scores["psnr_affine"] > 200
    assert "chroma_rmse" not in scores


def test_ssim_is_of_planes(camera):
    stack, truth = np.stack([noisy(camera), camera]), np.stack([camera, camera])
    scores = evaluate([volume(stack, "ZYX")], [volume(truth, "ZYX")])["images"][0]["prediction"]
    assert scores["ssim"] == pytest.approx((metrics.ssim(noisy(camera), camera, 255) + 1) / 2)


def test_labels_add_overlap_and_counts():
    truth, prediction = np.zeros((2, 16, 16), np.uint8), np.zeros((2, 16, 16), np.uint8)
    truth[:, 2:6, 2:6], truth[0, 10:14, 2:6], prediction[:, 2:6, 2:6] = 1, 2, 1
    report = round_trip(evaluate([volume(prediction, "TYX")], [volume(truth, "TYX")], labels=True))
    scores = report["mean"]["prediction"]
    assert scores["dice"] == pytest.approx(2 * 32 / (32 + 48))
    assert scores["iou"] == pytest.approx(32 / 48)
    assert scores["object_count_error"] == scores["channels"][0]["object_count_error"] == 1
    assert scores["object_f1"] == pytest.approx(2 * 2 / (2 + 3))
    assert scores["objects"] == 3
    assert report["images"][0]["prediction"]["object_count_error"] == 1


def test_range_of_floats_is_common_to_all_truths(camera):
    truths = [volume(camera / 255.0), volume(camera / 100.0)]
    report = evaluate(truths, truths)
    assert report["data_range"] == [camera.min() / 255, camera.max() / 100]
    assert report["black"] == 0


def test_ssim_of_signed_values_is_that_of_grey_values(camera):
    grey = evaluate([volume(noisy(camera))], [volume(camera)])
    signed = evaluate([volume(noisy(camera) / 127.5 - 1)], [volume(camera / 127.5 - 1)], data_range=(-1, 1))
    assert signed["black"] == -1
    for measure in ("psnr", "ssim", "ssim_affine"):
        assert signed["mean"]["prediction"][measure] == pytest.approx(grey["mean"]["prediction"][measure])


@pytest.mark.parametrize(("lift", "black"), [(0, 0), (-50, -50)])
def test_black_of_signed_integers_is_where_the_images_start(camera, lift, black):
    shifted = (camera.astype(np.int16) - camera.min()) + lift
    report = evaluate([volume(shifted)], [volume(shifted)])
    assert report["data_range"] == [-32768, 32767]
    assert report["black"] == black


def test_data_range_and_norm_are_taken_and_recorded(camera):
    report = evaluate([volume(noisy(camera))], [volume(camera)], data_range=(0, 2550), norm="mean")
    usual = evaluate([volume(noisy(camera))], [volume(camera)])
    assert report["data_range"] == [0, 2550]
    assert report["nrmse_norm"] == "mean"
    assert report["mean"]["prediction"]["psnr"] == pytest.approx(usual["mean"]["prediction"]["psnr"] + 20)
    assert report["mean"]["prediction"]["nrmse"] == pytest.approx(metrics.nrmse(noisy(camera), camera, "mean"))


def test_progress_names_each_image(camera):
    names: list[str] = []
    evaluate([volume(camera, name=n) for n in "ab"], [volume(camera)] * 2, progress=names.append)
    assert names == ["a", "b"]


def test_pairs_that_cannot_be(camera, colour):
    one, small, rgb = volume(camera, name="one"), volume(camera[1:], name="small"), volume(colour, "YXC", name="rgb")
    with pytest.raises(DataError, match="got 1 predictions for 2 truths"):
        evaluate([one], [one, one])
    with pytest.raises(DataError, match="got 0 baselines for 1 truths"):
        evaluate([one], [one], [])
    with pytest.raises(DataError, match="no truths"):
        evaluate([], [])
    with pytest.raises(DataError, match=r"small has shape \(1, 1, 1, 47, 60\) .* \(1, 1, 1, 48, 60\) as of its truth"):
        evaluate([small], [one])
    with pytest.raises(DataError, match="rgb has shape"):
        evaluate([volume(colour[..., 0])], [volume(colour[..., 0])], [rgb])
    with pytest.raises(DataError, match="image has shape"):  # only a baseline may be grey
        evaluate([volume(colour[..., 0])], [rgb])
    with pytest.raises(DataError, match="differ in channels"):
        evaluate([one, rgb], [one, rgb])


def test_values_that_cannot_be_scored(camera):
    broken = camera.astype(np.float32)
    broken[3, 3] = np.nan
    with pytest.raises(DataError, match="cell holds NaN"):
        evaluate([volume(broken, name="cell")], [volume(camera)])
    with pytest.raises(DataError, match="truths mix float64 and uint8"):
        evaluate([volume(camera)] * 2, [volume(camera), volume(camera / 2)])
    with pytest.raises(DataError, match="data range 3 to 3"):
        evaluate([volume(camera)], [volume(np.full(camera.shape, 3.0))])
    with pytest.raises(DataError, match="data range 5 to 1"):
        evaluate([volume(camera)], [volume(camera)], data_range=(5, 1))
    with pytest.raises(DataError, match="did you mean 'range'"):
        evaluate([volume(camera)], [volume(camera)], norm="ranges")


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([np.uint8, np.uint16, np.int16, np.float32, bool]),
    st.tuples(*(st.integers(1, 2) for _ in range(3)), *(st.integers(9, 13) for _ in range(2))),
    st.sampled_from([0, 1, 40]),
    st.booleans(),
)
def test_the_document_is_valid_json_whatever_the_images(dtype, shape, contrast, labels):
    rng = np.random.default_rng(shape[0])
    truth, image = (rng.integers(0, contrast + 1, shape).astype(dtype) for _ in range(2))
    report = evaluate([volume(image, "TCZYX")], [volume(truth, "TCZYX")], data_range=(0, 50), labels=labels)
    round_trip(report)
    assert len(report["mean"]["prediction"]["channels"]) == shape[1]


def test_importing_does_not_load_scikit_image():
    code = "import isoscope.evaluation, isoscope.pictures, sys; sys.exit('skimage' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_radial_power_tells_smoothing_from_noise():
    truth = gaussian_filter(np.random.default_rng(0).uniform(0, 255, (64, 64)), 1.0)
    rough = truth + np.random.default_rng(1).normal(0, 20, truth.shape)
    arms = {"same": 2 * truth + 5, "smooth": gaussian_filter(truth, 1.5), "rough": rough}
    found = {k: evaluate([volume(i)], [volume(truth)])["mean"]["prediction"] for k, i in arms.items()}
    assert found["same"]["power_low"] == pytest.approx(1)
    assert found["same"]["power_high"] == pytest.approx(1)
    assert found["smooth"]["power_low"] < 0.7
    assert found["rough"]["power_high"] > found["rough"]["power_low"] * 1.5


def test_a_constant_scores_on_background_and_not_on_foreground():
    truth = np.full((64, 64), 20.0)
    truth[20:40, 20:40] = data.camera()[100:120, 100:120]
    scores = evaluate([volume(np.full_like(truth, 20.0))], [volume(truth)], data_range=(0, 255))["mean"]["prediction"]
    assert scores["ssim"] > 0.7
    assert scores["ssim_foreground"] < 0.2


def test_the_worst_images_are_named(camera):
    sds = {"a": 5, "b": 60, "c": 20, "d": 40}
    images = [volume(noisy(camera, n, sd), name=name) for n, (name, sd) in enumerate(sds.items())]
    assert evaluate(images, [volume(camera)] * 4)["worst"] == {"measure": "pearson", "images": ["b", "d", "c"]}


def test_resolution_is_added_where_it_is_asked_for():
    x = np.arange(64)
    truth = np.tile(1000 * (np.exp(-0.5 * (x - 28.0) ** 2) + np.exp(-0.5 * (x - 36.0) ** 2)), (2, 1, 1, 64, 1))
    header = Header("a", truth.shape, truth.dtype, "TYX", (1.0, 0.25, 0.25))
    blurred = gaussian_filter(truth, (0, 0, 0, 0, 4))
    volumes = [ArrayVolume(image, header=header) for image in (blurred, truth)]
    report = evaluate([volumes[0]], [volumes[1]], [volumes[1]], resolution=True)
    mean = report["mean"]
    assert [mean[side]["resolved_pairs"] for side in ("prediction", "baseline")] == [0, 1]
    assert mean["prediction"]["pairs"] == 128
    assert mean["baseline"]["frc_pixels"] == 2
    assert mean["baseline"]["frc"] == mean["baseline"]["channels"][0]["frc"] == 0.5
    without = evaluate([volumes[0]], [volumes[1]])
    assert not {"frc", "frc_pixels", "pairs"} & set(without["mean"]["prediction"])
    assert "frc" not in evaluate([volumes[0]], [volumes[1]], labels=True, resolution=True)["mean"]["prediction"]


def test_resolution_has_no_unit_where_pixels_have_no_size_or_are_no_squares():
    image = np.random.default_rng(0).random((1, 1, 1, 32, 32))
    for size in (None, (1.0, 0.5, 0.25)):
        volume = ArrayVolume(image, header=Header("a", image.shape, image.dtype, "YX", size))
        mean = evaluate([volume], [volume], resolution=True)["mean"]["prediction"]
        assert (mean["frc_pixels"], mean["frc"]) == (2, None)
