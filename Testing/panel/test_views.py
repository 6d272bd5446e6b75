"""The report opened from the panel shows the views as they are, and nothing that tells whose they are."""

import base64
import re

import numpy as np
import pytest
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from panel.fixtures import PATIENT, addVolume, corner, press, renderers, waitUntil


@pytest.fixture
def opened(monkeypatch):
    """The pages that a browser was asked to open."""
    import qt

    pages = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: not pages.append(url.toLocalFile()))
    return pages


@pytest.fixture
def reported(panel, registered):
    """A registration with its report, the axial slice in the middle of the anatomy."""
    from regexplain.report import render_report
    from RegExplainLib.MRML.Pictures import anatomyCentre

    (registered.folder.path / "report.html").write_text(render_report(registered.folder), encoding="utf-8")
    registered.showPoint(anatomyCentre(registered), "fixed")
    panel.session.changed.emit()
    return registered


def page(result):
    return (result.folder.path / "report.html").read_text(encoding="utf-8")


def captions(html):
    return [" ".join(words.split()) for words in re.findall("<figcaption>(.*?)</figcaption>", html, re.DOTALL)]


def pictures(html):
    """(rows, columns, 3) of each embedded PNG."""
    return [decoded(base64.b64decode(text)) for text in re.findall('src="data:image/png;base64,([^"]+)', html)]


def decoded(png):
    reader = vtk.vtkPNGReader()
    stream = vtk.vtkMemoryResourceStream()
    stream.SetBuffer(png, len(png))
    reader.SetStream(stream)
    reader.Update()
    columns, rows, _ = reader.GetOutput().GetDimensions()
    return vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars()).reshape(rows, columns, -1).astype(int)


def test_the_report_shows_every_view_and_says_what_is_on_it(panel, views, reported, opened, shown):
    panel.ui.reportButton.click()
    assert opened == [str(reported.folder.path / "report.html")] and shown == []
    html = page(reported)
    assert "<h2>As seen in Slicer</h2>" in html
    assert captions(html) == [
        "Red (axial): the fixed image, the fixed segmentation (red), the registered moving segmentation (gold), "
        "displacement arrows.",
        "Green (coronal): the fixed image, the fixed segmentation (red), the registered moving segmentation (gold), "
        "displacement arrows.",
        "Yellow (sagittal): the fixed image, the fixed segmentation (red), the registered moving segmentation (gold), "
        "displacement arrows.",
        "3D view 1: the fixed segmentation (red), the registered moving segmentation (gold), displacement arrows.",
    ]
    red = pictures(html)[0]
    assert ((red[..., 0] > 180) & (red[..., 1:].max(-1) < 90)).sum() > 50, "the red outline is there"


def test_what_is_on_show_when_it_is_pressed_again_takes_the_place_of_what_was(panel, views, reported, opened):
    panel.ui.reportButton.click()
    before = pictures(page(reported))
    press(panel, panel.ui.explainButton)
    panel.ui.showArrowsCheckBox.click()
    panel.ui.reportButton.click()
    html = page(reported)
    [first, *_, last] = captions(html)[-4:]
    assert first.startswith("Red (axial): the fixed image, heatmap encoder on the fixed image, the fixed segmentation")
    assert "arrows" not in first and "heatmap" not in last
    after = pictures(html)[-4:]
    assert len(before) == 4 and np.abs(after[0] - before[0]).max() > 50


def barOf(volume):
    """Slicer's own colour bar, which is called by the volume's name."""
    import slicer

    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(volume.GetDisplayNode())
    assert legend.GetTitleText() == PATIENT
    return barCalled(legend.GetTitleText())


def barCalled(title):
    import slicer

    bar = slicer.vtkSlicerScalarBarActor()
    bar.SetLookupTable(vtk.vtkLookupTable())
    bar.SetTitle(title)
    return bar


