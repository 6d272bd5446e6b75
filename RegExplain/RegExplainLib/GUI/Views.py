import slicer

from ..MRML.ShownViews import shownView


def shownViews(result):
    """The slice and 3D views of Slicer's layout as they are now; none where Slicer runs without its main window."""
    taken = []
    for node, view in views():
        view.forceRender()  # what changed in this turn of the event loop is not drawn yet
        taken.append(shownView(result, node, view.renderWindow()))
        view.scheduleRender()
    return [view for view in taken if view is not None]


def views():
    """(view node, view widget) of each view that the layout shows."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return []
    slices = [manager.sliceWidget(name).sliceView() for name in manager.sliceViewNames()]
    spaces = [manager.threeDWidget(number).threeDView() for number in range(manager.threeDViewCount)]
    found = [(view.mrmlSliceNode(), view) for view in slices] + [(view.mrmlViewNode(), view) for view in spaces]
    return [(node, view) for node, view in found if node is not None and node.IsMappedInLayout()]
