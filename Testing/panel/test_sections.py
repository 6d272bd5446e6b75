"""The panel's sections on the stand-in host, with a fake worker: what each one shows and does."""

import json
import math
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from panel.fixtures import addSegmentation, addVolume, keepCommands, loadSamplePair, press, waitUntil


def setRecord(panel, **values):
    """Change the record of the registration on show, as a verb does."""
    result = panel.session.result
    result.node("record").SetText(json.dumps(result.record | values))
    panel.session.changed.emit()


def texts(comboBox):
    return [comboBox.itemText(n) for n in range(comboBox.count)]


def cells(table):
    """What stands in a table, a tuple a row, without the columns that are hidden."""
    columns = [n for n in range(table.columnCount) if not table.isColumnHidden(n)]
    return [tuple(table.item(row, n).text() for n in columns) for row in range(table.rowCount)]


def clickTitle(table, column):
    table.horizontalHeader().sectionClicked.emit(column)


SLICERS_WIDTH = 341  # of the module panel, as the application opens


@contextmanager
def onShow(module, width, height=800):
    """The panel in an area that scrolls, as in Slicer; gives the area."""
    from PySide6.QtCore import Qt
    from PySide6.QtWidgets import QApplication, QScrollArea, QWidget

    area, widget = QScrollArea(), module.parent.widgetRepresentation()
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
    area.setWidgetResizable(True)
    area.setWidget(widget)
    area.resize(width, height)
    area.show()
    for _ in range(3):  # word wrap settles
        QApplication.processEvents()
    try:
        yield area
    finally:
        area.takeWidget()
        QWidget.hide(widget)
        area.deleteLater()


# Inputs --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def crops(panel):
    """Two volumes of the size that the hippocampus models were made for."""
    import slicer

    parameters = panel.session.parameterNode
    for role in ("fixed", "moving"):
        array = np.zeros((36, 50, 36), np.int16)
        setattr(parameters, role, slicer.util.addVolumeFromArray(array, name=role))
    return parameters.fixed, parameters.moving


def test_the_models_are_grouped_what_fits_first_and_the_others_say_why_not(panel, crops):
    ui = panel.ui
    groups = "\n".join(texts(ui.modelSelector)).split("\n\n")  # a line between two groups has no text
    assert groups == [
        "Automatic: hippocampus",
        "hippocampus (fits these scans)\nhippocampus-skip (fits these scans)",
        "any-contrast (general)",
        "brain-t1-flair (does not fit)",
        "Affine only",
    ]
    assert "hippocampus was made for scans of this size" in ui.modelFitLabel.text
    ui.modelSelector.currentIndex = ui.modelSelector.findData("brain-t1-flair")
    assert panel.session.parameterNode.model == "brain-t1-flair"
    assert "the fixed image's left-right extent is 36.0 mm" in ui.modelFitLabel.text
    ui.modelSelector.currentIndex = ui.modelSelector.count - 1
    assert panel.session.parameterNode.model == "none" and not ui.modelFitLabel.visible


def test_a_volume_moved_by_a_linear_transform_is_measured_where_it_appears(panel, crops):
    import vtk

    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Larger")
    matrix = vtk.vtkMatrix4x4()
    for axis in range(3):
        matrix.SetElement(axis, axis, 5)
    node.SetMatrixTransformToParent(matrix)
    crops[0].SetAndObserveTransformNodeID(node.GetID())
    panel.session.changed.emit()
    assert texts(panel.ui.modelSelector)[0] == "Automatic: any-contrast"
    assert "any-contrast is for any pair of scans" in panel.ui.modelFitLabel.text


def test_scans_too_small_for_every_model_are_said_to_be_aligned_only(panel, volumes):
    parameters = panel.session.parameterNode
    parameters.fixed, parameters.moving = volumes
    assert texts(panel.ui.modelSelector)[0] == "Automatic: none fits"
    assert "would only be aligned" in panel.ui.modelFitLabel.text and "voxels" in panel.ui.modelFitLabel.text


def test_the_card_is_a_click_away(panel, crops):
    ui = panel.ui
    assert not ui.modelCardText.isVisibleTo(ui.RegExplain)
    ui.modelCardButton.click()
    assert ui.modelCardText.isVisibleTo(ui.RegExplain)
    text = ui.modelCardText.toPlainText()
    assert "Not a medical device" in text and "Medical Segmentation Decathlon" in text and "CC-BY-SA" in text
    assert "28–46 mm left-right" in text


def test_refining_is_passed_on_only_where_asked_for(panel, crops, worker):
    press(panel, panel.ui.registerButton)
    assert "--refine" not in panel.ui.logText.toPlainText()
    panel.ui.refineSpinBox.value = 25
    press(panel, panel.ui.registerButton)
    assert "--refine 25" in panel.ui.logText.toPlainText()


@pytest.mark.parametrize(
    "elapsed, done, total, said",
    [
        (1.0, 1, 2, ""),
        (10.0, 0, 5, ""),
        (10.0, 5, 5, ""),
        (10.0, 1, 5, ", about 40 s left"),
        (60.0, 1, 5, ", about 4 min left"),
    ],
)
def test_the_time_left_follows_the_stage(host, elapsed, done, total, said):
    from RegExplainLib.GUI.Sections.JobSection import timeLeft

    assert timeLeft(elapsed, done, total) == said


