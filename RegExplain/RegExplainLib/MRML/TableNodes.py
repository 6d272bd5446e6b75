"""Tables as nodes that Slicer's module Tables shows, saves and plots."""

import vtk


def addTable(scene, name, titles, rows):
    """A vtkMRMLTableNode. rows: tuples as long as `titles`; a column is of numbers where all its cells are, or None.

    None becomes "not a number" there.
    """
    node = scene.AddNewNodeByClass("vtkMRMLTableNode", scene.GenerateUniqueName(name))
    for title, cells in zip(titles, zip(*rows, strict=True), strict=True):
        isNumber = all(cell is None or isinstance(cell, (int, float)) for cell in cells)
        column = vtk.vtkDoubleArray() if isNumber else vtk.vtkStringArray()
        column.SetName(title)
        for cell in cells:
            column.InsertNextValue((float("nan") if cell is None else float(cell)) if isNumber else str(cell or ""))
        node.AddColumn(column)
    node.SetUseColumnTitleAsColumnHeader(True)
    return node
