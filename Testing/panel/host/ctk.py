"""The few ctk widgets that the panel uses, and empty names that Slicer's parameterNodeWrapper asks for."""

import types

from PySide6.QtCore import Property, QEvent, QObject, QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QMessageBox,
    QPushButton,
    QSlider,
    QStyle,
    QStyleOptionToolButton,
    QWidget,
)

from .strict import Strict, keep

UNUSED = (
    "ctkDoubleSlider",
    "ctkDoubleSpinBox",
    "ctkRangeWidget",
    "ctkDoubleRangeSlider",
    "ctkPathLineEdit",
    "ctkDirectoryButton",
    "ctkColorPickerButton",
)


class ctkCollapsibleButton(Strict, QAbstractButton):
    """A header that folds the widgets laid out beneath it."""

    contentsCollapsed = Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        keep(self, _collapsed=False, _folded=[], _folding=False)
        QAbstractButton.setCheckable(self, True)
        QAbstractButton.setChecked(self, True)
        QAbstractButton.setContentsMargins(self, 0, self._headerHeight(), 0, 0)
        self.connect("toggled(bool)", self._fold)

    def setCollapsed(self, collapsed):
        self.setChecked(not collapsed)

    def isCollapsed(self):
        return self._collapsed

    collapsed = Property(bool, isCollapsed, setCollapsed)

    def eventFilter(self, child, event):
        """What is shown while folded stays out of sight until unfolded. (Qt tells nothing of hiding what is hidden.)"""
        kind = QEvent.Type(event.type())  # here PySide6 gives it as a number
        if kind == QEvent.ShowToParent and self.__dict__.get("_collapsed") and not self._folding:
            keep(self, _folding=True, _folded=[other for other in self._folded if other is not child] + [child])
            QWidget.setVisible(child, False)
            keep(self, _folding=False)
        return False

    def _fold(self, checked):
        keep(self, _collapsed=not checked)
        self._foldChildren()
        self.contentsCollapsed.emit(self._collapsed)

    def _foldChildren(self):
        keep(self, _folding=True)
        if self._collapsed:
            children = [child for child in self.children() if child.isWidgetType()]
            for child in children:
                QObject.installEventFilter(child, self)
            shown = [child for child in children if not QWidget.isHidden(child)]
            keep(self, _folded=self._folded + shown)
        for child in self._folded:
            QWidget.setVisible(child, not self._collapsed)
        if not self._collapsed:
            keep(self, _folded=[])
        keep(self, _folding=False)
        QWidget.updateGeometry(self)

    def showEvent(self, event):
        self._foldChildren()  # those that were laid out after it was collapsed

    def _headerHeight(self):
        return self.fontMetrics().height() + 10

    def sizeHint(self):
        layout = self.layout()
        if self._collapsed or layout is None:
            return QSize(200, self._headerHeight())
        return layout.sizeHint()

    def minimumSizeHint(self):
        layout = self.layout()
        if self._collapsed or layout is None:
            return QSize(200, self._headerHeight())
        return layout.minimumSize()

    def paintEvent(self, event):
        option = QStyleOptionToolButton()
        option.initFrom(self)
        height = self._headerHeight()
        painter = QPainter(self)
        painter.fillRect(QRect(0, 0, option.rect.width(), height), option.palette.button().color().darker(106))
        option.rect = QRect(6, 0, 12, height)
        arrow = QStyle.PE_IndicatorArrowRight if self._collapsed else QStyle.PE_IndicatorArrowDown
        QWidget.style(self).drawPrimitive(arrow, option, painter, self)
        painter.drawText(24, 0, 1000, height, Qt.AlignVCenter, QAbstractButton.text(self))
        painter.end()


class ctkSliderWidget(Strict, QWidget):
    """A slider beside a spin box with a unit."""

    valueChanged = Signal(float)
    signatures = ("valueChanged(double)",)

    def __init__(self, parent=None):
        super().__init__(parent)
        slider, spinBox = QSlider(Qt.Horizontal, self), QDoubleSpinBox(self)
        spinBox.setMaximum(99)
        slider.setRange(0, 9900)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(slider, 1)
        layout.addWidget(spinBox)
        slider.valueChanged.connect(lambda step: spinBox.setValue(step / 100))
        spinBox.valueChanged.connect(self._onSpinBox)
        keep(self, _slider=slider, _spinBox=spinBox)

    def _onSpinBox(self, value):
        self._slider.blockSignals(True)
        self._slider.setValue(round(value * 100))
        self._slider.blockSignals(False)
        self.valueChanged.emit(value)

    def _setMinimum(self, value):
        self._spinBox.setMinimum(value)
        self._slider.setMinimum(round(value * 100))

    def _setMaximum(self, value):
        self._spinBox.setMaximum(value)
        self._slider.setMaximum(round(value * 100))

    value = Property(float, lambda self: self._spinBox.value(), lambda self, value: self._spinBox.setValue(value))
    minimum = Property(float, lambda self: self._spinBox.minimum(), _setMinimum)
    maximum = Property(float, lambda self: self._spinBox.maximum(), _setMaximum)
    singleStep = Property(
        float, lambda self: self._spinBox.singleStep(), lambda self, step: self._spinBox.setSingleStep(step)
    )
    pageStep = Property(
        float,
        lambda self: self._slider.pageStep() / 100,
        lambda self, step: self._slider.setPageStep(round(step * 100)),
    )
    decimals = Property(
        int, lambda self: self._spinBox.decimals(), lambda self, count: self._spinBox.setDecimals(count)
    )
    suffix = Property(str, lambda self: self._spinBox.suffix(), lambda self, text: self._spinBox.setSuffix(text))


class ctkMessageBox(Strict, QMessageBox):
    pass


class ctkCheckBox(Strict, QCheckBox):
    pass


class ctkComboBox(Strict, QComboBox):
    pass


class ctkCheckablePushButton(Strict, QPushButton):
    pass


def makeCtkModule() -> types.ModuleType:
    module = types.ModuleType("ctk")
    for widgetClass in (
        ctkCollapsibleButton,
        ctkSliderWidget,
        ctkMessageBox,
        ctkCheckBox,
        ctkComboBox,
        ctkCheckablePushButton,
    ):
        setattr(module, widgetClass.__name__, widgetClass)
    for name in UNUSED:
        setattr(module, name, type(name, (Strict, QWidget), {}))
    return module