# Result --------------------------------------------------------------------------------------------------------------


def test_the_table_says_what_was_moved_segment_by_segment(panel, registered):
    record, ui = registered.record, panel.ui
    first, second = record["segments"]
    assert [row[0] for row in cells(ui.segmentTable)] == ["Head", "Tail"]
    assert cells(ui.segmentTable)[0][1] == f"{first['dice']['after']:.2f}"
    assert cells(ui.segmentTable)[1][3] == f"{second['displacement_mm']['mean']:.1f}"
    assert len(cells(ui.segmentTable)[0]) == 7, "det J is in no record of this version, so its column is left out"
    setRecord(
        panel,
        segments=[
            s | {"jacobian": {"mean": 1.25 * n, "min": 1, "share_folded": 0}} for n, s in enumerate((first, second), 1)
        ],
    )
    assert [row[-1] for row in cells(ui.segmentTable)] == ["1.25", "2.50"]


def test_the_volume_change_is_that_of_the_segments_as_they_are(panel, registered):
    import slicer

    counts = {}
    for name, node, volume in (
        ("fixed", registered.fixedSegmentation, registered.fixed),
        ("moving", registered.movingSegmentation, registered.moving),
    ):
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, "Segment_1", volume)
        counts[name] = np.count_nonzero(mask) * np.prod(volume.GetSpacing())
    change = 100 * (counts["moving"] / counts["fixed"] - 1)
    assert cells(panel.ui.segmentTable)[0][6] == f"{change:+.0f}"


def test_a_click_on_a_title_sorts_by_the_number_and_a_second_one_turns_it_round(panel, registered):
    segments = [dict(s) for s in registered.record["segments"]]
    for segment, mean in zip(segments, (10.0, 9.0), strict=True):  # as texts 10.0 comes before 9.0
        segment["displacement_mm"] = {"mean": mean, "p95": mean, "max": mean}
    setRecord(panel, segments=segments)
    clickTitle(panel.ui.segmentTable, 3)
    assert [row[3] for row in cells(panel.ui.segmentTable)] == ["9.0", "10.0"]
    clickTitle(panel.ui.segmentTable, 3)
    assert [row[3] for row in cells(panel.ui.segmentTable)] == ["10.0", "9.0"]
    panel.ui.segmentTable.cellClicked.emit(1, 0)
    assert panel.ui.regionSelector.currentText == "Tail", "the row that is second now"


def test_nothing_is_cut_in_the_width_that_slicer_gives_a_module(module, panel, registered):
    """Neither a column of a table, before and after sorting, nor the name of the model."""
    registered.fixedSegmentation.GetSegmentation().GetNthSegment(0).SetName("left cerebellar white matter")
    panel.session.parameterNode.fixedSegmentation = None
    panel.session.changed.emit()
    setRecord(panel, segments=[s | {"jacobian": {"mean": 1.25}} for s in registered.record["segments"]])
    table, titles = panel.ui.segmentTable, []
    with onShow(module, SLICERS_WIDTH) as area:
        for column in (None, 0, 2, 2, 5):
            if column is not None:
                clickTitle(table, column)
            waitUntil(lambda: table.horizontalScrollBar().maximum() == 0)
            titles.append(table.horizontalHeaderItem(column or 0).text())
            assert len(cells(table)[0]) >= 6
            for n in range(1, table.columnCount):
                assert table.isColumnHidden(n) or table.columnWidth(n) >= table.horizontalHeader().sectionSizeHint(n)
        assert table.columnWidth(0) >= 90
        area.resize(450, 800)
        waitUntil(lambda: len(cells(table)[0]) == 8)
        waitUntil(lambda: table.horizontalScrollBar().maximum() == 0)
        area.resize(SLICERS_WIDTH, 800)
        waitUntil(lambda: len(cells(table)[0]) < 8)
    assert titles == ["Segment", "Segment\n▲", "Dice\nbefore▲", "Dice\nbefore▼", "Max\nmm▲"]


def test_the_name_of_the_model_has_room(module, panel):
    loadSamplePair(panel)
    box = panel.ui.modelSelector
    assert box.currentText == "Automatic: hippocampus"
    with onShow(module, SLICERS_WIDTH):
        widths = [box.fontMetrics().horizontalAdvance(text) for text in texts(box)]
        border = box.sizeHint.width() - max(widths)
        assert box.width >= widths[0] + border


REGIONS = [
    {
        "label": number,
        "name": name,
        "volume_ml": 10.0 * number,
        "displacement_mm": {"mean": mean, "p95": 2 * mean, "max": 3 * mean},
        "jacobian": {"mean": 1.0, "min": 0.5, "share_folded": 0.0},
    }
    for number, (name, mean) in enumerate({"left thalamus": 1.0, "brainstem": 2.5, "left amygdala": 0.5}.items(), 1)
]


