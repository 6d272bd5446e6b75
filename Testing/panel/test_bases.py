"""Which base classes the module runs on, and that it describes itself to Slicer."""

import pytest


def test_the_base_classes_are_those_asked_for(host):
    import slicer.parameterNodeWrapper
    import slicer.ScriptedLoadableModule
    import slicer.util

    modules = [slicer.ScriptedLoadableModule, slicer.parameterNodeWrapper]
    modules += [slicer.util] if host.SLICER_SOURCE else []
    expected = host.SLICER_SOURCE or str(host.REPOSITORY / "Testing" / "panel" / "host" / "bases")
    for module in modules:
        assert module.__file__.startswith(expected), module.__file__


def test_the_module_describes_itself(module):
    assert module.parent.title == "RegExplain" and module.parent.categories == ["Registration"]
    assert "Grad-CAM" in module.parent.acknowledgementText and "research only" in module.parent.helpText
    assert not module.parent.icon.isNull()


def test_all_data_that_the_shipped_models_come_from_are_acknowledged(module):
    import re

    from regexplain.cards import registry

    words = module.parent.acknowledgementText
    sources = {
        doi for card in registry.installed_cards() for doi in re.findall(r"doi ([^\s,;)]+)", card.values["data"])
    }
    assert len(sources) >= 4 and [doi for doi in sources if doi not in words] == []


def test_a_wrong_type_is_refused_by_the_parameter_node(panel):
    parameters = panel.session.parameterNode
    with pytest.raises((TypeError, ValueError)):
        parameters.model = 3
    with pytest.raises((TypeError, ValueError)):
        parameters.heatmapOpacity = 101.0


def test_the_module_can_be_reloaded(module, panel, volumes, monkeypatch):
    """As the developers' Reload button does it."""
    import sys

    for name, loaded in list(sys.modules.items()):
        if name.startswith(("RegExplainLib", "regexplain")):
            monkeypatch.setitem(sys.modules, name, loaded)  # put back for the tests that follow
    before = sys.modules["RegExplainLib.GUI.Panel"]
    widget = module.parent.widgetRepresentation().self()
    widget.onReload()
    again = module.parent.widgetRepresentation().self()
    assert again is not widget and widget.panel is None
    assert sys.modules["RegExplainLib.GUI.Panel"] is not before
    assert again.panel.ui.registerButton.enabled and again.panel.ui.fixedSelector.currentNode() is volumes[0]
