"""Model files in 8 bits: half the size, and no number further off than is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import save_file

from regexplain.cards.quantization import load_dequantized, quantize

KERNELS = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=5, max_side=4),
    elements=st.floats(-1e6, 1e6, width=32, allow_subnormal=False),
)


def stored_and_read(folder, tensors):
    path = folder / "tensors.safetensors"
    save_file(quantize(tensors), str(path))
    return load_dequantized(path)


@pytest.mark.slow
@given(KERNELS)
def test_no_entry_is_off_by_more_than_half_a_step_of_its_row(tmp_path_factory, kernel):
    found = stored_and_read(tmp_path_factory.mktemp("stored"), {"kernel": kernel})["kernel"]
    rows, back = kernel.reshape(len(kernel), -1), found.reshape(len(kernel), -1)
    largest = np.abs(rows).max(1, keepdims=True)
    assert found.dtype == np.float32 and found.shape == kernel.shape
    assert (np.abs(back - rows) <= largest / 254 * (1 + 1e-4)).all()


def test_rows_have_scales_of_their_own(tmp_path):
    kernel = np.array([[1e-6, -5e-7], [1e6, 5e5]], np.float32)
    assert np.allclose(stored_and_read(tmp_path, {"kernel": kernel})["kernel"], kernel, rtol=0.01)


def test_vectors_and_what_was_stored_in_other_ways_stay_as_they_are(tmp_path):
    bias, half = np.array([0.1, 1e-9, -3.0], np.float32), np.array([[0.1, 7.0]], np.float16)
    assert np.array_equal(stored_and_read(tmp_path, {"bias": bias})["bias"], bias)
    save_file({"half": half}, str(tmp_path / "half.safetensors"))
    assert np.array_equal(load_dequantized(tmp_path / "half.safetensors")["half"], half)


def test_a_large_matrix_takes_a_byte_a_number(tmp_path):
    stored_and_read(tmp_path, {"matrix": np.random.default_rng(0).normal(size=(64, 512)).astype(np.float32)})
    assert (tmp_path / "tensors.safetensors").stat().st_size < 1.02 * 64 * 512