def test_without_segments_the_table_is_by_region_of_the_networks_own(module, panel, volumes, worker):
    """The most moved first; no column of Dice, and no segment to be chosen."""
    press(panel, panel.ui.registerButton)
    setRecord(panel, regions=REGIONS)
    ui = panel.ui
    assert [row[:2] for row in cells(ui.segmentTable)[:3]] == [
        ("brainstem", "2.5"),
        ("left thalamus", "1.0"),
        ("left amygdala", "0.5"),
    ]
    assert cells(ui.segmentTable)[-1][0] == "Whole scan"
    assert ui.segmentTable.horizontalHeaderItem(0).text() == "Region" and ui.segmentTable.isColumnHidden(1)
    assert "structures as synthetic itself sees them" in ui.regionsLabel.text
    ui.segmentTable.cellClicked.emit(0, 0)
    assert panel.session.parameterNode.region == 0
    with onShow(module, SLICERS_WIDTH):
        waitUntil(lambda: ui.segmentTable.horizontalScrollBar().maximum() == 0)
    ui.copyTableButton.click()
    import qt

    assert (
        qt.QApplication.clipboard()
        .text()
        .splitlines()[0]
        .startswith("Region\tMean mm\t95 % mm\tMax mm\tdet J\tSize ml")
    )


def test_without_segments_and_regions_the_table_says_what_the_whole_scan_did(panel, volumes, worker):
    press(panel, panel.ui.registerButton)
    moved = panel.session.result.record["displacement_mm"]
    assert cells(panel.ui.segmentTable) == [("Whole scan", *(f"{moved[part]:.1f}" for part in ("mean", "p95", "max")))]
    assert "register with segmentations" in panel.ui.regionsLabel.text


def test_an_affine_result_without_segments_has_no_table_but_says_why(panel, volumes, worker):
    worker("affine")
    press(panel, panel.ui.registerButton)
    assert not panel.ui.segmentTable.isVisibleTo(panel.ui.RegExplain)
    assert "not bent, so there are no figures by region" in panel.ui.regionsLabel.text


def test_the_table_can_be_pasted_into_a_spreadsheet(panel, registered):
    import qt

    panel.ui.copyTableButton.click()
    lines = qt.QApplication.clipboard().text().splitlines()
    assert lines[0].split("\t")[:4] == ["Segment", "Dice", "Dice before", "Mean mm"]
    assert float(lines[1].split("\t")[3]) == registered.record["segments"][0]["displacement_mm"]["mean"]


def test_the_table_becomes_a_node_of_numbers(panel, registered):
    import slicer

    panel.ui.tableNodeButton.click()
    [table] = slicer.util.getNodesByClass("vtkMRMLTableNode")
    assert table.GetCellText(1, 0) == "Tail"
    assert table.GetTable().GetColumnByName("Max mm").GetValue(0) == pytest.approx(
        registered.record["segments"][0]["displacement_mm"]["max"]
    )


def test_what_is_not_known_is_not_a_number_in_a_table_node(host):
    import slicer
    from RegExplainLib.MRML.TableNodes import addTable

    slicer.mrmlScene.Clear(False)
    table = addTable(slicer.mrmlScene, "T", ["Name", "mm"], [("a", 1.5), ("b", None)])
    assert math.isnan(table.GetTable().GetColumnByName("mm").GetValue(1))


def test_an_earlier_registration_can_be_chosen_again(panel, registered, worker):
    from RegExplainLib.MRML.Layers import GlyphLayer

    press(panel, panel.ui.registerButton)
    newer = panel.session.result
    assert panel.ui.resultSelector.count == 2 and panel.ui.resultSelector.currentIndex == 1
    panel.ui.resultSelector.currentIndex = 0
    assert panel.session.result.id == registered.id and panel.session.parameterNode.result == registered.id
    assert not GlyphLayer(newer).visible
    assert panel.ui.explainButton.enabled, "its files are still known"


# What comes next -----------------------------------------------------------------------------------------------------


LATER = ("result", "explain", "motions", "layers", "landmarks", "trust", "report")  # "compare" needs views too


def usable(ui, name):
    """Whether the section shows its controls; else it has one grey line."""
    controls, label = getattr(ui, f"{name}Controls"), getattr(ui, f"{name}ReasonLabel")
    assert controls.isVisibleTo(ui.RegExplain) != label.isVisibleTo(ui.RegExplain) or sectionOf(ui, name).collapsed
    return label.text == ""


def sectionOf(ui, name):
    return getattr(ui, f"{name}CollapsibleButton")


def test_a_section_that_cannot_be_used_yet_is_one_grey_line(panel):
    ui = panel.ui
    for name in LATER:
        label = getattr(ui, f"{name}ReasonLabel")
        assert not usable(ui, name) and label.text == "Register two volumes first." and not label.enabled, name
        assert label.isVisibleTo(ui.RegExplain) and not getattr(ui, f"{name}Controls").isVisibleTo(ui.RegExplain)


def test_after_a_registration_its_table_and_what_comes_next_open_and_the_rest_folds(module, panel, registered):
    ui = panel.ui
    assert all(usable(ui, name) for name in LATER)
    assert [name for name in LATER if not sectionOf(ui, name).collapsed] == ["result", "explain"]
    ui.motionsCollapsibleButton.collapsed = False
    panel.session.changed.emit()
    assert not ui.motionsCollapsibleButton.collapsed, "the user's own choice stays"
    registered.remove()
    assert not any(usable(ui, name) for name in LATER)
    assert not any(sectionOf(ui, name).collapsed for name in LATER)


