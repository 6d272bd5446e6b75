"""The section Landmarks on the stand-in host: two lists of points, their table, and the views that follow it."""

import numpy as np
import pytest

import slicer
from panel.fixtures import press
from panel.test_sections import cells

FIXED = {"tip": (1.0, -2.0, 3.0), "base": (4.0, 5.0, -6.0)}
MOVING = {"tip": (2.0, -2.0, 3.0), "base": (4.0, 7.0, -6.0)}


def addList(name, points):
    """A Markups list of points, RAS mm, by label."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    for label, place in points.items():
        node.AddControlPoint(*place, label)
    return node


@pytest.fixture
def placed(panel, registered):
    """A registration with a list of points for each scan, chosen in the panel."""
    parameters = panel.session.parameterNode
    parameters.fixedLandmarks, parameters.movingLandmarks = addList("F", FIXED), addList("M", MOVING)
    return registered


def test_landmarks_wait_for_two_lists_and_say_so(panel, registered):
    assert not panel.ui.landmarksButton.enabled and "in both scans" in panel.ui.landmarksButton.toolTip
    points = addList("F", FIXED)
    panel.session.parameterNode.fixedLandmarks = panel.session.parameterNode.movingLandmarks = points
    assert not panel.ui.landmarksButton.enabled and "two different lists" in panel.ui.landmarksButton.toolTip
    assert not panel.ui.showLandmarksCheckBox.enabled


def test_measured_landmarks_stand_in_the_table_and_are_drawn(panel, placed):
    from RegExplainLib.MRML.Layers import LandmarkLayer

    press(panel, panel.ui.landmarksButton)
    assert cells(panel.ui.landmarksTable) == [("tip", "1.0", "11.0", "6.0"), ("base", "2.0", "12.0", "7.0")]
    assert "Warning: Landmarks that lie outside" in panel.ui.landmarksLabel.text
    layer = LandmarkLayer(placed)
    assert layer.visible and panel.ui.showLandmarksCheckBox.checked
    wanted = np.array([row["fixed"] for row in placed.record["landmarks"]["pairs"]]) * (-1, -1, 1)
    assert np.allclose(wanted, list(FIXED.values())), "the lists are in RAS, the record in LPS"
    panel.ui.showMovingLandmarksCheckBox.checked = True
    assert LandmarkLayer(placed, "moving").visible and not panel.ui.showLandmarksCheckBox.checked
    panel.ui.showMovingLandmarksCheckBox.checked = False
    assert not LandmarkLayer(placed, "moving").visible


def test_landmarks_measured_again_are_drawn_where_they_are_now(panel, placed):
    from RegExplainLib.MRML.Layers import LandmarkLayer

    press(panel, panel.ui.landmarksButton)
    panel.session.parameterNode.fixedLandmarks.SetNthControlPointPosition(0, 9.0, 9.0, 9.0)
    press(panel, panel.ui.landmarksButton)
    layer = LandmarkLayer(placed)
    assert layer.visible
    assert np.allclose(layer.node("lines").GetPolyData().GetPoint(1), (9.0, 9.0, 9.0))


def test_a_point_under_a_transform_is_taken_where_it_appears(panel, placed):
    parent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = slicer.util.vtkMatrixFromArray(np.array([[1, 0, 0, 30], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    parent.SetMatrixTransformToParent(matrix)
    panel.session.parameterNode.fixedLandmarks.SetAndObserveTransformNodeID(parent.GetID())
    press(panel, panel.ui.landmarksButton)
    assert placed.record["landmarks"]["pairs"][0]["fixed"] == [-31.0, 2.0, 3.0]


def test_a_click_on_a_row_jumps_all_views_there(views, panel, placed):
    press(panel, panel.ui.landmarksButton)
    panel.ui.landmarksTable.cellClicked.emit(1, 0)
    for name in views.sliceViewNames():
        matrix = views.sliceWidget(name).sliceView().mrmlSliceNode().GetSliceToRAS()
        assert np.allclose([matrix.GetElement(axis, 3) for axis in range(3)], FIXED["base"], atol=1e-6), name


def test_a_new_list_is_placed_by_clicks_on_the_scan_that_it_is_for(panel, registered):
    node = panel.ui.movingLandmarksSelector.addNode()
    assert panel.session.parameterNode.movingLandmarks is node and node.GetName() == "Moving landmarks"
    shown = {composite.GetBackgroundVolumeID() for composite in registered.sliceComposites()}
    assert shown <= {registered.moving.GetID()}
    selection = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    assert selection.GetActivePlaceNodeID() == node.GetID()
    interaction = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLInteractionNode")
    assert interaction.GetCurrentInteractionMode() == interaction.Place and interaction.GetPlaceModePersistence()


@pytest.mark.parametrize("name", ["landmarksButton", "changesButton"])
def test_what_needs_no_network_is_told_of_no_device(panel, placed, name):
    panel.session.parameterNode.processorOnly = True
    press(panel, getattr(panel.ui, name))
    assert "--device" not in panel.ui.logText.toPlainText().rpartition("regexplain ")[2]


def test_landmarks_go_with_their_registration(panel, placed):
    press(panel, panel.ui.landmarksButton)
    placed.remove()
    assert cells(panel.ui.landmarksTable) == [] and not panel.ui.showLandmarksCheckBox.enabled


def test_landmarks_pull_on_the_next_refining_where_asked_for(panel, placed):
    ui = panel.ui
    ui.useLandmarksCheckBox.checked = True
    press(panel, ui.registerButton)
    assert "--use-landmarks" not in ui.logText.toPlainText(), "nothing is refined"
    ui.refineSpinBox.value = 5
    press(panel, ui.registerButton)
    assert "--refine 5 --use-landmarks --fixed-landmarks" in ui.logText.toPlainText()
