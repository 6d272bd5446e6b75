"""Drive the panel from the sample pair to the report, as a user would, and save a picture of every section.

On the stand-in host of Testing/panel with the real worker, 400 pixels wide, in a light and a dark theme.

    .venv/bin/python tools/panel_pictures.py FOLDER
"""

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WIDTH, MARGIN = 400, 8
PATIENCE_S = 600
DARK = {
    "Window": "#2b2b2b",
    "WindowText": "#eeeeee",
    "Base": "#1e1e1e",
    "AlternateBase": "#262626",
    "Text": "#eeeeee",
    "Button": "#3a3a3a",
    "ButtonText": "#eeeeee",
    "ToolTipBase": "#3a3a3a",
    "ToolTipText": "#eeeeee",
    "PlaceholderText": "#999999",
    "Highlight": "#2a82da",
    "HighlightedText": "#ffffff",
    "Link": "#63b3ff",
}
DISABLED = {"WindowText": "#8a8a8a", "Text": "#8a8a8a", "ButtonText": "#8a8a8a"}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(ROOT / "Testing"))
    from panel import host

    host.start()
    from panel.host.application import LoadedModule

    module = LoadedModule(str(ROOT / "RegExplain" / "RegExplain.py"))
    widget = module.open()
    try:
        for name, sections, act in story(widget.panel):
            act()
            for theme in ("light", "dark"):
                save(
                    module.parent.widgetRepresentation(),
                    widget.panel.ui,
                    sections,
                    theme,
                    folder / f"panel-{name}{'-dark' * (theme == 'dark')}.png",
                )
            print(name, flush=True)
    finally:
        module.close()


def story(panel):
    """(name of the picture, sections open in it, what to do before it)."""
    ui = panel.ui

    def click(button):
        return lambda: press(panel, button)

    def explain():
        ui.regionSelector.currentIndex = 1
        press(panel, ui.explainButton)

    def decompose():
        press(panel, ui.componentsButton)
        press(panel, ui.decomposeButton)

    def explainTransform():
        ui.transformSelector.setCurrentNode(panel.session.result.deformation)
        press(panel, ui.explainTransformButton)

    return [
        ("getting-started", ("tour", "inputs"), lambda: None),
        ("no-model-fits", ("inputs",), lambda: chooseSmallScans(panel)),
        ("inputs", ("inputs", "register"), click(ui.samplePairButton)),
        ("model-card", ("inputs",), ui.modelCardButton.click),
        ("result", ("register", "result"), lambda: (ui.modelCardButton.click(), press(panel, ui.registerButton))),
        ("explain", ("explain",), explain),
        ("motions", ("motions",), decompose),
        ("layers", ("layers",), lambda: None),
        ("trust", ("trust", "report"), lambda: None),
        ("transform", ("transform", "result"), explainTransform),
    ]


def chooseSmallScans(panel):
    """What no model was made for."""
    import numpy as np

    import slicer

    parameters = panel.session.parameterNode
    for role in ("fixed", "moving"):
        node = slicer.util.addVolumeFromArray(np.zeros((8, 8, 8), np.int16), name=f"A small {role} scan")
        setattr(parameters, role, node)


def press(panel, button):
    """Click, and wait until the job that this starts has ended."""
    import slicer

    if not button.enabled:
        raise SystemExit(f"{button.text}: {button.toolTip}")
    button.click()
    deadline = time.monotonic() + PATIENCE_S
    while panel.session.job:
        if time.monotonic() > deadline:
            raise SystemExit("The worker takes too long.")
        slicer.app.processEvents()
        time.sleep(0.01)


def save(widget, ui, sections, theme, path):
    """A picture of the panel with only these sections open."""
    from PySide6.QtCore import QRect
    from PySide6.QtWidgets import QApplication, QWidget

    QApplication.setStyle("Fusion")
    QApplication.setPalette(palette(theme))
    for name, button in vars(ui).items():
        if name.endswith("CollapsibleButton"):
            button.collapsed = name.removesuffix("CollapsibleButton") not in sections
    QWidget.show(widget)
    for _ in range(3):  # word wrap settles
        QWidget.resize(widget, WIDTH, QWidget.layout(widget).heightForWidth(WIDTH))
        QApplication.processEvents()
    last = ui.reportCollapsibleButton
    bottom = QWidget.mapTo(last, widget, last.rect.bottomLeft()).y() + MARGIN
    QWidget.grab(widget, QRect(0, 0, WIDTH, bottom)).save(str(path))


def palette(theme):
    from PySide6.QtGui import QColor, QPalette
    from PySide6.QtWidgets import QApplication

    made = QApplication.style().standardPalette()
    if theme == "dark":
        for role, color in DARK.items():
            made.setColor(getattr(QPalette, role), QColor(color))
        for role, color in DISABLED.items():
            made.setColor(QPalette.Disabled, getattr(QPalette, role), QColor(color))
    return made


if __name__ == "__main__":
    main()