def test_what_no_network_made_says_so_in_one_line(panel, volumes, worker):
    worker("affine")
    press(panel, panel.ui.registerButton)
    ui = panel.ui
    assert [name for name in LATER if not usable(ui, name)] == ["explain", "motions", "layers"]
    assert "No model fitted these scans" in ui.explainReasonLabel.text
    assert "segmentation" in ui.motionsReasonLabel.text and "affine" in ui.layersReasonLabel.text


def test_a_new_registration_is_scrolled_to(module, panel, volumes, worker):
    from PySide6.QtCore import QPoint
    from PySide6.QtWidgets import QWidget

    with onShow(module, SLICERS_WIDTH, 300) as area:
        press(panel, panel.ui.registerButton)
        waitUntil(lambda: not panel._opener.busy)
        top = QWidget.mapTo(panel.ui.resultCollapsibleButton, area, QPoint(0, 0)).y()
        assert 0 <= top < 280


# Apply ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def point(panel, registered):
    """A markup at the middle of the moving scan, chosen to be moved: (node, its RAS position)."""
    import slicer

    bounds = [0.0] * 6
    registered.moving.GetRASBounds(bounds)
    ras = np.add(bounds[::2], bounds[1::2]) / 2 + (0, -6, 0)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Landmark")
    node.AddControlPointWorld(*ras)
    panel.ui.applySelector.setCurrentNode(node)
    return node, ras


def world(node):
    ras = [0.0] * 3
    node.GetNthControlPointPositionWorld(0, ras)
    return np.array(ras)


def test_a_node_goes_under_the_transform_and_out_again(panel, registered, point):
    node, ras = point
    panel.ui.applyButton.click()
    assert np.allclose(world(node), registered.fixedPoint(ras), atol=0.01)
    assert np.linalg.norm(world(node) - ras) > 1
    assert panel.ui.applyButton.text == "Take it out of the transform"
    panel.ui.applyButton.click()
    assert node.GetParentTransformNode() is None and np.allclose(world(node), ras)


def test_inverse_takes_from_the_fixed_to_the_moving_scan(panel, registered, point):
    node, ras = point
    panel.ui.inverseCheckBox.click()
    panel.ui.applyButton.click()
    assert np.allclose(world(node), registered.movingPoint(ras), atol=0.01)
    assert np.linalg.norm(world(node) - registered.fixedPoint(ras)) > 1


def test_hardening_moves_a_copy_for_good_and_leaves_the_node(panel, registered, point):
    import slicer

    node, ras = point
    panel.ui.hardenCheckBox.click()
    panel.ui.applyButton.click()
    copy = slicer.util.getNode("Landmark registered")
    assert node.GetParentTransformNode() is None and np.allclose(world(node), ras)
    assert copy.GetParentTransformNode() is None
    local = [0.0] * 3
    copy.GetNthControlPointPosition(0, local)
    assert np.allclose(local, registered.fixedPoint(ras), atol=0.01)


def test_a_hardened_volume_keeps_its_name_and_the_original_its_voxels(panel, registered, volumes):
    import slicer

    before = slicer.util.arrayFromVolume(volumes[1]).copy()
    panel.ui.applySelector.setCurrentNode(volumes[1])
    panel.ui.hardenCheckBox.click()
    panel.ui.applyButton.click()
    assert (slicer.util.arrayFromVolume(volumes[1]) == before).all()
    copy = slicer.util.getNode(f"{volumes[1].GetName()} registered")
    assert slicer.util.arrayFromVolume(copy).max() > 0


def test_a_node_under_another_transform_is_refused_in_words(panel, registered, point, shown):
    import slicer

    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Mine")
    point[0].SetAndObserveTransformNodeID(other.GetID())
    panel.ui.applyButton.click()
    assert len(shown) == 1 and "Mine" in shown[0] and point[0].GetParentTransformNode() is other


def test_removing_the_result_takes_its_inverse_with_it(panel, registered, point):
    import slicer

    panel.ui.inverseCheckBox.click()
    panel.ui.applyButton.click()
    registered.remove()
    assert slicer.util.getNodesByClass("vtkMRMLTransformNode") == []


# A transform made elsewhere ------------------------------------------------------------------------------------------


def test_a_transform_needs_the_volumes_that_it_lays_on_each_other(panel, worker):
    import slicer

    assert not panel.ui.explainTransformButton.enabled
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Theirs")
    panel.ui.transformSelector.setCurrentNode(node)
    assert "fixed and a moving volume" in panel.ui.explainTransformButton.toolTip


def test_a_transform_made_elsewhere_is_explained_without_a_network(panel, volumes, worker):
    import slicer

    panel.session.parameterNode.transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Theirs")
    panel.session.parameterNode.fixedSegmentation = addSegmentation("Structures", volumes[0], ["Head"])
    press(panel, panel.ui.explainTransformButton)
    assert "Tissue moves 5.0 mm towards left." in panel.ui.statusLabel.text
    assert "Displacement: " in panel.ui.statusLabel.text
    assert "transform made elsewhere" in panel.ui.resultSelector.currentText
    assert panel.ui.showArrowsCheckBox.checked and panel.ui.segmentTable.rowCount == 2
    assert not panel.ui.explainButton.enabled and "no network" in panel.ui.explainButton.toolTip
    assert panel.ui.animateButton.enabled, "the whole of it can be played"


