"""PNG pictures of a result and of every layer of it, for the report and for people without Slicer."""

from .Anatomy import anatomyBounds, anatomyCentre, largestDisplacement
from .Layers import GlyphLayer, LandmarkLayer, MapLayer, WarpLayer
from .OffscreenViews import SliceView, ThreeDView, sideBySide, writePng

SLICE_VIEWS = (("Red", "Axial"), ("Green", "Coronal"), ("Yellow", "Sagittal"))  # as in Slicer's default layout


class Pictures:
    """Draws results in offscreen views, which come with their nodes. Outside the application only.

    Making one needs no GL; `open` and `write` do.
    """

    def __init__(self, headless):
        self.sliceViews = [SliceView(headless, *view) for view in SLICE_VIEWS]
        self.threeDView = ThreeDView(headless)

    def open(self):
        """To be called before layers are added: a view's manager of color legends knows those alone that come later."""
        for view in (*self.sliceViews, self.threeDView):
            view.render()

    def fit(self, resultNodes, space="fixed"):
        """Set the slice views to the middle of the anatomy that was registered, on the scan of that space."""
        centre = anatomyCentre(resultNodes)
        self._fit(centre if space == "fixed" else resultNodes.movingPoint(centre))

    def write(self, resultNodes, folder, report=lambda done, total: None):
        """Write what the result has of these; `report(done, total)` is called after each. Returns the names.

        overview.png: fixed, moving and warped moving scan. outlines.png: fixed (red) and warped (gold) segmentation.
        glyphs-slice.png, glyphs-3d.png, displacement.png, jacobian.png, inverse-consistency.png, heatmap-<stage>.png,
        trust-<map>.png, landmarks.png, landmarks-moving.png, animation-registration.png, animation-component-NN.png,
        animation-part-NN.png (at the largest strength).
        Layers are added where they are not, and all are hidden at the end.
        """
        jobs = {"overview.png": lambda: self._overview(resultNodes)}
        if resultNodes.fixedSegmentation and resultNodes.warpedSegmentation:
            jobs["outlines.png"] = lambda: self._outlines(resultNodes)
        for layer in resultNodes.layers():
            layer.add().hide()
            jobs |= self._jobs(layer)
        for number, (name, draw) in enumerate(jobs.items(), start=1):
            writePng(folder / name, draw())
            report(number, len(jobs))
        resultNodes.showSpace("fixed")
        return list(jobs)

    def _jobs(self, layer):
        """name -> function that draws it."""
        if isinstance(layer, GlyphLayer):
            return {
                "glyphs-slice.png": lambda: self._glyphSlices(layer),
                "glyphs-3d.png": lambda: self._glyphs3D(layer),
            }
        if isinstance(layer, MapLayer):
            return {f"{layer.pictureName}.png": lambda: self._map(layer)}
        if isinstance(layer, LandmarkLayer):
            return {f"{layer.pictureName}.png": lambda: self._landmarks(layer)}
        if isinstance(layer, WarpLayer):
            return {f"{layer.pictureName}.png": lambda: self._animation(layer)}
        return {}

    def _overview(self, resultNodes):
        """The three volumes at one scale, in the axial slice through the same anatomy."""
        _showSegmentations(resultNodes)
        view, roles = self.sliceViews[0], {"fixed": "Fixed", "moving": "Moving", "warpedMoving": "Moving, warped"}
        fields, pictures = [], []
        for role in roles:
            self._fitTo(resultNodes, role)
            fields.append(view.fieldOfView)
        for role, title in roles.items():
            self._fitTo(resultNodes, role)
            view.setFieldOfView(max(fields))
            pictures.append(view.render(title))
        return sideBySide(*pictures)

    def _fitTo(self, resultNodes, role):
        for view in self.sliceViews:
            view.compositeNode.SetBackgroundVolumeID(resultNodes.node(role).GetID())
        self.fit(resultNodes, "moving" if role == "moving" else "fixed")

    def _outlines(self, resultNodes):
        resultNodes.showSpace("fixed")
        self.fit(resultNodes)
        return self._slices("Red: fixed, gold: moving, warped")

    def _glyphSlices(self, layer):
        layer.show()
        _showSegmentations(layer.resultNodes, "fixedSegmentation")
        self._fit(largestDisplacement(layer.resultNodes))
        picture = self._slices("Displacement")
        layer.hide()
        return picture

    def _glyphs3D(self, layer):
        """Over the axial slice, so that one sees where in the head one is."""
        layer.show()
        _showSegmentations(layer.resultNodes, "fixedSegmentation")
        plane = self.sliceViews[0].sliceNode
        plane.SetSliceVisible(True)
        self.threeDView.look(anatomyBounds(layer.resultNodes))
        picture = self.threeDView.render("Displacement")
        plane.SetSliceVisible(False)
        layer.hide()
        return picture

    def _map(self, layer):
        layer.show()
        _showSegmentations(layer.resultNodes, f"{layer.space}Segmentation")
        self._fit(layer.hottestPoint())
        picture = self._slices(layer.pictureTitle)
        layer.hide()
        return picture

    def _landmarks(self, layer):
        layer.show()
        _showSegmentations(layer.resultNodes, f"{layer.space}Segmentation")
        self._fit(layer.worstPoint())
        picture = self._slices(layer.title)
        layer.hide()
        return picture

    def _animation(self, layer):
        strength = max(layer.strengths)
        sign = "+" if min(layer.strengths) < 0 else ""
        layer.show()
        layer.setStrength(strength)
        self.fit(layer.resultNodes)
        picture = self._slices(f"{layer.title} at {sign}{strength:g} {layer.unit}")
        layer.setFrame(0)
        layer.hide()
        return picture

    def _slices(self, title):
        """All slice views, each with its colour bars."""
        titles = [title, *(view.orientation for view in self.sliceViews[1:])]
        return sideBySide(*(view.render(text) for view, text in zip(self.sliceViews, titles, strict=True)))

    def _fit(self, ras):
        for view in self.sliceViews:
            view.fit(ras)


def _showSegmentations(resultNodes, *shown):
    for role in ("fixedSegmentation", "movingSegmentation", "warpedSegmentation"):
        if resultNodes.node(role):
            resultNodes.node(role).SetDisplayVisibility(role in shown)
