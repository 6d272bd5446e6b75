"""report.html: the answer first, complete in itself, and right for every kind of result."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

import regexplain
from regexplain.cards import registry
from regexplain.report import render_report, write_report
from regexplain.results import ResultFolder
from regexplain.results.view_capture import ViewCapture, ViewCaptures
from synthetic_result import write_synthetic_result

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SCHEMA = json.loads((Path(regexplain.__file__).parent / "results/result.schema.json").read_text(encoding="utf-8"))
VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """The visible text, the tags with their attributes, and whether every tag is closed in order."""

    def __init__(self, html: str):
        super().__init__()
        self.words, self.tags, self.open = [], [], []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.words.append(data)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    return write_synthetic_result(tmp_path_factory.mktemp("report") / "result").folder


@pytest.fixture
def result(finished) -> ResultFolder:
    """A result with everything but pictures, its record free to change."""
    return ResultFolder.open(finished)


def with_pictures(result: ResultFolder, folder: Path, *names: str) -> ResultFolder:
    (folder / "pictures").mkdir()
    for name in names:
        (folder / "pictures" / f"{name}.png").write_bytes(PNG)
    return ResultFolder(folder, result.record)


def test_the_first_sentence_says_how_far_the_image_was_deformed(result):
    result.record["displacement_mm"] = {"mean": 1.234, "p95": 2.5, "max": 12.34}
    text = Page(render_report(result)).text
    assert "was deformed by 1.23 mm on average and 12.3 mm at most." in text
    assert text.index("1.23 mm on average") < text.index("Segment by segment")


REGIONS = [
    {
        "label": label,
        "name": name,
        "volume_ml": 7.5,
        "displacement_mm": {"mean": mean, "p95": 2 * mean, "max": 3 * mean},
        "jacobian": {"mean": 1.25, "min": 0.5, "share_folded": 0.0},
    }
    for label, name, mean in ((1, "left thalamus", 1.5), (2, "brainstem", 2.5))
]


def test_without_segments_what_moved_is_told_by_the_networks_own_regions(result):
    """The most moved first, marked as its own; then the whole image."""
    result.record |= {"segments": [], "dice": None, "regions": REGIONS}
    text = Page(render_report(result)).text
    assert "Region by region, as the network sees them" in text and "Segment by segment" not in text
    assert "brainstem 7.5 ml 2.50 mm 5.00 mm 7.50 mm × 1.25 left thalamus 7.5 ml 1.50 mm" in text
    assert text.index("left thalamus") < text.index("Whole image")
    assert "Structures as synthetic itself sees them in the fixed image, roughly and unchecked" in text


def test_without_segments_and_regions_the_whole_image_is_told(result):
    result.record |= {"segments": [], "dice": None, "displacement_mm": {"mean": 1.25, "p95": 2.5, "max": 5.0}}
    text = Page(render_report(result)).text
    assert "Without segmentations" in text and "Whole image 1.25 mm 2.50 mm 5.00 mm" in text
    assert "register with segmentations" in text and "Region by region" not in text


def test_with_segments_there_is_no_table_of_regions(result):
    result.record["regions"] = REGIONS
    assert "brainstem" not in Page(render_report(result)).text


@pytest.mark.parametrize("kind", ["affine", "headers"])
def test_where_the_deformation_was_not_kept_it_is_said_why_and_what_to_do(result, kind):
    result.record |= {"kind": "affine", "model": None, "not_kept": "brain-t1-flair", "segments": [], "dice": None}
    result.record["alignment"]["kind"] = kind
    text = Page(render_report(result)).text
    assert "less alike after that than after the alignment alone, so only the alignment was kept" in text
    assert "choose brain-t1-flair by its name (--model brain-t1-flair)" in text
    assert ("was left where the scans' headers put it" in text) == (kind == "headers")


@pytest.mark.parametrize(
    ("after", "sentence"), [(0.784, "rose to 0.78"), (0.2, "fell to 0.20"), (0.301, "stayed at 0.30")]
)
def test_it_says_whether_the_overlap_rose_fell_or_stayed(result, after, sentence):
    result.record["dice"] = {"before": 0.3, "aligned": 0.4, "after": after}
    assert f"The overlap of the segments (Dice) was 0.30 and {sentence}." in Page(render_report(result)).text


@pytest.mark.parametrize(("share", "words"), [(0.0, "No part of the image"), (1e-6, "< 0.01 %"), (0.0312, "3.12 %")])
def test_the_folded_share_never_reads_as_none_when_there_is_some(result, share, words):
    result.record["jacobian"]["share_folded"] = share
    assert f"{words} " in Page(render_report(result)).text


def test_the_segment_that_moved_most_is_named(result):
    for segment, mean in zip(result.record["segments"], (1.5, 4.25), strict=True):
        segment["displacement_mm"]["mean"] = mean
    assert "number 2 moved most: 4.25 mm on average." in Page(render_report(result)).text


def test_warnings_stand_above_every_figure_and_cannot_inject_markup(result):
    result.record["warnings"] = ["Segment 3 is only in the fixed segmentation.", "<script>alert(1)</script>"]
    html = render_report(result)
    text = Page(html).text
    assert text.index("Segment 3 is only in") < text.index("There and back")
    assert "<script" not in html and "<script>alert(1)</script>" in text


def test_every_segment_has_its_row_and_its_dots_stand_at_its_dice(result):
    row = result.record["segments"][1]
    row["dice"] = {"before": 0.25, "aligned": 0.5, "after": 0.75}
    page = Page(render_report(result))
    dots = {a["class"]: float(a["cx"]) for tag, a in page.tags if tag == "circle"}
    assert dots == pytest.approx({"before": 50.0, "after": 150.0})
    assert "2 0.25 0.50 0.75" in page.text


def test_the_latent_components_stand_in_standard_deviations(result):
    result.record["components"]["items"][0] |= {"fixed_sd": -0.34, "moving_sd": 1.26, "mean_mm_per_sd": 0.8}
    assert "1 50 % -0.3 SD +1.3 SD 0.80 mm" in Page(render_report(result)).text


def test_where_the_pair_stands_is_a_row_an_image(result):
    stand = {"coordinates_sd": [0.1], "mahalanobis": 4.0, "residual": 2.0}
    result.record["population"] = {
        "fixed": stand | {"mahalanobis_percentile": 35.08, "residual_percentile": 53.4, "atypical": False},
        "moving": stand | {"mahalanobis_percentile": 70.0, "residual_percentile": 99.48, "atypical": True},
    }
    text = Page(render_report(result)).text
    assert "Fixed 35.1 % 53.4 % typical Moving 70.0 % 99.5 % atypical" in text


@pytest.mark.parametrize(
    "change", [lambda record: record.pop("population", None), lambda record: record.update(population=None)]
)
def test_a_result_that_does_not_know_where_it_stands_says_nothing_of_it(result, change):
    change(result.record)
    assert "Where this pair stands" not in Page(render_report(result)).text


def test_the_heatmaps_come_with_what_they_cannot_tell(result):
    text = Page(render_report(result)).text
    assert "neither that the registration is right nor that bright tissue is abnormal" in text
    assert "Encoder on the moving image segment 1 moving image 0.02" in text


def test_a_heatmap_says_its_method_and_scalar_where_they_are_not_the_usual_ones(result, tmp_path):
    row = next(row for row in result.record["heatmaps"] if row["stage"] == "decoder")
    result.record["heatmaps"].append(row | {"method": "hirescam", "scalar": "posterior"})
    result.record["heatmaps"].append(row | {"stage": "moving", "method": "occlusion", "scalar": "magnitude"})
    names = "heatmap-decoder", "heatmap-decoder.hirescam.posterior", "heatmap-moving.occlusion"
    text = Page(render_report(with_pictures(result, tmp_path, *names))).text
    for words in (
        "Decoder (HiResCAM, towards posterior) segment 1",
        "Moving image (Occlusion) segment 1",
        "Grad-CAM of the decoder (region explained: segment 1): warm colours drive the region's displacement up",
        "HiResCAM of the decoder (region explained: segment 1): warm colours drive the region towards posterior, cool "
        "ones towards anterior.",
        "Occlusion of the moving image (region explained: segment 1): warm colours drive the region's displacement up",
    ):
        assert words in text, words


def test_pictures_are_inside_the_page_each_with_a_sentence(result, tmp_path):
    html = render_report(with_pictures(result, tmp_path, "heatmap-decoder", "unheard-of"))
    page = Page(html)
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [base64.b64decode(a["src"].removeprefix("data:image/png;base64,")) for a in pictures] == [PNG, PNG]
    assert all(a["alt"].endswith(".") and a["alt"] in page.text for a in pictures)


def test_every_motion_is_shown_in_the_section_that_it_belongs_to(result, tmp_path):
    names = "animation-registration", "animation-component-01", "overview", "jacobian"
    text = Page(render_report(with_pictures(result, tmp_path, *names))).text
    order = ["What moved", "where the registration found its tissue", "yellow is turned inside out", "The two studies"]
    order += ["the moving image as it was", "Latent components", "What component 1 does: the fixed segmentation"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_a_segment_tells_how_its_volume_changes_where_the_result_knows(result):
    assert "det J" not in Page(render_report(result)).text
    for segment, mean in zip(result.record["segments"], (1.104, 0.5), strict=True):
        segment["jacobian"] = {"mean": mean, "min": 0.1, "share_folded": 0.0}
    text = Page(render_report(result)).text
    assert "Volume by det J" in text and "mm × 1.10 2" in text and "mm × 0.50" in text


def test_the_page_needs_no_network_no_script_and_no_other_file(result, tmp_path):
    html = render_report(with_pictures(result, tmp_path, "heatmap-decoder"))
    assert not re.search(r"https?://|<script|@import|url\(", html)
    for tag, attributes in Page(html).tags:
        assert tag not in ("link", "iframe", "object", "script")
        assert attributes.get("src", "data:").startswith("data:") and "href" not in attributes


def test_the_page_tells_no_path(result, tmp_path):
    html = render_report(with_pictures(result, tmp_path, "heatmap-decoder"))
    assert "synthetic" in html  # the model's name, which it does tell
    for folder in {result.path, tmp_path, tmp_path.parent, Path.home(), registry.FOLDER} - {Path("/")}:
        assert str(folder) not in html  # "/" is the home of a user without one, in a container


def test_the_views_stand_under_their_own_heading_with_what_they_show(result, tmp_path):
    shutil.copytree(result.path, tmp_path / "result")
    folder = ResultFolder.open(tmp_path / "result")
    views = [
        ViewCapture("Red (axial)", "the fixed image", ("displacement arrows", "the fixed segmentation (red)"), PNG),
        ViewCapture("3D view 1", None, (), PNG),
    ]
    folder.add(ViewCaptures(views))
    write_report(folder)
    html = (folder.path / "report.html").read_text(encoding="utf-8")
    text = Page(html).text
    heading = text.index("As seen in Slicer")
    assert text.index("What moved") < heading < text.index("The two studies")
    assert "Red (axial): the fixed image, displacement arrows, the fixed segmentation (red)." in text[heading:]
    assert "3D view 1: nothing of this result." in text and html.count(base64.b64encode(PNG).decode()) == 2
    jsonschema.validate(json.loads((folder.path / "result.json").read_text(encoding="utf-8")), SCHEMA)
    ResultFolder.open(folder.path).add(ViewCaptures([ViewCapture("Green (coronal)", None, (), PNG)]))
    assert [path.name for path in (folder.path / "views").iterdir()] == ["1.png"]
    (folder.path / "views" / "1.png").unlink()
    assert "As seen in Slicer" not in Page(render_report(ResultFolder.open(folder.path))).text


def test_an_affine_result_says_so_and_shows_no_deformation(tmp_path):
    folder = ResultFolder.open(write_synthetic_result(tmp_path / "result", kind="affine").folder)
    text = Page(render_report(folder)).text
    assert "aligned as a whole and not deformed" in text and "Moving (is aligned)" in text
    assert "is deformed" not in text and "beyond the alignment" not in text and "alignment alone" not in text
    assert "Deformation" not in text and "Where the network looked" not in text and "Latent components" not in text


def test_a_result_without_segmentations_says_that_the_overlap_is_unknown(tmp_path):
    truth = write_synthetic_result(tmp_path / "result", segmentations=False, heatmaps=False, components=0)
    text = Page(render_report(ResultFolder.open(truth.folder))).text
    assert "The overlap is unknown" in text and "Segment by segment" not in text


def test_segments_of_the_fixed_image_alone_show_how_far_they_moved_without_dice(result):
    result.record["dice"] = None
    for segment in result.record["segments"]:
        segment["dice"] = None
    text = Page(render_report(result)).text
    assert "Segment by segment" in text and "Before" not in text


def test_the_licence_and_limits_come_from_the_card_of_the_very_model(result, tmp_path, monkeypatch):
    values = {"name": "made-up", "title": "Made up", "licence": "CC-BY-SA-4.0", "limits": "Phantoms only."}
    values |= {
        "network": {"type": "latent"},
        "canvas": {},
        "alignment": "centre",
        "domain": {},
        "files": {registry.WEIGHTS: "ab" * 32},
    }
    (tmp_path / "made-up").mkdir()
    (tmp_path / "made-up" / registry.CARD).write_text(json.dumps(values), encoding="utf-8")
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    result.record["model"] |= {"name": "made-up", "sha256": "ab" * 32}
    assert "Limits Phantoms only. Licence CC-BY-SA-4.0" in Page(render_report(result)).text
    result.record["model"]["sha256"] = "cd" * 32
    text = Page(render_report(result)).text
    assert "CC-BY-SA" not in text and "cd" * 32 in text