def test_a_linear_transform_made_elsewhere_is_called_that_everywhere(panel, volumes, worker):
    import slicer

    worker("affine")
    panel.session.parameterNode.transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Theirs")
    press(panel, panel.ui.explainTransformButton)
    ui = panel.ui
    assert "transform made elsewhere" in ui.resultSelector.currentText
    assert "It is affine: it moves the scan as a whole." in ui.statusLabel.text
    assert "Displacement:" not in ui.statusLabel.text and "no network" in ui.explainButton.toolTip


def bend(points):
    """An analytic, invertible map of fixed to moving RAS points."""
    return points + np.array([3.0, 0, 0]) * np.exp(-((points - 4.0) ** 2).sum(-1, keepdims=True) / 50)


@pytest.mark.parametrize("stored", ["from parent", "to parent", "under a parent"])
def test_a_transform_is_written_as_the_map_of_fixed_to_moving_points(panel, volumes, tmp_path, stored):
    """However the node holds it: ITK must read the same map."""
    import SimpleITK as sitk
    import vtk

    import slicer
    from RegExplainLib.MRML.TransformExport import writeTransform

    grid = vtk.vtkImageData()
    grid.SetDimensions(20, 20, 20)
    grid.SetOrigin(-6, -6, -6)
    k, j, i = np.meshgrid(*[np.arange(20.0)] * 3, indexing="ij")
    points = np.stack([i, j, k], -1).reshape(-1, 3) - 6
    vectors = vtk.util.numpy_support.numpy_to_vtk((bend(points) - points).copy(), deep=True)
    grid.GetPointData().SetScalars(vectors)
    transform = slicer.vtkOrientedGridTransform()
    transform.SetDisplacementGridData(grid)
    transform.SetInterpolationModeToLinear()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "Bent")
    probe, expected = np.array([4.0, 3.0, 5.0]), bend(np.array([4.0, 3.0, 5.0]))
    if stored == "to parent":
        node.SetAndObserveTransformToParent(transform)
        expected = np.array(transform.GetInverse().TransformPoint(probe))
    else:
        node.SetAndObserveTransformFromParent(transform)
    if stored == "under a parent":
        parent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Shift")
        shift = vtk.vtkMatrix4x4()
        shift.SetElement(1, 3, -2)
        parent.SetMatrixTransformToParent(shift)
        node.SetAndObserveTransformNodeID(parent.GetID())
        expected = bend(probe + (0, 2, 0))
    path = writeTransform(node, volumes[0], tmp_path / "transform")
    field = sitk.DisplacementFieldTransform(sitk.ReadImage(path, sitk.sitkVectorFloat64))
    there = np.array(field.TransformPoint((probe * (-1, -1, 1)).tolist())) * (-1, -1, 1)
    assert np.abs(there - expected).max() < 0.05 and np.abs(expected - probe).max() > 2


