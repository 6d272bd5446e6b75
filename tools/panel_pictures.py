"""Drive the panel from the sample pair to the report, as a user would, and save a picture of every section.

On the stand-in host of Testing/panel with the real worker, 400 pixels wide, in a light and a dark theme; and of the
whole window, the panel 341 pixels wide as Slicer opens it, beside slicer-core's views as the panel leaves them. Nobody
clicks, zooms or scrolls in a view. Needs a GL library.

    .venv/bin/python tools/panel_pictures.py FOLDER
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WIDTH, MARGIN = 400, 8
SLICERS_WIDTH, VIEWS_WIDTH, BAR_HEIGHT = 341, 900, 18  # pixels: of the module panel, of all views, of a view's own bar
VIEWS = {
    "Red": "#f34a4a",
    "1": "#6a6a9c",
    "Green": "#6eb04b",
    "Yellow": "#edd54c",
}  # from the upper left, in Slicer's colours
TIMEOUT_S = 600
errors: list[str] = []
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

    headless = host.start()
    import slicer
    from panel.host.application import LoadedModule
    from panel.host.views import LayoutManager

    slicer.app.layout = LayoutManager(headless)
    slicer.util.confirmOkCancelDisplay = lambda question, **options: True  # the models' licence
    slicer.util.errorDisplay = lambda sentence, **options: errors.append(sentence)
    module = LoadedModule(str(ROOT / "RegExplain" / "RegExplain.py"))
    panel, widget = module.open().panel, module.parent.widgetRepresentation()
    try:
        for name, sections, act in story(panel):
            act()
            saveWindow(widget, panel, sections, folder / f"window-{name}.png")
            for theme in ("light", "dark"):
                path = folder / f"panel-{name}{'-dark' * (theme == 'dark')}.png"
                save(widget, panel.ui, sections, theme, path)
            print(name, flush=True)
        for path in folder.glob("*.png"):
            shrink(path)
    finally:
        module.close()


def story(panel):
    """(name of the picture, sections open in it, what to do before it)."""
    ui = panel.ui

    def loadPair():
        from panel.fixtures import loadSamplePair

        loadSamplePair(panel)

    def layOut():
        from panel.fixtures import settle, waitUntil

        ui.resultLayoutCheckBox.checked = True
        waitUntil(ownViews, TIMEOUT_S)
        settle(panel)

    def explain():
        ui.resultLayoutCheckBox.checked = False
        ui.stageSelector.currentIndex = ui.stageSelector.findText("Decoder")
        press(panel, ui.explainButton)

    def play():
        ui.animateButton.click()
        ui.strengthSlider.value = 100.0

    def decompose():
        press(panel, ui.componentsButton)
        press(panel, ui.decomposeButton)

    def explainTransform():
        ui.transformSelector.setCurrentNode(panel.session.result.deformation)
        press(panel, ui.explainTransformButton)

    return [
        ("getting-started", ("tour", "inputs"), lambda: None),
        ("no-model-fits", ("inputs",), lambda: chooseSmallScans(panel)),
        ("inputs", ("inputs", "register"), loadPair),
        ("model-card", ("inputs",), ui.modelCardButton.click),
        ("result", ("register", "result"), lambda: (ui.modelCardButton.click(), press(panel, ui.registerButton))),
        ("result-layout", ("result",), layOut),
        ("explain", ("explain",), explain),
        ("motions", ("motions",), play),
        ("parts", ("motions",), decompose),
        ("layers", ("layers",), lambda: None),
        ("compare", ("compare",), lambda: compare(panel)),
        ("landmarks", ("landmarks",), lambda: measureLandmarks(panel)),
        ("trust", ("trust", "report"), lambda: showLayers(panel, True)),
        ("transform", ("transform", "result"), explainTransform),
    ]


def showLayers(panel, shown):
    """The heatmap and the arrows; without them the landmarks stand alone."""
    if shown:
        panel.ui.showLandmarksCheckBox.checked = False
    for box in (panel.ui.showHeatmapCheckBox, panel.ui.showArrowsCheckBox):
        box.checked = shown


def compare(panel):
    showLayers(panel, False)
    panel.ui.compareCollapsibleButton.collapsed = False
    selector = panel.ui.compareModeSelector
    selector.currentIndex = selector.findText("Checkerboard")


def measureLandmarks(panel):
    panel.ui.compareCollapsibleButton.collapsed = True
    placeLandmarks(panel)
    press(panel, panel.ui.landmarksButton)
    panel.ui.landmarksTable.cellClicked.emit(0, 0)


def placeLandmarks(panel):
    """Both ends of the hippocampus, as a user would place them: a millimetre or so beside where it is carried."""
    import numpy as np

    import slicer

    result = panel.session.result
    for role, off in (("fixed", 0.0), ("moving", 1.0)):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", f"{role.capitalize()} landmarks")
        bounds = [0.0] * 6
        result.fixedSegmentation.GetRASBounds(bounds)
        low, high = np.reshape(bounds, (3, 2)).T
        for number, (label, share) in enumerate((("head", 0.8), ("body", 0.5), ("tail", 0.2)), 1):
            place = low + (0.5, share, 0.5) * (high - low)
            place = place if role == "fixed" else result.movingPoint(place) + off * np.array((number - 2, 1, 0))
            node.AddControlPoint(*place, label)
        setattr(panel.session.parameterNode, f"{role}Landmarks", node)


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
    from panel.fixtures import settle, waitUntil

    if not button.enabled:
        raise SystemExit(f"{button.text}: {button.toolTip}")
    button.click()
    waitUntil(lambda: not panel.session.job, TIMEOUT_S)
    settle(panel)
    if errors:
        raise SystemExit(errors[0])


def ownViews():
    """Names of the views of a layout of the module's own, from left to right, where one is on show."""
    import slicer
    from RegExplainLib.MRML.CustomLayout import RESULT
    from RegExplainLib.MRML.ResultLayout import ResultLayout

    node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    return list(ResultLayout.labels) if node is not None and node.GetViewArrangement() == RESULT else []


