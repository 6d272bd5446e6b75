"""The stand-in is at least as strict as PythonQt; what both must do is in ../slicer/cases/test_pythonqt.py."""

import pytest


@pytest.fixture
def label(host):
    import qt

    return qt.QLabel("text")


@pytest.fixture
def button(host):
    import qt

    return qt.QPushButton("text")


def test_a_property_takes_its_own_type_only(label, button):
    for widget, name, value in ((label, "text", None), (label, "text", 3), (button, "enabled", "yes")):
        with pytest.raises(AttributeError, match="does not accept"):
            setattr(widget, name, value)


def test_a_constructor_takes_no_keyword_arguments(host):
    import qt

    with pytest.raises(TypeError):
        qt.QLabel(text="text")


@pytest.mark.parametrize("signature", ["clickd()", "clicked", "clicked(int)", "text()", ""])
def test_a_signal_must_exist_with_that_signature(button, signature):
    with pytest.raises(ValueError, match="has no signal"):
        button.connect(signature, print)


def test_an_exception_in_a_slot_is_noticed(button):
    from panel.host.strict import slotErrors

    slotErrors.clear()
    button.connect("clicked()", lambda: 1 / 0)
    button.click()
    assert "ZeroDivisionError" in slotErrors.pop()


@pytest.mark.parametrize("observer", [lambda node, event: remove(node), lambda *values: remove(values[0])])
def test_a_node_that_is_removed_inside_its_own_event_is_noticed(host, observer):
    """As Slicer crashes then; at any other time it may go."""
    import vtk

    import slicer
    from panel.host.strict import slotErrors

    slotErrors.clear()
    node, other = (slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", name) for name in ("Observed", "Other"))
    node.AddObserver(vtk.vtkCommand.ModifiedEvent, observer)
    other.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: node.Modified())
    remove(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "Third"))
    assert slotErrors == []
    other.Modified()
    assert slotErrors.pop().startswith("Observed was removed inside its own ModifiedEvent")
    remove(other)
    assert slotErrors == []


def remove(node):
    import slicer

    slicer.mrmlScene.RemoveNode(node)


def test_a_widget_is_an_instance_of_its_qt_base_classes(host, button):
    import qt

    assert (
        isinstance(button, qt.QWidget) and isinstance(button, qt.QAbstractButton) and not isinstance(button, qt.QLabel)
    )


def test_a_scene_reaches_only_the_widgets_that_the_ui_file_connects(host, tmp_path):
    import qt

    import slicer
    from panel.fixtures import addVolume

    slicer.mrmlScene.Clear(False)
    addVolume("A volume")
    text = """<ui version="4.0"><widget class="qMRMLWidget" name="Top"><layout class="QVBoxLayout" name="l"><item>
      <widget class="qMRMLNodeComboBox" name="selector"><property name="nodeTypes"><stringlist>
      <string>vtkMRMLScalarVolumeNode</string></stringlist></property></widget>
      </item></layout></widget><connections>{}</connections></ui>"""
    connection = """<connection><sender>Top</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
      <receiver>selector</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection>"""
    for connections, count in (("", 0), (connection, 1)):
        path = tmp_path / f"{count}.ui"
        path.write_text(text.format(connections))
        file = qt.QFile(str(path))
        file.open(qt.QFile.ReadOnly)
        top = qt.QUiLoader().load(file)
        top.setMRMLScene(slicer.mrmlScene)
        assert slicer.util.childWidgetVariables(top).selector.nodeCount() == count