def test_no_text_of_the_patient_comes_into_the_report_and_all_of_it_stays_in_the_views(
    panel, views, reported, opened, volumes
):
    panel.ui.reportButton.click()
    clean = pictures(page(reported))
    volumes[0].SetName(PATIENT)
    written = [(renderer, text) for renderer in renderers(views) for text in (corner(), barOf(volumes[0]))]
    for renderer, text in written:
        renderer.AddViewProp(text)
    seen = views.sliceWidget("Red").sliceView().offscreen.render()
    panel.ui.reportButton.click()
    html = page(reported)
    assert all((a == b).all() for a, b in zip(pictures(html), clean, strict=True))
    assert PATIENT not in html and PATIENT not in (reported.folder.path / "result.json").read_text(encoding="utf-8")
    again = views.sliceWidget("Red").sliceView().offscreen.render()
    assert (again == seen).all() and ((seen[..., 0] > 150) & (seen[..., 1] < 90) & (seen[..., 2] > 150)).any()
    for renderer, text in written:
        renderer.RemoveViewProp(text)


def test_the_colour_bars_of_the_result_itself_stay_and_landmarks_do_not(panel, views, reported, volumes):
    import slicer
    from RegExplainLib.MRML.ViewCapture import hiddenTexts, legendTitles

    volumes[0].SetName(PATIENT)
    window = vtk.vtkRenderWindow()
    window.AddRenderer(vtk.vtkRenderer())
    own, other = barCalled(min(legendTitles(reported))), barOf(volumes[0])
    landmarks = slicer.vtkSlicerPointsRepresentation2D()
    for prop in (own, other, landmarks):
        window.GetRenderers().GetFirstRenderer().AddViewProp(prop)
    with hiddenTexts(window, legendTitles(reported)):
        assert own.GetVisibility() and not other.GetVisibility() and not landmarks.GetVisibility()
    assert other.GetVisibility() and landmarks.GetVisibility()


def test_an_image_that_is_not_of_the_result_is_not_named(panel, views, reported, opened):
    for composite in reported.sliceComposites():
        composite.SetBackgroundVolumeID(addVolume(PATIENT).GetID())
    panel.ui.reportButton.click()
    html = page(reported)
    assert captions(html)[0].startswith("Red (axial): an image that is not of this result,") and PATIENT not in html


def test_a_view_that_the_layout_does_not_show_is_left_out(panel, views, reported, opened):
    node = views.sliceWidget("Green").sliceView().mrmlSliceNode()
    node.SetMappedInLayout(False)
    panel.ui.reportButton.click()
    node.SetMappedInLayout(True)
    assert [words.split()[0] for words in captions(page(reported))] == ["Red", "Yellow", "3D"]


def test_taking_the_views_changes_nothing_in_the_scene(panel, views, reported, opened):
    import slicer

    slicer.app.processEvents()
    nodes = [slicer.mrmlScene.GetNthNode(n) for n in range(slicer.mrmlScene.GetNumberOfNodes())]
    before = [
        (node, node.GetMTime()) for node in nodes if node.IsA("vtkMRMLVolumeNode") or node.IsA("vtkMRMLDisplayNode")
    ]
    panel.ui.reportButton.click()
    assert slicer.mrmlScene.GetNumberOfNodes() == len(nodes)
    assert [(node, node.GetMTime()) for node, _ in before] == before


def test_without_views_the_report_is_opened_all_the_same_and_that_is_said(panel, reported, opened, shown):
    panel.ui.reportButton.click()
    assert len(opened) == 1 and shown == []
    assert "without pictures of the views" in panel.ui.statusLabel.text
    assert "As seen in Slicer" not in page(reported) and not (reported.folder.path / "views").exists()


@pytest.mark.parametrize(
    "fails", ["regexplain.results.folder.tempfile.mkdtemp", "RegExplainLib.MRML.ViewCapture.pixelsOf"]
)
def test_where_the_views_cannot_be_added_the_report_is_as_it_was(
    panel, views, reported, opened, shown, monkeypatch, fails
):
    def refuse(*arguments, **options):
        raise OSError(28, "No space left on device")

    before = page(reported)
    monkeypatch.setattr(fails, refuse)
    panel.ui.reportButton.click()
    assert len(shown) == 1 and "No space left on device" in shown[0]
    assert len(opened) == 1 and page(reported) == before and not (reported.folder.path / "views").exists()
    assert "views" not in panel.session.result.folder.record


def test_the_report_waits_for_a_running_computation(panel, reported, worker, tmp_path):
    worker("hang", tmp_path / "pids")
    panel.ui.explainButton.click()
    assert not panel.ui.reportButton.enabled and "Another computation" in panel.ui.reportButton.toolTip
    panel.session.cancel()
    waitUntil(lambda: not panel.session.job)
    assert panel.ui.reportButton.enabled
