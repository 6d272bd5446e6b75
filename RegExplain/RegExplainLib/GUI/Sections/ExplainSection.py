from slicer.i18n import tr as _

from regexplain.cards.heatmap_names import DEFAULT_METHOD, METHODS, SCALARS, heatmap_name
from regexplain.cards.stages import STAGES, component_of, explained_together, module_titles, stage_title
from regexplain.report import captions

from ...MRML.Layers import HeatmapLayer
from .Choices import Choices
from .JobButton import JobButton
from .LayerVisibility import setLayerVisible, updateCheckBox
from .RegionPicker import RegionPicker
from .SectionBody import SectionBody

OF_IMAGES = ("integrated-gradients", "occlusion")  # methods whose stages are the images themselves
IMAGES = ("fixed", "moving")


class ExplainSection:
    """Ask which voxels made the network move a region, and show the answer as a heatmap."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._page = SectionBody(ui, "explain")
        self._button = JobButton(ui.explainButton, session, "explain", self._explain)
        self._stages = Choices(ui.stageSelector, self._onStagePicked)
        self._regions = Choices(ui.regionSelector, self._onRegionPicked)
        self._methods = Choices(ui.methodSelector, self._onMethodPicked)
        self._picker = RegionPicker(ui.pickRegionButton, session, self._onSegmentClicked)
        ui.showHeatmapCheckBox.connect("toggled(bool)", lambda shown: setLayerVisible(session, self._heatmap(), shown))
        ui.hotSpotButton.connect("clicked()", self._goToHotSpot)
        session.changed.connect(self.update)

    def update(self):
        reason = self._session.selection.reasonNotExtendable()
        self._page.show("" if self._heatmapEntries() else reason)
        self._button.update(reason)
        self._picker.update("" if self._session.selection.segmentNames() else _("There is no segmentation to click."))
        parameters = self._session.parameterNode
        if parameters is not None:
            self._stages.show(self._titlesOfStages(), parameters.stage)
            self._regions.show(self._titlesOfRegions(), parameters.region)
            self._methods.show(METHODS, parameters.method)
            self._adjustHeatmap(parameters)
        layer = self._heatmap()
        updateCheckBox(self._ui.showHeatmapCheckBox, layer)
        self._ui.hotSpotButton.enabled = layer is not None and layer.visible

    def _heatmapEntries(self):
        """The heatmaps that the registration on show has: entries of its record by `heatmap_name`."""
        result = self._session.result
        return {heatmap_name(entry): entry for entry in result.record["heatmaps"]} if result is not None else {}

    def _titlesOfStages(self):
        """Those that the model's card names, the modules of a network of another framework, and those that were
        computed."""
        computed = {name: titleOf(entry) for name, entry in self._heatmapEntries().items()}
        card = self._session.selection.card
        modules = module_titles(card.values.get("modules", ())) if card is not None else {}
        return {stage: _(stage_title(stage)) for stage in self._networkStages()} | modules | computed

    def _networkStages(self):
        card = self._session.selection.card
        return card.stages if card is not None else STAGES["latent"]

    def _titlesOfRegions(self):
        """Name by label, 0 first for all that there is."""
        segmentNames = self._session.selection.segmentNames()
        return {0: _("All segments") if segmentNames else _("All tissue"), **segmentNames}

    def _heatmap(self):
        """The layer of the chosen stage, None where it was not computed."""
        stage = self._stages.value
        return HeatmapLayer(self._session.result, stage) if stage in self._heatmapEntries() else None

    def _onStagePicked(self, stage):
        parameters, entry = self._session.parameterNode, self._heatmapEntries().get(stage)
        if entry is not None and component_of(stage) is None:
            parameters.method = entry.get("method", DEFAULT_METHOD)
        parameters.stage = stage
        layer = self._heatmap()
        setLayerVisible(self._session, layer, True)
        if layer is not None:
            self._showHeatmapStatus(stage)

    def _onRegionPicked(self, label):
        self._session.parameterNode.region = label

    def _onMethodPicked(self, method):
        self._session.parameterNode.method = method

    def _onSegmentClicked(self, label):
        if label is None:
            self._session.statusMessage.emit(
                _("There is no segment where you clicked; press Pick and click inside one."), []
            )
        else:
            self._onRegionPicked(label)
            name = self._titlesOfRegions()[label]
            self._session.statusMessage.emit(_("Region: {name}. Press Explain.").format(name=name), [])

    def _adjustHeatmap(self, parameters):
        layer = self._heatmap()
        if layer is None or not layer.added:
            return
        threshold, opacity = parameters.heatmapThreshold / 100, parameters.heatmapOpacity / 100
        if layer.threshold != threshold:
            layer.setThreshold(threshold)
        if layer.opacity != opacity:
            layer.setOpacity(opacity)
        if layer.positiveOnly != parameters.positiveOnly:
            layer.setPositiveOnly(parameters.positiveOnly)

    def _goToHotSpot(self):
        layer = self._heatmap()
        self._session.result.showPoint(layer.hottest()[layer.space], layer.space)

    def _explain(self):
        component = component_of(self._stages.value)
        what = self._options(self._stages.value) if component is None else ["--component", str(component)]
        if component is None and self._regions.value:
            what += ["--region", str(self._regions.value)]
        self._session.extendResult("explain", "explain", what, self._onExplained)

    def _options(self, name):
        """Of the verb: the stage on show, by the chosen method, and what comes with it; a heatmap that was computed is
        made in the same way."""
        entry, method = self._heatmapEntries().get(name, {"stage": name}), self._methods.value
        stage, scalar = entry["stage"], entry.get("scalar")
        ofImages = method in OF_IMAGES
        stages = [stage] if ofImages == (stage in IMAGES) else []  # else all that the method has
        if stages and not ofImages:
            stages = explained_together(stage, self._networkStages())
        options = [word for name in stages for word in ("--stage", name)] + ["--method", method]
        return options + (["--scalar", scalar] if scalar in SCALARS else [])  # others are the stage's own

    def _onExplained(self):
        self._chooseComputedHeatmap()
        layer = self._heatmap()
        prepared = yield layer.prepare()
        if self._session.result is None or self._session.result.id != layer.resultNodes.id:
            return
        layer.remove()  # of another region
        layer.add(prepared)
        self._showHeatmapStatus(layer.stage)

    def _chooseComputedHeatmap(self):
        """By another method than the heatmap on show, the new one has another name."""
        parameters, entries = self._session.parameterNode, self._heatmapEntries()
        if component_of(parameters.stage) is None:
            stage = entries.get(parameters.stage, {"stage": parameters.stage})["stage"]
            computed = [
                name for name, entry in entries.items() if entry.get("method", DEFAULT_METHOD) == parameters.method
            ]
            ofStage = [name for name in computed if entries[name]["stage"] == stage]
            if computed and parameters.stage not in computed:
                parameters.stage = (ofStage or computed)[0]
        self.update()

    def _showHeatmapStatus(self, stage):
        if component_of(stage) is not None:
            text = _("{heatmap}: warm where the image's coordinate along that component is raised, cool where lowered.")
            self._session.statusMessage.emit(text.format(heatmap=_(stage_title(stage))), [])
            return
        entry = self._heatmapEntries()[stage]
        region = self._titlesOfRegions().get(entry["region_label"] or 0, entry["region"])
        scalar = captions.scalar_of(entry)
        self._session.statusMessage.emit(heatmapDescription(scalar).format(region=region, towards=scalar), [])


def heatmapDescription(scalar):
    """A sentence with places for {region} and {towards}."""
    if scalar in captions.DIRECTIONS:
        return _("Heatmap for {region}: warm where the network's features move it towards {towards}, cool where away.")
    if scalar == "synthesis":
        return _("Heatmap for {region}: warm where the features make its synthetic image like the real one, cool not.")
    if scalar == "realness":
        return _("Heatmap for {region}: warm where its image looks real to the network, cool where synthetic.")
    return _("Heatmap for {region}: warm where the network's features move it further, cool where they hold it back.")


def titleOf(entry):
    """A computed heatmap's, with its method and direction where they are not the usual ones."""
    return _(stage_title(entry["stage"])) + captions.heatmap_settings(entry)
