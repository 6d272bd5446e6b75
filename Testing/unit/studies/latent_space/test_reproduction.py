"""`regexplain reproduce latent-space`: the whole of it on made cases, and what its verdicts are made of, with known
answers."""

import csv
import json
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from regexplain.cards import registry
from regexplain.cards.registry import ModelCard
from regexplain.cli import main
from regexplain.latent.components import LatentComponents
from regexplain.latent.purity import Measure, Purity
from regexplain.studies.latent_space import claims, elementary, latent_space, predefined, spaces
from regexplain.studies.latent_space.anatomy_plots import PLANES, Backdrop
from regexplain.studies.latent_space.variance import explained
from regexplain.studies.sections import StudyOutput
from regexplain.torch_backend.inference.model import Model
from regexplain.torch_backend.networks.latent import LatentNetwork
from regexplain.transforms.itk import grid_points
from regexplain.volumes.geometry import Grid, centred_grid

CANVAS = [24, 24, 16]
FIGURES = {
    "dice",
    "variance",
    "participation-ratio",
    "strongest-share",
    *(f"arrows-{space}-1-3" for space in ("without-skips", "displacement-fields")),
    *(f"{kind}-1-3" for kind in ("outlines-without-skips", "sweep-lambda", "sweep-sd")),
    *(
        f"box-plots-{space}"
        for space in ("without-skips", "without-skips-readable-basis", "with-skips", "displacement-fields")
    ),
}
DRAWN_TWICE = {"dice", "arrows-without-skips-1-3", "outlines-without-skips-1-3", "sweep-sd-1-3", "box-plots-with-skips"}
TABLES = {"pairs", "pairs-summary", "variance", "variance-paper", "sweep", "names", "known-motions"}


# A small study, whole -----------------------------------------------------------------------------------------------


