"""The panel's .ui file, as Qt Designer would save it."""

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

UI = Path(__file__).parents[3] / "RegExplain" / "Resources" / "UI" / "RegExplain.ui"


def test_no_two_widgets_stand_in_one_cell():
    """Qt leaves the second out of a form with a warning on the console, and lays them over each other in a grid."""
    for layout in ElementTree.parse(UI).iter("layout"):
        cells = Counter((item.get("row"), item.get("column")) for item in layout.findall("item") if item.get("row"))
        assert not [cell for cell, count in cells.items() if count > 1], layout.get("name")
