from .LayerVisibility import signalsBlocked


class Choices:
    """A combo box of values, each with a title; `onPicked(value)` tells what the user picks, and only that."""

    def __init__(self, comboBox, onPicked):
        self._comboBox, self._onPicked = comboBox, onPicked
        self._groups = None
        comboBox.connect("currentIndexChanged(int)", self._onIndexChanged)

    @property
    def value(self):
        """The value on show, None where there is none."""
        return self._comboBox.itemData(self._comboBox.currentIndex) if self._comboBox.currentIndex >= 0 else None

    def show(self, titles, chosen):
        """List `titles` (value: title) with `chosen` on show, or the first where that is not among them."""
        self.showGroups([titles], chosen)

    def showGroups(self, groups, chosen):
        """As `show`, of several `titles` with a line between them; one that is empty is left out."""
        groups = [dict(titles) for titles in groups if titles]
        with signalsBlocked(self._comboBox):
            if groups != self._groups:
                self._groups = groups
                self._comboBox.clear()
                for titles in groups:
                    if self._comboBox.count:
                        self._comboBox.insertSeparator(self._comboBox.count)
                    for value, title in titles.items():
                        self._comboBox.addItem(title, value)
            self._comboBox.currentIndex = max(self._comboBox.findData(chosen), 0)

    def _onIndexChanged(self, index):
        if index >= 0:
            self._onPicked(self._comboBox.itemData(index))