def saveWindow(widget, panel, sections, path):
    """A picture of the panel, scrolled to the first of these sections, beside the views."""
    from PySide6.QtWidgets import QApplication, QHBoxLayout, QLabel, QScrollArea, QWidget

    QApplication.setStyle("Fusion")
    QApplication.setPalette(palette("light"))
    window, area, views = QWidget(), QScrollArea(), QLabel()
    views.setPixmap(viewsPixmap())
    area.setWidgetResizable(True)
    area.setWidget(widget)
    area.setFixedWidth(SLICERS_WIDTH)
    layout = QHBoxLayout(window)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(2)
    layout.addWidget(area)
    layout.addWidget(views)
    window.show()
    for _ in range(3):  # word wrap settles
        QApplication.processEvents()
    panel._opener.open(sections)
    for _ in range(3):
        QApplication.processEvents()
    window.grab().save(str(path))
    QWidget.setParent(area.takeWidget(), None)
    window.deleteLater()


def viewsPixmap():
    """The views of the module's own layout side by side, else Slicer's slice and 3D views in its default layout."""
    from PySide6.QtCore import QRect, Qt
    from PySide6.QtGui import QColor, QImage, QPainter, QPixmap

    import slicer

    layout = slicer.app.layoutManager()
    offscreen = {name: layout.sliceWidget(name).sliceView().offscreen for name in layout.sliceViewNames()}
    offscreen["1"] = layout.threeDWidget(0).threeDView().offscreen
    offscreen |= layout.lateViews
    own = ownViews()
    views, columns = (dict.fromkeys(own, "#7F7F7F"), len(own)) if own else (VIEWS, 2)
    side = VIEWS_WIDTH // columns
    whole = QPixmap(columns * side, len(views) // columns * (side + BAR_HEIGHT))
    whole.fill(Qt.black)
    painter = QPainter(whole)
    for number, (name, color) in enumerate(views.items()):
        picture = offscreen[name].render()
        height, width, channels = picture.shape
        image = QImage(picture.tobytes(), width, height, channels * width, QImage.Format_RGB888)
        x, y = number % columns * side, number // columns * (side + BAR_HEIGHT)
        painter.fillRect(x, y, side, BAR_HEIGHT, QColor(color))
        painter.drawText(QRect(x + 6, y, side, BAR_HEIGHT), Qt.AlignVCenter, label(name))
        painter.drawImage(QRect(x + 1, y + BAR_HEIGHT, side - 2, side - 2), image)
    painter.end()
    return whole


def label(name):
    """Of a view, as its bar says it."""
    from RegExplainLib.MRML.ResultLayout import ResultLayout

    return ResultLayout.labels.get(name, name)


def save(widget, ui, sections, theme, path):
    """A picture of the panel with only these sections open."""
    from PySide6.QtCore import QRect
    from PySide6.QtWidgets import QApplication, QWidget

    QApplication.setStyle("Fusion")
    QApplication.setPalette(palette(theme))
    buttons = [button for name, button in vars(ui).items() if name.endswith("CollapsibleButton")]
    before = [button.collapsed for button in buttons]
    for button in buttons:
        button.collapsed = button.name.removesuffix("CollapsibleButton") not in sections
    QWidget.show(widget)
    for _ in range(3):  # word wrap settles
        QWidget.resize(widget, WIDTH, QWidget.layout(widget).heightForWidth(WIDTH))
        QApplication.processEvents()
    last = ui.reportCollapsibleButton
    bottom = QWidget.mapTo(last, widget, last.rect.bottomLeft()).y() + MARGIN
    QWidget.grab(widget, QRect(0, 0, WIDTH, bottom)).save(str(path))
    for button, collapsed in zip(buttons, before, strict=True):
        button.collapsed = collapsed


def shrink(path):
    """To the 256 colours that serve the picture best: half the bytes of every clone."""
    from PIL import Image

    Image.open(path).convert("RGB").quantize(256, kmeans=2, dither=Image.Dither.NONE).save(path, optimize=True)


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
