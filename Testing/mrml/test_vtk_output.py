"""What comes into the views and goes leaves no error and no warning in Slicer's log."""

from mrml.checks import vtk_says_nothing
from RegExplainLib.MRML.ResultNodes import ResultNodes, readFiles


def test_vtk_says_nothing_while_a_registration_and_its_layers_come_into_the_views_and_go(views, pictures, truths):
    """Drawn after each step, as the application draws at each turn of its event loop."""
    folder, result = truths["plain"].folder, None

    def draw():
        for view in (*views, pictures.threeDView):
            view.render()

    draw()  # what opening a window says is not the result's
    with vtk_says_nothing():
        for step in ResultNodes.loadInSteps(folder, readFiles(folder)):
            result = step or result
            draw()
        result.enterViews()
        for layer in result.layers():
            for act in (layer.add, layer.show, draw, layer.hide, draw, layer.remove, draw):
                act()
        result.remove()
        draw()
