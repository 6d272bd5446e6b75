"""What a table or a BIDS folder names, and what is said of a row that cannot be used."""

import shutil

import pytest

import sample_pair
from regexplain.cohort.bids import bids_pairs
from regexplain.cohort.estimate import Estimate
from regexplain.cohort.pairs import read_pairs
from regexplain.cohort.run import pairs_of
from regexplain.cohort.settings import Settings
from regexplain.cohort.study import Plan, Study
from regexplain.errors import BadInputError

FIXED, MOVING = sample_pair.file("fixed"), sample_pair.file("moving")


def table(folder, text, name="pairs.tsv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(("name", "delimiter"), [("pairs.tsv", "\t"), ("pairs.csv", ","), ("pairs.csv", ";")])
def test_paths_are_relative_to_the_table_and_other_columns_are_carried(tmp_path, name, delimiter):
    rows = ["id", "moving", "fixed", "age"], ["x-1", "b.nii", "sub/a.nii", "61"], ["x-2", "b.nii", "/c.nii", "n/a"]
    text = "\ufeff" + "".join(delimiter.join(row) + "\r\n" for row in rows)
    first, second = read_pairs(table(tmp_path, text, name)).usable
    assert first.files == {"fixed": str(tmp_path / "sub/a.nii"), "moving": str(tmp_path / "b.nii")}
    assert (first.id, first.columns, second.columns) == ("x-1", {"age": "61"}, {"age": ""})
    assert second.files["fixed"] == "/c.nii"


def test_a_row_that_cannot_be_used_is_told_and_the_rest_goes_on(tmp_path):
    good = f"{FIXED}\t{MOVING}"
    (tmp_path / "empty.nii.gz").write_bytes(b"")
    lines = ["id\tfixed\tmoving", f"a\t{good}", f"A\t{good}", f"../b\t{good}", f"c\t{FIXED}\t", f"\t{good}"]
    lines += [f"d\t{FIXED}\tgone.nii.gz", f"e\tempty.nii.gz\t{MOVING}"]
    pairs = read_pairs(table(tmp_path, "\n".join(lines) + "\n"))
    plan = Plan.of(Study(tmp_path / "study"), pairs, Settings("none"))
    assert [job.pair.id for job in plan.jobs] == ["a", "0005"]
    said = {name: why for name, (why, _) in plan.failed.items()}
    assert said["A"] == "Its id is that of row 2 too; give each row an id of its own."
    assert "cannot name a folder" in said["row 4"]
    assert said["c"] == "Its row 5 has nothing in the column moving."
    assert said["d"] == "There is no moving image at gone.nii.gz."
    assert said["e"] == "The fixed image empty.nii.gz is not an image that can be read, or is damaged."
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fixed\tfloating\na\tb\n", "has no column moving"),
        ("a,b\n", "has no column fixed and no column moving"),
        ("fixed\tmoving\n", "has no row below its header"),
        ("", "has no column fixed"),
    ],
)
def test_a_table_that_names_no_pairs_is_refused(tmp_path, text, said):
    with pytest.raises(BadInputError, match=said):
        read_pairs(table(tmp_path, text))


def test_another_file_other_settings_or_another_model_make_a_pair_anew(tmp_path):
    shutil.copy(FIXED, tmp_path / "f.nii.gz")
    pairs = read_pairs(table(tmp_path, f"fixed\tmoving\nf.nii.gz\t{MOVING}\n"))

    def made(**settings):
        return Plan.of(Study(tmp_path / "s"), pairs, Settings(**settings)).jobs[0].made_with

    first = made(model="none")
    assert first == made(model="none", device="cpu", threads=2)
    others = [
        made(model="hippocampus"),
        made(model="auto"),
        made(model="none", refine=1),
        made(model="none", trust=True),
    ]
    (tmp_path / "f.nii.gz").touch()
    assert len({first, *others, made(model="none")}) == 6


def dataset(folder):
    for subject, names in {
        "01": ["ses-1/anat/sub-01_ses-1_T1w", "ses-2/anat/sub-01_ses-2_T1w", "ses-1/anat/sub-01_ses-1_FLAIR"],
        "02": ["ses-1/anat/sub-02_ses-1_T1w"],
        "03": ["ses-1/anat/sub-03_ses-1_run-1_T1w", "ses-1/anat/sub-03_ses-1_run-2_T1w", "ses-2/anat/sub-03_ses-2_T1w"],
    }.items():
        for name in names:
            path = folder / f"sub-{subject}" / f"{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(FIXED, path)
    (folder / "participants.tsv").write_text("participant_id\tage\nsub-01\t55\n")
    return folder


@pytest.mark.parametrize("arrow", ["->", "→"])
def test_two_visits_of_every_subject_need_no_table(tmp_path, arrow):
    pairs = bids_pairs(dataset(tmp_path), f"T1w ses-1 {arrow} ses-2")
    [pair] = pairs.usable
    assert pair.files["fixed"].endswith("sub-01_ses-1_T1w.nii.gz")
    assert pair.files["moving"].endswith("sub-01_ses-2_T1w.nii.gz")
    assert pair.columns == {"participant_id": "sub-01", "age": "55"}
    assert pair.bids == {"subject": "sub-01", "from": "ses2", "to": "ses1", "folder": "sub-01/anat"}
    said = dict(pairs.refused)
    assert said["sub-02"] == "No image is the moving one of --bids."
    assert (
        said["sub-03"].startswith("2 images are the fixed one of --bids")
        and "add an entity such as run-1" in said["sub-03"]
    )


def test_two_contrasts_of_one_visit_are_named_by_these(tmp_path):
    [pair] = bids_pairs(dataset(tmp_path), "ses-1 T1w -> FLAIR").usable
    assert pair.bids["from"] == "FLAIR" and pair.bids["to"] == "T1w"


@pytest.mark.parametrize("selection", ["T1w", "ses-1 -> ses-2", "T1w ses-1 -> ?"])
def test_a_selection_that_says_nothing_is_refused(tmp_path, selection):
    with pytest.raises(BadInputError, match="--bids"):
        bids_pairs(dataset(tmp_path), selection)


def test_a_folder_needs_a_selection(tmp_path):
    with pytest.raises(BadInputError, match="is a folder; give a table"):
        pairs_of(tmp_path, None)


def test_an_estimate_grows_with_the_pairs_and_the_memory_with_the_largest():
    small, large = (1_000_000, 1_000_000), (8_000_000, 8_000_000)
    one, many = (Estimate.of(voxels, Settings("none")) for voxels in ([large], [large, small, small]))
    assert one.memory == many.memory and one.seconds < many.seconds < 3 * one.seconds and many.disk < 3 * one.disk
    assert "3 pairs to do, 2 done, 1 not usable" in many.words(2, 1)
