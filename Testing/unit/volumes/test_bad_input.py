"""Bad input gets one sentence that says what and what to do; odd but fine input works."""

import json
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner

import sample_pair
from equivalent_scans import reoriented, resampled, with_moved_header
from regexplain.cards import registry
from regexplain.cli import main
from regexplain.cli.verb import verb
from regexplain.errors import BadInputError, RegExplainError
from regexplain.torch_backend.inference.model import Model
from regexplain.volumes.images import read_segmentation, read_volume, resample_segmentation
from regexplain.volumes.intensities import robust_rescale
from regexplain.volumes.threads import device_errors


def written(folder: Path, array: np.ndarray, name="image.nii.gz", vector=False) -> Path:
    path = folder / name
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=vector), str(path))
    return path


def ramp(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def with_one(value: float) -> np.ndarray:
    array = ramp(5, 6, 7)
    array[2, 3, 4] = value
    return array


UNUSABLE = {
    "2D": (ramp(6, 7), "is 2-D; give one 3-D volume"),
    "one slice": (ramp(1, 6, 7), "one voxel thick .7 × 6 × 1 voxels."),
    "constant": (np.full((5, 6, 7), 3.0, np.float32), "same value .3.0. in every voxel"),
    "nearly constant": (
        np.where(ramp(20, 20, 20) == 700, 0, 3).astype(np.uint8),
        "almost the same value .3. everywhere",
    ),
    "constant but for rounding": (1000 + 1e-4 * ramp(5, 6, 7) / 210, "almost the same value .1000. everywhere"),
    "tiny": (ramp(4, 4, 4), "is too small to register .4 × 4 × 4 voxels."),
    "tiny along two axes": (ramp(40, 4, 2), "is too small to register"),
    "NaN": (with_one(np.nan), "1 voxels that are NaN or infinite; replace"),
    "infinite": (with_one(np.inf), "1 voxels that are NaN or infinite; replace"),
}


@pytest.mark.parametrize("name", ["image.nii", "image.nii.gz", "image.nrrd"])
@pytest.mark.parametrize("case", UNUSABLE)
def test_a_volume_that_cannot_be_registered_is_refused(tmp_path, case, name):
    array, words = UNUSABLE[case]
    with pytest.raises(BadInputError, match=f"The fixed image .*{words}"):
        read_volume(written(tmp_path, array, name), "fixed image")


def test_a_slab_of_a_few_slices_and_a_small_mask_are_read(tmp_path):
    assert read_volume(written(tmp_path, ramp(2, 20, 20))).GetSize() == (20, 20, 2)
    mask = (ramp(10, 20, 20) < 10).astype(np.uint8)
    assert np.array_equal(sitk.GetArrayFromImage(read_volume(written(tmp_path, mask))), mask)


@pytest.mark.parametrize("dark", [1, 50, 1000])
def test_the_inverse_of_a_mask_is_scaled_as_any_image(dark):
    """Its most frequent value is its brightest, so it is no background."""
    array = (ramp(10, 20, 20) >= dark).astype(np.float32)
    assert np.array_equal(robust_rescale(array), array)


def test_a_time_series_is_refused_and_a_series_of_one_is_not(tmp_path):
    for frames, name in ((2, "two.nii.gz"), (1, "one.nii.gz")):
        volume = sitk.JoinSeries([sitk.GetImageFromArray(ramp(5, 6, 7))] * frames)
        sitk.WriteImage(volume, str(tmp_path / name))
    with pytest.raises(BadInputError, match="4-D; give one 3-D volume"):
        read_volume(tmp_path / "two.nii.gz")
    assert read_volume(tmp_path / "one.nii.gz").GetSize() == (7, 6, 5)


def test_colours_and_vectors_are_refused(tmp_path):
    with pytest.raises(BadInputError, match="several values per voxel"):
        read_volume(written(tmp_path, ramp(5, 6, 7, 3), "v.nrrd", vector=True))


def test_files_that_are_no_images_are_refused(tmp_path):
    (tmp_path / "empty.nii.gz").write_bytes(b"")
    (tmp_path / "text.nii.gz").write_text("not an image")
    (tmp_path / "folder").mkdir()
    for name, words in (
        ("missing.nii.gz", "There is no image at"),
        ("empty.nii.gz", "is an empty file"),
        ("text.nii.gz", "not an image that can be read, or is damaged"),
        ("folder", "holds no DICOM series"),
    ):
        with pytest.raises(BadInputError, match=words):
            read_volume(tmp_path / name)


@pytest.mark.parametrize("name", ["cut.nii", "cut.nii.gz", "cut.nrrd", "cut.mha"])
def test_a_truncated_file_is_refused(tmp_path, name):
    whole = written(tmp_path, ramp(20, 20, 20), name)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(BadInputError, match="damaged"):
        read_volume(whole)


def test_an_image_larger_than_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = written(tmp_path, ramp(20, 20, 20))
    monkeypatch.setattr("regexplain.volumes.memory.physical_memory", lambda: 1000.0)
    with pytest.raises(BadInputError, match="more than this computer has; crop or resample"):
        read_volume(path)


def dicom_series(folder: Path, uid: str) -> None:
    """A series of five slices, as another program would write it."""
    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in range(5):
        image = sitk.GetImageFromArray((ramp(1, 6, 7) + k).astype(np.int16))
        tags = {
            "0020|000e": uid,
            "0020|0032": f"0\\0\\{3 * k}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0008|0060": "MR",
            "0008|0018": f"{uid}.{k + 1}",
            "0010|0010": "DOE^JANE",
            "0020|0013": str(k),
        }
        for key, value in tags.items():
            image.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{uid}-{k}.dcm"))
        writer.Execute(image)


def test_a_dicom_folder_is_one_volume_without_the_patients_name(tmp_path):
    dicom_series(tmp_path / "one", "1.2.3")
    image = read_volume(tmp_path / "one")
    assert image.GetSize() == (7, 6, 5)
    assert image.GetSpacing()[2] == pytest.approx(3)
    assert image.GetMetaDataKeys() == ()


def test_a_folder_of_two_dicom_series_is_refused(tmp_path):
    for uid in ("1.2.3", "1.2.4"):
        dicom_series(tmp_path / "two", uid)
    with pytest.raises(BadInputError, match="holds 2 volumes: 0.1 .5 slices., 0.2 .5 slices.; choose one"):
        read_volume(tmp_path / "two")


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.uint8, np.float64])
def test_every_scalar_type_with_negative_values_too_is_read(tmp_path, kind):
    array = (ramp(5, 6, 7) - (100 if np.issubdtype(kind, np.signedinteger) else 0)).astype(kind)
    assert np.array_equal(sitk.GetArrayFromImage(read_volume(written(tmp_path, array))), array)


