"""What the module relies on in PythonQt: true in Slicer, where CTest runs this, and to be true of the stand-in host."""

import unittest


class PythonQtTest(unittest.TestCase):
    def setUp(self):
        import qt

        self.qt = qt
        self.button = qt.QPushButton("text")

    def test_a_property_is_read_and_written_without_parentheses(self):
        self.button.text = "other"
        self.assertEqual(self.button.text, "other")
        self.button.enabled = False
        self.assertFalse(self.button.enabled)
        with self.assertRaisesRegex(TypeError, "not callable"):
            self.button.text()

    def test_the_object_name_has_two_names(self):
        self.button.name = "title"
        self.assertEqual(self.button.objectName, "title")
        self.assertEqual(self.button.name, "title")

    def test_an_unknown_attribute_can_be_neither_read_nor_set(self):
        with self.assertRaises(AttributeError):
            _ = self.button.colour
        with self.assertRaises(AttributeError):
            self.button.colour = "red"
        with self.assertRaises(AttributeError):
            self.button._state = 1

    def test_qt_takes_no_keyword_arguments(self):
        with self.assertRaisesRegex(ValueError, "does not support kwargs"):
            self.button.setText(text="other")

    def test_what_was_destroyed_can_be_neither_asked_nor_told(self):
        parent = self.qt.QWidget()
        label = self.qt.QLabel("text", parent)
        clear = label.clear
        parent.delete()
        for use in (clear, lambda: label.text, lambda: setattr(label, "text", "other")):
            with self.assertRaisesRegex(ValueError, "destroyed"):
                use()

    def test_a_timer_is_told_by_a_method_to_fire_once_and_ends_with_its_parent(self):
        import time

        import slicer

        received, parent = [], self.qt.QWidget()
        timers = [self.qt.QTimer(parent), self.qt.QTimer(self.button)]
        for number, timer in enumerate(timers):
            with self.assertRaises(AttributeError):
                timer.singleShot = True
            timer.setSingleShot(True)
            timer.connect("timeout()", lambda number=number: received.append(number))
            timer.start(0)
        parent.delete()
        deadline = time.monotonic() + 0.2
        while time.monotonic() < deadline:
            slicer.app.processEvents()
        self.assertEqual(received, [1])

    def test_a_widget_knows_its_size_and_its_place_on_the_screen(self):
        self.assertIsInstance(self.button.width, int)
        corner, inside = (self.button.mapToGlobal(self.qt.QPoint(*place)) for place in ((0, 0), (3, 4)))
        self.assertEqual((inside.x() - corner.x(), inside.y() - corner.y()), (3, 4))

    def test_a_slot_gets_as_many_values_as_it_takes(self):
        received = []
        self.button.connect("clicked(bool)", lambda checked: received.append(checked))
        self.button.connect("clicked(bool)", lambda: received.append("none"))
        self.button.connect("clicked(bool)", lambda checked="default": received.append(checked))
        self.button.click()
        self.assertEqual(received, [False, "none", False])  # defaults are overwritten too

    def test_a_disconnected_slot_is_not_called(self):
        received = []

        def slot():
            received.append(1)

        self.button.connect("clicked()", slot)
        self.button.disconnect("clicked()", slot)
        self.button.click()
        self.assertEqual(received, [])

    def test_blocked_signals_are_not_heard(self):
        received = []
        comboBox = self.qt.QComboBox()
        comboBox.connect("currentIndexChanged(int)", lambda index: received.append(index))
        self.assertFalse(comboBox.blockSignals(True))
        comboBox.addItem("one", 1)
        self.assertTrue(comboBox.blockSignals(False))
        comboBox.addItem("two", 2)
        comboBox.currentIndex = 1
        self.assertEqual(received, [1])

    def test_a_node_selector_lists_and_makes_nodes_with_an_attribute(self):
        import slicer

        selector, received = slicer.qMRMLNodeComboBox(), []
        selector.nodeTypes = ["vtkMRMLScriptedModuleNode"]
        selector.showHidden, selector.baseName = True, "Set"
        selector.addAttribute("vtkMRMLScriptedModuleNode", "ModuleName", "PythonQtTest")
        selector.setMRMLScene(slicer.mrmlScene)
        for signal in ("nodeAddedByUser(vtkMRMLNode*)", "nodeActivated(vtkMRMLNode*)"):
            selector.connect(signal, lambda node: received.append(node))
        other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "Other")
        node = selector.addNode()
        self.assertEqual((selector.nodeCount(), node.GetAttribute("ModuleName")), (1, "PythonQtTest"))
        self.assertEqual(set(received), {node})
        selector.removeCurrentNode()
        self.assertEqual((selector.nodeCount(), node.GetScene()), (0, None))
        slicer.mrmlScene.RemoveNode(other)

    def test_a_combo_box_keeps_numbers_and_texts_with_its_items(self):
        comboBox = self.qt.QComboBox()
        comboBox.addItem("one", 1)
        comboBox.addItem("two", "b")
        self.assertEqual(
            (comboBox.count, comboBox.itemData(0), comboBox.itemData(1), comboBox.itemText(1)), (2, 1, "b", "two")
        )
        self.assertEqual((comboBox.findData(1), comboBox.findData("b"), comboBox.findData(7)), (0, 1, -1))

    def test_a_table_is_filled_and_hides_a_column(self):
        table = self.qt.QTableWidget()
        table.columnCount, table.rowCount = 2, 1
        item = self.qt.QTableWidgetItem("1.50")
        item.setToolTip("in full")
        item.setTextAlignment(self.qt.Qt.AlignRight | self.qt.Qt.AlignVCenter)
        table.setHorizontalHeaderItem(0, self.qt.QTableWidgetItem("mm"))
        table.setItem(0, 0, item)
        table.setColumnHidden(1, True)
        table.verticalHeader().setVisible(False)
        self.assertEqual((table.item(0, 0).text(), table.horizontalHeaderItem(0).text()), ("1.50", "mm"))
        self.assertTrue(table.isColumnHidden(1))

    def test_a_table_tells_of_a_chosen_row_and_takes_an_order(self):
        table, received = self.qt.QTableWidget(2, 2), []
        table.horizontalHeader().sectionClicked.connect(lambda column: received.append(column))
        table.horizontalHeader().setSortIndicator(1, self.qt.Qt.DescendingOrder)
        table.connect("currentCellChanged(int,int,int,int)", lambda row, column: received.append((row, column)))
        table.setCurrentCell(1, 0)
        self.assertEqual(received, [(1, 0)])

    def test_a_text_can_be_copied(self):
        self.qt.QApplication.clipboard().setText("a\tb")
        self.assertEqual(self.qt.QApplication.clipboard().text(), "a\tb")

    def test_a_page_is_shown_as_plain_text_too(self):
        page = self.qt.QTextBrowser()
        page.openExternalLinks = True
        page.setHtml("<p><b>For:</b> research</p>")
        self.assertEqual(page.toPlainText(), "For: research")

    def test_a_process_gives_its_output_as_bytes_and_its_end_as_two_values(self):
        import sys
        import time

        import slicer

        process, received = self.qt.QProcess(), []
        process.connect(
            "readyReadStandardOutput()", lambda: received.append(bytes(process.readAllStandardOutput().data()))
        )
        process.connect(
            "finished(int,QProcess::ExitStatus)",
            lambda code, status: received.append((code, status == self.qt.QProcess.NormalExit)),
        )
        process.start(worker(), ["-c", "import sys; print('hello', flush=True); sys.exit(3)"])
        deadline = time.monotonic() + 30
        while (3, True) not in received:
            self.assertLess(time.monotonic(), deadline, sys.version)
            slicer.app.processEvents()
        self.assertEqual(received[0].strip(), b"hello")

    def test_a_process_that_cannot_start_says_so(self):
        import slicer

        process, received = self.qt.QProcess(), []
        process.connect(
            "errorOccurred(QProcess::ProcessError)",
            lambda error: received.append(error == self.qt.QProcess.FailedToStart),
        )
        process.start("/nowhere/PythonSlicer", [])
        process.waitForFinished(1000)
        slicer.app.processEvents()
        self.assertEqual(received, [True])


def worker():
    """The Python that the panel starts."""
    import shutil
    import sys

    return shutil.which("PythonSlicer") or sys.executable