def test_a_large_scan_has_its_transform_sampled_more_coarsely_over_the_whole_of_it(host):
    from regexplain.volumes.geometry import Grid
    from RegExplainLib.MRML import TransformExport

    grid = Grid((300, 257, 100), (0.5, 1.0, 2.0), (1.0, 2.0, 3.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    thin = TransformExport._subsampled(grid)
    assert np.prod(thin.size) <= TransformExport.LIMIT_VOXELS
    last, thinLast = (g.world(np.array(g.size) - 1) for g in (grid, thin))
    assert (thinLast >= last).all() and (thinLast - last < np.array(thin.spacing)).all()


# Explain -------------------------------------------------------------------------------------------------------------


def middleOf(segmentation, identifier):
    """RAS of a voxel inside a segment."""
    centre = segmentation.GetSegmentCenterRAS(identifier)
    return list(centre)


@pytest.mark.parametrize("scan", ["fixed", "moving"])
def test_a_segment_clicked_in_a_view_becomes_the_region(panel, registered, scan):
    """In a view of the moving scan, too, which lies elsewhere."""
    import slicer

    registered.showSpace(scan)
    ras = middleOf(registered.fixedSegmentation, "Segment_2")
    ras = registered.movingPoint(ras) if scan == "moving" else ras
    before = slicer.mrmlScene.GetNumberOfNodes()
    panel.ui.pickRegionButton.click()
    [points] = slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")
    points.AddControlPointWorld(*ras)
    waitUntil(lambda: not panel.ui.pickRegionButton.checked)
    assert panel.ui.regionSelector.currentText == "Tail" and panel.session.parameterNode.region == 2
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_click_beside_every_segment_says_so_and_changes_nothing(panel, registered):
    import slicer

    panel.ui.pickRegionButton.click()
    slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")[0].AddControlPointWorld(500, 0, 0)
    waitUntil(lambda: "no segment where you clicked" in panel.ui.statusLabel.text)
    assert panel.session.parameterNode.region == 0


@pytest.mark.parametrize("then", ["the button again", "the scene is closed", "the module is closed"])
def test_a_click_that_is_given_up_at_once_picks_nothing(module, panel, registered, then):
    import slicer

    panel.ui.pickRegionButton.click()
    slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")[0].AddControlPointWorld(500, 0, 0)
    if then == "the button again":
        panel.ui.pickRegionButton.click()
    elif then == "the scene is closed":
        slicer.mrmlScene.Clear(False)
    else:
        module.close()
    slicer.app.processEvents()
    assert slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode") == []
    if then != "the module is closed":
        assert not panel.ui.pickRegionButton.checked and "where you clicked" not in panel.ui.statusLabel.text


def test_another_method_is_asked_for_by_name(panel, registered, monkeypatch):
    commands = keepCommands(panel, monkeypatch)
    panel.ui.methodSelector.currentIndex = 1
    panel.ui.explainButton.click()
    panel.ui.methodSelector.currentIndex = 3
    panel.ui.explainButton.click()
    together = [word for stage in ("encoder-fixed", "encoder-moving", "decoder") for word in ("--stage", stage)]
    assert [command[2:] for command in commands] == [[*together, "--method", "hirescam"], ["--method", "occlusion"]]


def test_warm_colours_only(panel, registered):
    from RegExplainLib.MRML.Layers import HeatmapLayer

    press(panel, panel.ui.explainButton)
    layer = HeatmapLayer(registered, "encoder-fixed")
    panel.ui.positiveOnlyCheckBox.click()
    assert layer.positiveOnly
    panel.ui.positiveOnlyCheckBox.click()
    assert not layer.positiveOnly


# Motions -------------------------------------------------------------------------------------------------------------


def test_the_whole_registration_is_played_without_a_computation(panel, registered):
    from RegExplainLib.MRML.Layers import RegistrationAnimationLayer

    panel.ui.animateButton.click()
    layer = RegistrationAnimationLayer(registered)
    assert layer.visible and layer.playing and panel.ui.animateButton.text == "Pause"
    slider = panel.ui.strengthSlider
    assert (slider.minimum, slider.maximum, slider.suffix) == (0, 100, " %")
    slider.value = 100.0
    assert not layer.playing and layer.strength == 100


def test_the_amplitude_is_that_of_whatever_is_played(panel, registered):
    from RegExplainLib.MRML.Layers import AnimationLayer, RegistrationAnimationLayer

    press(panel, panel.ui.componentsButton)
    layer = AnimationLayer(registered, 1)
    assert layer.amplitude == 1
    panel.ui.amplitudeSlider.value = 3.0
    assert layer.amplitude == 3 and layer.playing and panel.ui.strengthSlider.maximum == 2
    panel.ui.componentSelector.currentIndex = 0
    assert RegistrationAnimationLayer(registered).amplitude == 3


def test_the_speed_is_that_of_slicers_own_controls(panel, registered):
    from RegExplainLib.MRML.Layers import RegistrationAnimationLayer

    panel.ui.animateButton.click()
    panel.ui.speedSlider.value = 20.0
    assert RegistrationAnimationLayer(registered).browser.GetPlaybackRateFps() == 20


def test_the_registration_is_shown_part_by_part(panel, registered):
    from RegExplainLib.MRML.Layers import PartAnimationLayer

    press(panel, panel.ui.decomposeButton)
    assert [row[1:3] for row in cells(panel.ui.partsTable)] == [("2.00", "1.00"), ("1.00", "0.50")]
    assert "Component 1 moves all segments most" in panel.ui.partsLabel.text
    panel.ui.partsTable.cellClicked.emit(1, 0)
    assert panel.ui.componentSelector.currentText == "Part 2: moves 1 mm towards left"
    panel.ui.animateButton.click()
    assert PartAnimationLayer(registered, 2).playing


# Layers --------------------------------------------------------------------------------------------------------------


def test_the_arrows_controls_write_and_read_the_layer(panel, registered):
    from RegExplainLib.MRML.Layers import GlyphLayer

    ui, layer = panel.ui, GlyphLayer(registered)
    assert "point to where its tissue lies in the (aligned) moving scan" in ui.towardsWordsLabel.text
    ui.towardsSelector.currentIndex = 1
    assert layer.towards == "fixed" and "point to where it lies in the fixed scan" in ui.towardsWordsLabel.text
    ui.spacingSlider.value, ui.scaleSlider.value, ui.glyphThresholdSlider.value = 4.0, 2.0, 1.5
    assert (layer.spacing, layer.scale, layer.threshold) == pytest.approx((4, 2, 1.5))
    ui.glyphSegmentSelector.currentIndex = 2
    assert layer.segment == 2
    ui.formSelector.currentIndex = 2
    assert layer.form == "contours"
    layer.setScale(3)
    panel.session.changed.emit()
    assert ui.scaleSlider.value == 3


def test_without_a_segmentation_the_displacement_is_coloured_too(panel, volumes, worker):
    from RegExplainLib.MRML.Layers import DisplacementLayer, GlyphLayer

    press(panel, panel.ui.registerButton)
    layers = DisplacementLayer(panel.session.result), GlyphLayer(panel.session.result)
    assert all(layer.visible for layer in layers) and panel.ui.showDisplacementCheckBox.checked
    panel.ui.showDisplacementCheckBox.click()
    assert [layer.visible for layer in layers] == [False, True]


def test_with_a_segmentation_its_outlines_are_not_covered_unasked(panel, registered):
    box = panel.ui.showDisplacementCheckBox
    assert box.enabled and not box.checked and panel.ui.showArrowsCheckBox.checked


@pytest.mark.parametrize("box", ["showDisplacementCheckBox", "showJacobianCheckBox", "showInverseConsistencyCheckBox"])
def test_a_map_is_shown_and_hidden(panel, registered, box):
    box = getattr(panel.ui, box)
    volumes = {composite.GetForegroundVolumeID() for composite in registered.sliceComposites()}
    assert volumes == {None}
    box.click()
    waitUntil(lambda: registered.sliceComposites()[0].GetForegroundVolumeID())
    assert box.checked and None not in {c.GetForegroundVolumeID() for c in registered.sliceComposites()}
    box.click()
    assert not box.checked and {c.GetForegroundVolumeID() for c in registered.sliceComposites()} == {None}


def test_stages_can_be_compared_once_there_are_two(panel, registered):
    assert not panel.ui.showStagesCheckBox.enabled
    press(panel, panel.ui.explainButton)
    assert panel.ui.showStagesCheckBox.enabled
    [layers] = (section for section in panel._sections if type(section).__name__ == "LayersSection")
    assert list(layers._stagesLayout().layers.values())[0].stage == "encoder-fixed"


# Trust, report, tour -------------------------------------------------------------------------------------------------


def test_trust_says_what_speaks_for_and_against(panel, registered):
    rows = dict(cells(panel.ui.trustTable))
    assert rows["✓ Folding"] == "Nowhere is tissue turned inside out."
    assert any(name.endswith("Training images") for name in rows)
    assert "Warning: Segment 3 is only in the fixed segmentation." in panel.ui.trustLabel.text
    assert not panel.ui.trustButton.enabled


def test_a_registration_comes_with_its_expected_error_which_can_be_seen(panel, registered):
    assert "Expected error 1.1 mm on average; above 3 mm in 4.00 %" in panel.ui.statusLabel.text
    rows = dict(cells(panel.ui.trustTable))
    assert rows["✓ Expected error"].startswith("1.10 mm on average")
    box = panel.ui.showErrorCheckBox
    assert box.enabled and not box.checked and not panel.ui.showDoubtCheckBox.enabled
    box.click()
    assert box.checked and None not in {c.GetForegroundVolumeID() for c in registered.sliceComposites()}
    box.click()
    assert {c.GetForegroundVolumeID() for c in registered.sliceComposites()} == {None}


def test_the_error_of_an_earlier_registration_is_estimated_on_demand(panel, registered):
    import json

    record = {key: value for key, value in registered.record.items() if key != "error"}
    registered.node("record").SetText(json.dumps(record))
    panel.session.changed.emit()
    assert not panel.ui.showErrorCheckBox.enabled and panel.ui.errorButton.enabled
    press(panel, panel.ui.errorButton)
    assert panel.ui.showErrorCheckBox.enabled
    assert panel.ui.statusLabel.text.startswith("Expected error 1.1 mm")


def test_the_indicators_of_a_model_of_two_contrasts_are_measured_and_warned_of(panel, registered, monkeypatch):
    from regexplain.cards import registry

    card = registry.ModelCard(Path("nowhere"), {"name": "two", "network": {"type": "fire"}, "files": {}})
    monkeypatch.setitem(panel.session.selection._cards, registered.record["model"]["sha256"], card)
    panel.session.changed.emit()
    assert any("Not measured yet" in words for _, words in cells(panel.ui.trustTable))
    press(panel, panel.ui.trustButton)
    rows = dict(cells(panel.ui.trustTable))
    assert rows["~ Symmetry"] == "0.60 mm (usual: 0.10 mm to 0.40 mm): unusual."
    assert "disagree in the left hippocampus" in panel.ui.trustLabel.text


def test_the_report_is_opened_and_a_missing_program_is_said(panel, registered, shown, monkeypatch):
    import qt

    report, opened = registered.folder.path / "report.html", []
    report.write_text("a page")
    panel.session.changed.emit()
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()) or len(opened) < 2)
    panel.ui.reportButton.click()
    assert opened == [str(report)] and shown == []
    panel.ui.reportButton.click()
    assert len(shown) == 1 and "report.html" in shown[0]