LABELS = np.zeros((5, 6, 7), np.uint8)
LABELS[1:4, 2:5, 2:6] = 2


@pytest.mark.parametrize(
    "array, words",
    [
        (LABELS * 0, "is empty"),
        (LABELS * 0.5 + 0.25, "not whole numbers"),
        (LABELS.astype(np.int16) - 1, "outside 0–2147483647"),
    ],
)
def test_what_is_no_label_map_is_refused(array, words):
    image = sitk.GetImageFromArray(ramp(5, 6, 7))
    with pytest.raises(BadInputError, match=words):
        resample_segmentation(sitk.GetImageFromArray(array), image)


def test_a_segmentation_of_another_place_is_refused():
    image, labels = sitk.GetImageFromArray(ramp(5, 6, 7)), sitk.GetImageFromArray(LABELS)
    with pytest.raises(BadInputError, match="does not lie on its image"):
        resample_segmentation(with_moved_header(labels, np.eye(3), (100, 0, 0)), image)


def test_a_segmentation_on_another_grid_is_laid_on_the_image():
    image, labels = sample_pair.image("fixed"), sample_pair.image("fixed_segmentation")
    fine = resampled(reoriented(labels), (0.5, 0.5, 0.5), nearest=True)
    fitted = resample_segmentation(sitk.Cast(fine, sitk.sitkFloat32), image)
    assert np.array_equal(sitk.GetArrayFromImage(fitted), sitk.GetArrayFromImage(labels))


def test_a_segmentation_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(BadInputError, match="no moving segmentation at"):
        read_segmentation(tmp_path / "none.nii.gz", sample_pair.image("moving"), "moving segmentation")


# Models ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def copied_model(tmp_path) -> Path:
    return Path(shutil.copytree(registry.find_card("hippocampus").folder, tmp_path / "model"))


@pytest.mark.parametrize("damage", [lambda b: b[:1000], lambda b: b[:-4] + b"\0\0\0\1"])
def test_truncated_or_tampered_weights_are_refused(copied_model, damage):
    path = copied_model / registry.WEIGHTS
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadInputError, match="damaged or was changed .* install it again"):
        registry.find_card(path).verified_file(registry.WEIGHTS)


def test_an_unknown_model_is_answered_with_those_there_are():
    with pytest.raises(BadInputError, match="no model 'spleen'; installed: brain-t1-flair, hippocampus"):
        registry.find_card("spleen")


def test_a_card_that_is_none_is_refused(tmp_path):
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(BadInputError, match="not a model card"):
        registry.find_card(tmp_path)


