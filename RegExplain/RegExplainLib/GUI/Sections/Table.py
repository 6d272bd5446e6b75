import qt

ASCENDING, DESCENDING = "▲", "▼"
FIRST_WIDTH = 90  # pixels for the names, in a table of numbers; it gets what these leave


class Table:
    """A QTableWidget of columns with a title, a tooltip and a way to write a cell, sorted by a click on a title.

    Sorted here and not by Qt, which sorts numbers as the texts they are shown as; its mark for the order would widen
    every column. None is shown as a dash, sorted last; a column of nothing else is left out. Nothing is cut at the
    side: the last column is words, which wrap, or the last ones of numbers come only where there is room.
    `onPicked(key)` tells which row the user clicked.
    """

    def __init__(self, widget, columns, onPicked=None):
        """columns: (title, tooltip, format of a number or None for a text)."""
        self._widget, self._columns, self._onPicked = widget, list(columns), onPicked
        self._rows, self._sorted = [], None
        self._widths = {}  # in pixels, by column
        self._adjustTimer = qt.QTimer(widget)  # which ends with the widget: on quitting, a table is refilled and gone
        self._adjustTimer.setSingleShot(True)
        self._adjustTimer.connect("timeout()", self._adjustSizes)
        widget.columnCount = len(columns)
        self._nameColumns()
        header = widget.horizontalHeader()
        if columns[-1][2] is None:
            header.setStretchLastSection(True)
        else:
            header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        header.sectionResized.connect(self._adjustLater)
        widget.verticalHeader().setVisible(False)
        widget.horizontalHeader().sectionClicked.connect(self._onTitleClicked)
        widget.connect("cellClicked(int,int)", self._onCellClicked)
        widget.connect("cellActivated(int,int)", self._onCellClicked)  # by the keyboard

    @property
    def titles(self):
        """Of the columns shown, each in one line."""
        return [self._columns[number][0].replace("\n", " ") for number in self._filledColumns()]

    def _nameColumns(self):
        for number, (title, toolTip, _) in enumerate(self._columns):
            if self._sorted is not None and self._sorted[0] == number:
                title += ("" if "\n" in title else "\n") + (DESCENDING if self._sorted[1] else ASCENDING)
            item = qt.QTableWidgetItem(title)
            item.setToolTip(toolTip)
            self._widget.setHorizontalHeaderItem(number, item)

    @property
    def rows(self):
        """The cells of each row as shown, in the order shown."""
        return [tuple(cells[number] for number in self._filledColumns()) for _, cells, _ in self._rows]

    def show(self, rows, first=None):
        """rows: (key, cells, tooltip). first: (title, tooltip) of the first column, as it is by default."""
        if first is not None and first != self._columns[0][:2]:
            self._columns[0] = (*first, self._columns[0][2])
            self._nameColumns()
        if sorted(map(repr, rows)) == sorted(map(repr, self._rows)):
            return
        self._rows = list(rows)
        self._sort()

    def tsv(self):
        """The table as text to paste into a spreadsheet; numbers in full."""
        lines = [self.titles, *(["" if cell is None else str(cell) for cell in cells] for cells in self.rows)]
        return "\n".join("\t".join(line) for line in lines) + "\n"

    def _adjustLater(self, *sizes):
        self._adjustTimer.start(0)

    def _adjustSizes(self):
        """Columns as there is room, and rows as high as their wrapped words need: known once the widths are."""
        if self._columns[-1][2] is not None and self._widget.visible:
            room = self._widget.viewport().contentsRect().width() - FIRST_WIDTH
            for column in self._filledColumns()[1:]:
                room -= self._widths[column]
                self._widget.setColumnHidden(column, room < 0)
        self._widget.resizeRowsToContents()

    def _filledColumns(self):
        """The columns that have anything in them; all where there are no rows."""
        numbers = range(len(self._columns))
        return [n for n in numbers if not self._rows or any(cells[n] is not None for _, cells, _ in self._rows)]

    def _sort(self):
        if self._sorted is not None:
            column, falling = self._sorted
            filled = [row for row in self._rows if row[1][column] is not None]
            filled.sort(key=lambda row: row[1][column], reverse=falling)
            self._rows = filled + [row for row in self._rows if row[1][column] is None]
        self._fill()

    def _fill(self):
        self._widget.rowCount = len(self._rows)
        for number, (_, cells, toolTip) in enumerate(self._rows):
            for column, cell in enumerate(cells):
                item = qt.QTableWidgetItem(self._text(column, cell))
                item.setToolTip(toolTip)
                if self._columns[column][2]:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                self._widget.setItem(number, column, item)
        filled = self._filledColumns()
        for column in range(len(self._columns)):
            self._widget.setColumnHidden(column, column not in filled)
        self._widget.resizeColumnsToContents()
        self._widths = {column: self._widget.columnWidth(column) for column in filled}
        self._adjustLater()

    def _text(self, column, cell):
        shape = self._columns[column][2]
        return "–" if cell is None else shape.format(cell) if shape else cell

    def _onTitleClicked(self, column):
        falling = self._sorted == (column, False)  # a second click turns the order round
        self._sorted = (column, falling)
        self._nameColumns()
        self._sort()

    def _onCellClicked(self, row, column):
        if self._onPicked is not None:
            self._onPicked(self._rows[row][0])