def test_the_result_folder_is_saved_whole_and_never_over_another(panel, registered, tmp_path, monkeypatch):
    target = tmp_path / "Österreich mit Leerzeichen"
    target.mkdir()
    monkeypatch.setattr(panel.session.messages, "askFolder", lambda title: str(target))
    press(panel, panel.ui.saveResultButton)
    press(panel, panel.ui.saveResultButton)
    assert sorted(path.name for path in target.iterdir()) == ["RegExplain result", "RegExplain result 2"]
    assert (target / "RegExplain result" / "transform.h5").is_file()
    assert "Saved as RegExplain result 2." in panel.ui.statusLabel.text


def test_the_tour_scrolls_to_what_it_marks(module, panel):
    """However small the screen: the titles of all sections of a step, the first one's rather than the others'."""
    from PySide6.QtCore import QPoint
    from PySide6.QtWidgets import QWidget

    ui = panel.ui
    ui.tourCollapsibleButton.collapsed = False
    steps = [["inputs"], ["register", "result"], ["explain"], ["motions", "layers"], ["trust", "report"]]
    with onShow(module, SLICERS_WIDTH, 300) as area:
        for number, names in enumerate(steps):
            buttons = [getattr(ui, f"{name}CollapsibleButton") for name in names]
            if number:
                ui.tourNextButton.click()
            waitUntil(lambda: not panel._opener.busy)
            tops = [QWidget.mapTo(button, area, QPoint(0, 0)).y() for button in buttons]
            assert 0 <= tops[0] < 280, (names, tops)
            assert not any(button.collapsed for button in buttons)
            assert all(button.text.startswith("→") for button in buttons)