def test_a_canvas_larger_than_memory_is_refused(copied_model):
    path = copied_model / registry.CARD
    values = json.loads(path.read_text(encoding="utf-8"))
    values["canvas"]["size"] = [100_000, 100_000, 1_000]
    path.write_text(json.dumps(values), encoding="utf-8")
    model = Model.load(registry.find_card(copied_model), "cpu")
    with pytest.raises(RegExplainError, match="canvas of hippocampus needs about .* GB of memory, more than"):
        model.canvas(sample_pair.image("fixed"))


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_memory_that_runs_out_on_the_way_is_said(error):
    with pytest.raises(RegExplainError, match="not enough memory; close other programs"), device_errors():
        raise error


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1 GiB free.", "too little memory"),
        ("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported", "too little memory"),
        ("MPS backend out of memory (MPS allocated: 9 GB)", "too little memory"),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "too little memory"),
        ("CUDA error: device-side assert triggered\nCUDA kernel errors might be", "side assert triggered)"),
        ("CUDA error: CUDA-capable device(s) is/are busy or unavailable\nFor debugging", "busy or unavailable)"),
        ("CUDA error: an illegal memory access was encountered\nFor debugging", "memory access was encountered)"),
        ("No CUDA GPUs are available", "(No CUDA GPUs are available)"),
        ("HIP error: invalid device function", "(HIP error: invalid device function)"),
    ],
)
def test_a_graphics_card_that_fails_is_one_sentence_with_the_processor_as_the_way_on(said, words):
    with pytest.raises(RegExplainError) as caught, device_errors():
        raise RuntimeError(said)
    sentence = str(caught.value)
    assert sentence.startswith("The graphics card") and words in sentence and "\n" not in sentence
    assert "in the panel Processor only, on the command line --device cpu" in sentence and "debugging" not in sentence


def test_a_graphics_card_that_fails_anywhere_in_a_verb_is_said_without_a_call_to_the_authors():
    @click.command()
    @verb
    def fail(progress):
        raise RuntimeError("CUDA error: unspecified launch failure\nFor debugging consider")

    done = CliRunner().invoke(fail, ["--progress", "json"])
    assert done.exit_code == 1
    [event] = [json.loads(line) for line in done.stdout.splitlines()]
    assert event["event"] == "error" and event["message"].startswith("The graphics card failed")
    assert "authors" not in event["message"]


def test_other_errors_are_not_taken_for_missing_memory():
    with pytest.raises(RuntimeError, match="shapes differ"), device_errors():
        raise RuntimeError("shapes differ")


# The command line --------------------------------------------------------------------------------------------------


def run(*arguments) -> tuple[int, str]:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    return done.exit_code, done.stderr


def test_bad_input_ends_with_2_and_one_sentence_and_writes_nothing(tmp_path):
    code, said = run("register", tmp_path / "a.nii.gz", sample_pair.file("moving"), "--output", tmp_path / "r")
    assert code == 2
    assert said.strip().count("\n") == 0
    assert said.startswith("Error: There is no fixed image at")
    assert list(tmp_path.iterdir()) == []


def test_scans_that_do_not_overlap_are_refused(tmp_path):
    far = with_moved_header(sample_pair.image("moving"), np.eye(3), (0, 0, 400))
    sitk.WriteImage(far, str(tmp_path / "far.nii.gz"))
    code, said = run("register", sample_pair.file("fixed"), tmp_path / "far.nii.gz", "--output", tmp_path / "r")
    assert code == 2
    assert "do not overlap" in said
    assert "initial transform" in said


def test_an_existing_output_is_refused_before_any_work(tmp_path):
    (tmp_path / "r").mkdir()
    code, said = run("register", tmp_path / "a.nii.gz", tmp_path / "b.nii.gz", "--output", tmp_path / "r")
    assert (code, "exists already" in said) == (2, True)


def test_an_output_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    code, said = run("register", sample_pair.file("fixed"), sample_pair.file("moving"), "--output", tmp_path / "file/r")
    assert (code, "cannot be written to" in said) == (2, True)


def test_a_device_that_is_not_there_and_no_threads_are_refused(tmp_path):
    pair = sample_pair.file("fixed"), sample_pair.file("moving"), "--output", tmp_path / "r"
    code, said = run("register", *pair, "--device", "mps")
    assert (code, "mps is not available" in said) == (2, True)
    code, said = run("register", *pair, "--threads", "0")
    assert (code, "--threads must be at least 1" in said) == (2, True)


@pytest.mark.parametrize("verb", ["explain", "components", "scene"])
def test_what_is_no_result_is_refused_by_every_verb(tmp_path, verb):
    code, said = run(verb, tmp_path)
    assert (code, "is not a result of `regexplain register`" in said) == (2, True)


@pytest.mark.parametrize("verb", ["train", "evaluate"])
def test_what_is_no_configuration_is_refused(tmp_path, verb):
    (tmp_path / "c.json").write_text('{"steps": 3}')
    code, said = run(verb, tmp_path / "c.json")
    assert (code, "its keys are" in said) == (2, True)
