"""What all layers share."""

from regexplain.errors import BadInputError

from ..Tags import removeNodes, taggedNodes


class Layer:
    """One explanation drawn over a result.

    A layer keeps no state of its own: its nodes are tagged in the scene, so that a layer object made for a reloaded
    scene takes over what is there. `add()` makes the nodes and shows them, `remove()` takes them away again.

    A subclass sets `key` (unique within the result), `title` (for people), `space` (the scan it belongs on, "fixed" or
    "moving"), `kind` (of which one is seen at a time) and `roles` (of the nodes that it cannot do without), and writes
    `visible`, `_build` and `_setVisible`.
    """

    key = title = kind = ""
    space = "fixed"
    roles = ()

    def __init__(self, resultNodes):
        self.resultNodes = resultNodes

    @property
    def scene(self):
        return self.resultNodes.scene

    @property
    def added(self):
        """Whether all its nodes are there; the user may have deleted some."""
        return all(self.node(role) for role in self.roles)

    @property
    def visible(self):
        raise NotImplementedError

    @property
    def caption(self):
        """What it shows now, in a few words that name nothing of the user's."""
        return self.title[:1].lower() + self.title[1:]

    def add(self, *prepared):
        """Make the nodes, unless they are there, and show them; returns the layer.

        made: what the function of `prepare` gave.
        Raises BadInputError where the result lacks what is needed; the scene is then as it was.
        """
        if not self.added:
            self._removeNodes()
            try:
                self._build(*prepared)
            except Exception:
                self._removeNodes()
                raise
        self.show()
        return self

    def prepare(self):
        """A function that makes what takes long, to be given to `add`; None where nothing does. It touches no scene,
        so any thread may call it.

        Raises BadInputError where the result lacks what is needed, as the function does.
        """
        return None

    def show(self):
        """Show the layer on the scan it belongs on; layers on the other scan, and others of its kind, are hidden."""
        others = [other for other in self.resultNodes.layers() if other.key != self.key and other.visible]
        for other in others:
            if other.space != self.space or other.kind == self.kind:
                other.hide()
        self.resultNodes.showSpace(self.space)
        for other in others:
            if other.visible and other.kind == "animation":  # takes the place of an outline, and of the scan
                other._setVisible(True)
        self._setVisible(True)

    def hide(self):
        if self.added:
            self._setVisible(False)

    def remove(self):
        """Take the layer's nodes out of the scene, which then has those it had before `add()`."""
        self.hide()
        self._removeNodes()

    def node(self, role):
        """The layer's node that plays this role, else None."""
        return self.resultNodes.node(role, self.key)

    def _removeNodes(self, nodes=None):
        removeNodes(self.scene, nodes or taggedNodes(self.scene, self.resultNodes.id, layer=self.key))

    def _addNode(self, className, name, role):
        return self._adopt(self.scene.AddNewNodeByClass(className, self.scene.GenerateUniqueName(name)), role)

    def _adopt(self, node, role):
        return self.resultNodes.adopt(node, role, self.key)

    def _build(self):
        raise NotImplementedError

    def _setVisible(self, visible):
        raise NotImplementedError


def noDeformationError(record, lacking):
    """The error for an affine result, that cannot have `lacking`, a clause."""
    if record.get("transform"):
        return BadInputError(f"This transform is affine, so {lacking}; choose a deformable one.")
    return BadInputError(f"This registration is affine only, so {lacking}; register with a model that fits the scans.")