def made_case(number: int) -> tuple[sitk.Image, sitk.Image]:
    """An egg of two parts in a dark box, at another place and of another size for each number."""
    random = np.random.default_rng(number)
    grid = centred_grid(np.zeros(3), (22, 20, 16), (1.0, 1.0, 1.0), (-1, 0, 0, 0, -1, 0, 0, 0, 1))
    points = grid_points(grid) - random.normal(size=3)
    labels = (((points / (5 + random.uniform(-1, 1, 3))) ** 2).sum(-1) < 1) * (1 + (points[..., 1] > 0))
    values = 100 * (labels == 1) + 160 * (labels == 2) + random.normal(size=labels.shape) * 5
    return grid.image(values.astype(np.int16)), grid.image(labels.astype(np.uint8))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Four training cases and two for validation."""
    folder = tmp_path_factory.mktemp("data")
    for part in ("images", "labels"):
        (folder / part).mkdir()
    for number in (301, 302, 309, 310, 311, 312):
        for part, image in zip(("images", "labels"), made_case(number), strict=True):
            sitk.WriteImage(image, str(folder / part / f"case_{number}.nii.gz"))
    return folder


def write_model(folder, name: str, **options) -> None:
    """An untrained network that moves tissue by some voxels, as a model of that name."""
    torch.manual_seed(0)
    network = LatentNetwork((3, 4), **options)
    for part in network.decoder.part:
        torch.nn.init.normal_(part.weight, std=0.3)
    encodings = network.encode(torch.rand(4, 1, *reversed(CANVAS))).flatten(1).detach().double().numpy()
    (folder / name).mkdir()
    save_file(network.state_dict(), str(folder / name / registry.WEIGHTS))
    components = LatentComponents.fit(encodings)
    components.readable = np.linalg.qr(np.arange(9.0).reshape(3, 3) ** 2)[0]
    components.save(folder / name / registry.COMPONENTS)
    values = {
        "name": name,
        "network": {"type": "latent", "widths": [3, 4], **options},
        "canvas": {"size": CANVAS, "spacing_mm": [1.0, 1.0, 1.0]},
        "alignment": "centre",
        "domain": {key: {"min": [0] * 3, "max": [99] * 3} for key in ("extent_mm", "spacing_mm")},
        "files": {part: registry.sha256(folder / name / part) for part in (registry.WEIGHTS, registry.COMPONENTS)},
    }
    (folder / name / registry.CARD).write_text(json.dumps(values), encoding="utf-8")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_model(folder, "hippocampus")
    write_model(folder, "hippocampus-skip", skips=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "FOLDER", folder)
        yield folder


def reproduce(data, output, *options):
    arguments = ["reproduce", "latent-space", "--data", str(data), "--output", str(output), "--threads", "1"]
    return CliRunner().invoke(main, [*arguments, "--device", "cpu", "--progress", "json", *options])


@pytest.fixture(scope="module")
def study(data, models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "output with spaces é"
    done = reproduce(data, folder, "--skip-model", str(models / "hippocampus-skip"))
    assert done.exit_code == 0, done.output
    return folder, [json.loads(line) for line in done.stdout.splitlines()]


def rows(path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.ci
def test_the_whole_study_is_written_and_nothing_else(study):
    folder, events = study
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert {path.name for path in folder.iterdir()} == {"index.html", "claims.csv", "study.json", "figures", "tables"}
    assert {path.stem for path in (folder / "figures").iterdir()} == FIGURES
    assert {path.stem for path in (folder / "tables").iterdir()} == TABLES
    assert all((folder / "figures" / f"{name}.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for name in FIGURES)
    assert all(rows(folder / "tables" / f"{name}.csv") for name in TABLES)
    assert events[-1] == {"event": "finished", "result": str(folder)}
    assert all(event["done"] <= event["total"] for event in events[:-1])


@pytest.mark.ci
def test_every_claim_has_a_verdict_and_the_tables_it_comes_from(study):
    folder, _ = study
    found = rows(folder / "claims.csv")
    assert len(found) >= 17
    for claim in found:
        assert re.match("holds|does not hold|cannot be checked: ", claim["verdict"]), claim
        assert claim["computed_from"] == "—" or set(claim["computed_from"].split(", ")) <= TABLES
        assert all(claim.values())


@pytest.mark.ci
def test_the_page_is_complete_in_itself_and_names_no_place_on_this_computer(study, data):
    folder, _ = study
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(FIGURES)
    assert not re.search(r'(src|href)="(?!data:)', page)
    for path in [folder / "index.html", *folder.glob("*.csv"), *folder.glob("*.json"), *folder.glob("tables/*.csv")]:
        text = path.read_text(encoding="utf-8")
        assert str(data) not in text and str(folder.parent) not in text and "case_3" not in page, path


@pytest.mark.ci
def test_each_known_motion_is_measured_in_each_space_within_its_interval(study):
    folder, _ = study
    measured = rows(folder / "tables" / "known-motions.csv")
    assert len({row["space"] for row in measured}) == 4 and len(measured) == 4 * len(predefined.TRANSFORMATIONS)
    for row in measured:
        for name in ("strongest_share", "participation_ratio", "active_components"):
            assert float(row[f"{name}_low"]) <= float(row[name]) + 1e-9
            assert float(row[name]) <= float(row[f"{name}_high"]) + 1e-9
        assert 1 <= float(row["participation_ratio"]) <= 3
        assert float(row["segments_off_canvas_percent"]) < 100


@pytest.mark.ci
def test_a_second_run_gives_the_same_figures_and_numbers(study, data, models, tmp_path, monkeypatch):
    first, second = study[0], tmp_path / "again"
    draw = StudyOutput.save_figure

    def save_figure(output, name, figure):
        """One of each kind of figure is drawn again: drawing takes half of the time."""
        if name in DRAWN_TWICE:
            return draw(output, name, figure)
        (output.folder / "figures").mkdir(exist_ok=True)
        shutil.copy(first / "figures" / f"{name}.png", output.folder / "figures")
        return name

    monkeypatch.setattr(StudyOutput, "save_figure", save_figure)
    assert reproduce(data, second).exit_code == 0
    timed = {"pairs.csv", "pairs-summary.csv"}  # they hold seconds
    for path in [first / "claims.csv", *first.glob("figures/*"), *first.glob("tables/*")]:
        if path.name not in timed:
            assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path.name


# What it refuses ----------------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_is_named(models, tmp_path):
    done = reproduce(tmp_path / "nowhere", tmp_path / "output")
    assert done.exit_code == 2
    assert "There is no folder" in done.output and not (tmp_path / "output").exists()


def test_a_folder_without_validation_cases_is_refused(models, data, tmp_path):
    for part in ("images", "labels"):
        (tmp_path / "data" / part).mkdir(parents=True)
        for number in (301, 302):
            (tmp_path / "data" / part / f"case_{number}.nii.gz").symlink_to(data / part / f"case_{number}.nii.gz")
    done = reproduce(tmp_path / "data", tmp_path / "output")
    assert done.exit_code == 2
    assert "holds 0 validation cases" in done.output and not (tmp_path / "output").exists()


def test_an_output_that_exists_is_left_as_it_is(models, data, tmp_path):
    (tmp_path / "note").write_text("mine")
    done = reproduce(data, tmp_path)
    assert done.exit_code == 2
    assert "exists already; choose another --output." in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["note"]


def test_a_run_that_breaks_leaves_nothing(models, data, tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(latent_space, "latent_spaces", broken)
    done = reproduce(data, tmp_path / "output")
    assert done.exit_code == 1 and "No space left on device" in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("module", "package"), [("sklearn", "scikit-learn"), ("matplotlib", "matplotlib")])
def test_without_a_package_one_sentence_names_the_extra(data, tmp_path, monkeypatch, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    done = reproduce(data, tmp_path / "output")
    assert done.exit_code == 1
    assert f"Studies need {package}" in done.output and "pip install 'regexplain[torch,study]'" in done.output


# Known motions ------------------------------------------------------------------------------------------------------


OBLIQUE = (np.sqrt(0.75), -0.5, 0.0, 0.5, np.sqrt(0.75), 0.0, 0.0, 0.0, 1.0)
HEADERS = {  # direction cosines of an image, and those of the canvas about it
    "straight": (np.eye(3), np.eye(3)),
    "stored the other way": (np.diag([-1.0, -1.0, 1.0]), np.eye(3)),
    "oblique": (np.reshape(OBLIQUE, (3, 3)), np.reshape(OBLIQUE, (3, 3))),
}


def moved_ball(name: str, at, header: str) -> np.ndarray:
    """Where a bright ball at `at` (mm about the middle: left, posterior, superior) is after the motion of that name."""
    direction, canvas_axes = HEADERS[header]
    grid = centred_grid(np.array([50.0, -20.0, 7.0]), (48, 48, 48), (1.0, 1.0, 1.0), direction.ravel())
    away = np.linalg.norm(grid_points(grid) - grid.centre - canvas_axes @ at, axis=-1)
    image = grid.image((np.clip(4 - away, 0, 1) * 100).astype(np.float32))
    card = ModelCard(Path(), {"canvas": {"size": [64] * 3, "spacing_mm": [1.0] * 3}})
    model = Model(card, None, torch.device("cpu"))
    [motion] = [motion for motion in predefined.TRANSFORMATIONS if motion.name == name]
    case = spaces.Case(311, image, image > 1)
    volume = spaces.moved_copy(model, case, motion)[0, 0].numpy()
    points = grid_points(Grid((64, 64, 64), (1.0, 1.0, 1.0), (-31.5, -31.5, -31.5), tuple(np.eye(3).ravel())))
    return (points * volume[..., None]).sum((0, 1, 2)) / volume.sum()


@pytest.mark.parametrize("header", list(HEADERS))
@pytest.mark.parametrize(
    ("name", "at", "expected"),
    [
        ("rotation 20° left-right", (0, 10, 0), (0, 9.40, 3.42)),  # by the right hand: posterior goes up
        ("rotation 20° front-back", (0, 0, 10), (3.42, 0, 9.40)),  # superior goes left
        ("rotation 20° up-down", (10, 0, 0), (9.40, 3.42, 0)),  # left goes to the back
        ("translation 10 mm left-right", (0, 0, 0), (10, 0, 0)),
        ("translation 10 mm front-back", (0, 0, 0), (0, 10, 0)),
        ("translation 10 mm up-down", (0, 0, 0), (0, 0, 10)),
        ("zoom 0.8", (10, 0, -5), (8, 0, -4)),
        ("zoom 1.2", (10, 0, -5), (12, 0, -6)),
    ],
)
def test_a_known_motion_takes_tissue_where_its_name_says(name, at, expected, header):
    assert moved_ball(name, at, header) == pytest.approx(expected, abs=0.15)


# Spaces -------------------------------------------------------------------------------------------------------------


def planted_components(sd=(3.0, 2.0, 1.0)) -> LatentComponents:
    sd = np.array(sd)
    return LatentComponents(np.eye(len(sd), 6), np.zeros(6), sd, sd**2 / (sd**2).sum())


def test_changes_are_coordinates_of_the_difference_in_the_spaces_own_unit():
    difference = np.array([[-4.0, 1.0, 0.0, 9.0, 9.0, 9.0]])
    space = spaces.Space("planted, basis", "units", planted_components(), {"zoom": difference}, lambda z: z)
    assert space.changes()["zoom"].tolist() == [[4.0, 1.0, 0.0]]
    assert space.key == "planted-basis"
    assert space.motions(8, 2.0).tolist() == [[6, 0, 0, 0, 0, 0], [0, 4, 0, 0, 0, 0], [0, 0, 2, 0, 0, 0]]


def test_explained_variance_is_that_of_planted_vectors():
    random = np.random.default_rng(0)
    vectors = random.choice([-1.0, 1.0], (4000, 6)) * np.array([3, 2, 1, 1, 1, 0])
    assert explained(planted_components(), vectors) == pytest.approx(100 * np.array([9, 13, 14]) / 16)


def test_a_field_is_as_long_as_its_root_mean_square_in_mm_and_comes_back_on_the_canvas():
    def network(fixed, moving, shape):
        voxels = torch.zeros(1, 3, *shape)
        voxels[:, 1] = 0.5  # of a grid twice as coarse: one canvas voxel
        return SimpleNamespace(displacement=voxels)

    card = SimpleNamespace(canvas_size=[16, 12, 8], canvas_spacing=[1.0, 2.0, 1.0])
    model = SimpleNamespace(network=network, card=card)
    volume = torch.zeros(1, 1, 8, 12, 16)
    vector = spaces.field(model, volume, volume)
    assert np.linalg.norm(vector) == pytest.approx(2.0)
    canvas = spaces._field_decoder(model)(vector[None])
    assert canvas.shape == (1, 3, 8, 12, 16)
    assert canvas[0, 1] == pytest.approx(2.0) and not canvas[0, [0, 2]].any()


# Pictures -----------------------------------------------------------------------------------------------------------


def backdrop() -> Backdrop:
    segments = np.zeros((1, 16, 16, 16), np.float32)
    segments[0, 6:10, 6:10, 6:10] = 1
    return Backdrop(311, np.ones((16, 16, 16), np.float32), segments, (2.0, 2.0, 2.0))


def test_a_warped_outline_goes_against_the_arrows():
    field = np.zeros((3, 16, 16, 16))
    field[0] = 4.0  # arrows to the left by two voxels
    warped = elementary.warped_segments(backdrop(), field)
    assert np.nonzero(warped[0].max((0, 1)) > 0.5)[0].tolist() == [4, 5, 6, 7]


@pytest.mark.parametrize(("component", "plane"), [(0, "sagittal"), (1, "coronal"), (2, "axial")])
def test_a_motion_is_shown_in_the_plane_across_which_it_moves_least(component, plane):
    field = np.ones((3, 16, 16, 16))
    field[component] = 0.1
    assert elementary.plane_of_motion(backdrop(), field).name == plane


def test_a_plane_cuts_at_the_voxel_and_shows_right_and_up():
    volume = np.arange(4 * 5 * 6).reshape(4, 5, 6)  # (z, y, x)
    for plane, cut in zip(PLANES, (volume[:, :, 2], volume[:, 2], volume[2]), strict=True):
        assert (plane.cut(volume, 2) == cut).all()
        assert cut.shape == (volume.shape[2 - plane.vertical], volume.shape[2 - plane.right])


def test_slices_go_through_the_middle_of_the_anatomy():
    assert backdrop().centre == [8, 8, 8]
    assert backdrop().limits(0) == (-16.0, 16.0)


# Verdicts -----------------------------------------------------------------------------------------------------------


def pure(active=(1, 1, 1), ratio=(2.0, 1.5, 2.5)) -> Purity:
    return Purity(Measure(0.5, 0.4, 0.6), Measure(*ratio), Measure(*active))


def verdict(found: list[claims.Claim], start: str) -> str:
    [claim] = [claim for claim in found if claim.claim.startswith(start)]
    return claim.verdict


def dominance(without, with_skips) -> list[claims.Claim]:
    motions = ("rotation a", "rotation b", "translation a", "zoom 0.8")
    return claims.dominance_claims(
        {
            "without skips": dict(zip(motions, without, strict=True)),
            "with skips": dict(zip(motions, with_skips, strict=True)),
        }
    )


def test_one_component_stands_out_only_where_the_whole_interval_says_one():
    one, unsure, two, many = pure(), pure((1, 1, 2)), pure((2, 2, 2)), pure((5, 3, 7))
    found = dominance([one, unsure, two, two], [many, many, many, pure((3, 2, 4))])
    assert verdict(found, "rotation: one component stands out") == "holds only for rotation a"
    assert verdict(found, "translation: one component stands out") == "does not hold"
    assert verdict(found, "zoom: two components stand out") == "holds"
    assert verdict(found, "rotation: many") == verdict(found, "translation: many") == "holds"
    assert verdict(found, "zoom: many") == "does not hold"


def test_the_control_spreads_more_only_where_the_intervals_part():
    low, near, high = (pure(ratio=ratio) for ratio in ((2, 1.5, 2.5), (3, 2.4, 4), (5, 4, 6)))
    spread = {"without skips": {"zoom": low, "turn": low}, "displacement fields": {"zoom": high, "turn": near}}
    assert claims.control_claim(spread).verdict == "holds only for zoom"
    assert "zoom: 5.0 against 2.0" in claims.control_claim(spread).ours
    purer = {"without skips": {"zoom": high}, "readable": {"zoom": low}}
    assert claims.readable_claim(purer).verdict == "holds"
    assert (
        claims.readable_claim({"without skips": {"zoom": low}, "readable": {"zoom": high}}).verdict == "does not hold"
    )


@pytest.mark.parametrize(("without", "expected"), [(0.75, "does not hold"), (0.77, "holds")])
def test_dice_is_held_against_the_papers_mean(without, expected):
    scores = {"unregistered": np.full(20, 0.5), "without skips": np.full(20, without), "with skips": np.full(20, 0.8)}
    found = claims.dice_claims(scores)
    assert verdict(found, "Dice unregistered") == "holds"
    assert verdict(found, "Dice without") == expected
    assert verdict(found, "Dice with skips") == "does not hold"
    assert verdict(found, "skip connections register better") == "holds"


def test_skips_are_not_better_where_the_pairs_disagree():
    gain = np.tile([0.1, -0.1], 10)
    scores = {"unregistered": np.zeros(20), "without skips": np.full(20, 0.7), "with skips": 0.7 + gain}
    assert verdict(claims.dice_claims(scores), "skip connections register better") == "does not hold"


def test_variance_is_read_at_4_and_32_components():
    four, all_of_them = claims.variance_claims(np.linspace(0, 92.9, 32))
    assert (four.verdict, all_of_them.verdict) == ("does not hold", "does not hold")
    four, all_of_them = claims.variance_claims(np.array([30, 50, 60, 62.0, *np.linspace(63, 93, 28)]))
    assert (four.verdict, all_of_them.verdict) == ("holds", "holds")
    assert four.ours == "62.0 % with 4" and all_of_them.ours == "93.0 % with 32"


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((3, 1, 0, 1, 2), "holds"), ((1, 1, 0, 1, 2), "does not hold"), ((4, 3, 1, 2, 3), "does not hold")],
)
def test_motion_must_grow_from_nothing_on_both_sides(sizes, expected):
    sweep = [
        {"component": 1, "sweep": "lambda", "lambda_latent_units": strength, "mean_mm": float(size)}
        for strength, size in zip(elementary.PAPER_LAMBDAS, sizes, strict=True)
    ]
    assert claims.sweep_claim(sweep).verdict == expected


def test_components_have_names_where_one_kind_of_motion_makes_most_of_most():
    def motions(count):
        named = {"translation": 0.1, "rotation": 0.1, "stretch": 0.6, "bending": 0.2}
        mixed = {"translation": 0.3, "rotation": 0.3, "stretch": 0.0, "bending": 0.4}
        return [SimpleNamespace(shares=named if index < count else mixed) for index in range(8)]

    assert claims.named_claim("a space", motions(5), "can be named").verdict == "holds"
    assert claims.named_claim("a space", motions(4), "can be named").verdict == "does not hold"
    assert claims.named_claim("a space", motions(4), None).verdict == "holds"
    assert claims.named_claim("a space", motions(5), None).verdict == "does not hold"