def test_the_tour_opens_and_marks_each_section_in_turn(panel):
    ui = panel.ui
    ui.tourCollapsibleButton.collapsed = False
    ui.registerCollapsibleButton.collapsed = True
    assert ui.inputsCollapsibleButton.text == "→ Inputs" and not ui.tourBackButton.enabled
    ui.tourNextButton.click()
    assert ui.inputsCollapsibleButton.text == "Inputs" and ui.registerCollapsibleButton.text == "→ Register"
    assert not ui.registerCollapsibleButton.collapsed and "Step 2 of 5" in ui.tourLabel.text
    for _ in range(3):
        ui.tourNextButton.click()
    assert not ui.tourNextButton.enabled and ui.trustCollapsibleButton.text == "→ Trust"
    ui.tourCollapsibleButton.collapsed = True
    assert ui.trustCollapsibleButton.text == "Trust"


def test_the_sample_pair_is_loaded_and_chosen(panel):
    loadSamplePair(panel)
    parameters = panel.session.parameterNode
    assert parameters.fixed.GetName() == "RegExplain sample fixed" and parameters.movingSegmentation is not None
    assert panel.ui.registerButton.enabled and "Automatic: hippocampus" in panel.ui.modelSelector.currentText


def test_the_sample_pairs_are_offered_in_slicers_sample_data(module, monkeypatch, tmp_path):
    """As Slicer's module takes it: addresses of this computer's files, their names, and their checksums."""
    import hashlib
    import sys
    import types
    import urllib.request

    import slicer

    offered = []
    logic = types.SimpleNamespace(registerCustomSampleDataSource=lambda **source: offered.append(source))
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
    slicer.app.startupSlots[-1]()
    assert [source["sampleName"] for source in offered] == ["RegExplain sample pair", "RegExplain chest pair"]
    assert len({name for source in offered for name in source["fileNames"]}) == 8
    for source in offered:
        lists = [source[name] for name in ("uris", "fileNames", "nodeNames", "loadFileTypes", "checksums")]
        assert {len(values) for values in lists} == {4} and Path(source["thumbnailFileName"]).is_file()
        for uri, checksum in zip(source["uris"], source["checksums"], strict=True):
            path, _ = urllib.request.urlretrieve(uri, tmp_path / "copy")
            assert checksum == "SHA256:" + hashlib.sha256(Path(path).read_bytes()).hexdigest()


# What is kept --------------------------------------------------------------------------------------------------------


def test_every_choice_is_saved_with_the_scene_and_restored(panel, registered, tmp_path):
    import slicer

    ui = panel.ui
    landmark = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Landmark")
    ui.applySelector.setCurrentNode(landmark)
    ui.refineSpinBox.value, ui.speedSlider.value, ui.amplitudeSlider.value = 50, 12.0, 2.5
    for box in (ui.processorOnlyCheckBox, ui.inverseCheckBox, ui.hardenCheckBox, ui.positiveOnlyCheckBox):
        box.click()
    ui.methodSelector.currentIndex = 1
    ui.transformSelector.setCurrentNode(registered.deformation)
    path = str(tmp_path / "scene.mrb")
    assert slicer.mrmlScene.WriteToMRB(path)
    slicer.mrmlScene.Clear(False)
    assert ui.refineSpinBox.value == 0
    assert slicer.mrmlScene.ReadFromMRB(path)
    assert ui.applySelector.currentNode().GetName() == "Landmark"
    assert ui.refineSpinBox.value == 50 and ui.speedSlider.value == 12 and ui.amplitudeSlider.value == 2.5
    assert ui.processorOnlyCheckBox.checked
    assert ui.inverseCheckBox.checked and ui.hardenCheckBox.checked and ui.positiveOnlyCheckBox.checked
    assert ui.methodSelector.currentText == "HiResCAM" and "Deformation" in ui.transformSelector.currentNode().GetName()
    assert ui.segmentTable.rowCount == 2


def test_long_names_and_many_segments_fit_400_pixels(module, panel, registered):
    names = panel.session.result.fixedSegmentation.GetSegmentation()
    names.GetNthSegment(0).SetName("a very long name of a structure of the human brain " * 3)
    panel.session.changed.emit()
    waitUntil(lambda: True)
    assert module.parent.widgetRepresentation().minimumSizeHint.width() <= 400


def test_two_volumes_of_one_name_are_told_apart_by_their_nodes(panel):
    first, second = addVolume("Scan"), addVolume("Scan")
    panel.ui.fixedSelector.setCurrentNode(first)
    panel.ui.movingSelector.setCurrentNode(second)
    assert panel.ui.registerButton.enabled
