"""Maps in the RLE frame, and their weighted means."""

from pathlib import Path

import numpy as np
import pytest

from lib import images, prob_maps
from lib.errors import InputError


def write_map(path: Path, values: object) -> Path:
    images.write_png(path, np.asarray(values, np.uint8))
    return path


def test_a_map_of_the_frame_s_size_keeps_its_values(tmp_path: Path) -> None:
    path = write_map(tmp_path / "a.png", [[0, 51], [102, 255]])
    assert np.allclose(prob_maps.read_map(path, 2), [[0, 0.2], [0.4, 1]])


def test_a_smaller_map_is_enlarged_and_stays_between_its_values(tmp_path: Path) -> None:
    path = write_map(tmp_path / "a.png", [[51, 51], [204, 204]])
    enlarged = prob_maps.read_map(path, 8)
    assert enlarged.shape == (8, 8)
    assert np.allclose([enlarged[0], enlarged[-1]], [[0.2] * 8, [0.8] * 8])
    assert (np.diff(enlarged[:, 0]) >= 0).all()


def test_a_block_has_the_mean_of_its_pixels(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (8, 8))
    path = write_map(tmp_path / "a.png", values)
    means = values.reshape(2, 4, 2, 4).mean(axis=(1, 3)) / 255
    assert np.allclose(prob_maps.read_map(path, 8, block=4), means, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 2), (4, 4)])
def test_a_map_that_cannot_be_the_frame_s_is_refused(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    path = write_map(tmp_path / "a.png", np.zeros(shape))
    with pytest.raises(InputError, match=rf"a\.png is {shape[0]}x{shape[1]}, .* 2x2 frame"):
        prob_maps.read_map(path, 2)


def test_each_row_of_weights_is_a_mean_and_a_map_without_weight_is_not_read(
    tmp_path: Path,
) -> None:
    low, high = (write_map(tmp_path / f"{v}.png", np.full((2, 2), v)) for v in (40, 240))
    paths = [low, high, tmp_path / "missing.png"]
    blends = prob_maps.blend(paths, np.array([[1, 1, 0], [3, 1, 0]]), size=2)
    assert blends.dtype == np.uint8
    assert blends[:, 0, 0].tolist() == [140, 90]
