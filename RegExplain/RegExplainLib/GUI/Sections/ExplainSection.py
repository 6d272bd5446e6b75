from slicer.i18n import tr as _

from regexplain.report import wording
from regexplain.results.explanations import SCALARS, heatmap_name
from regexplain.results.stages import STAGES, component_of, stage_title

from ...MRML.Layers import GlyphLayer, HeatmapLayer
from .Choices import Choices
from .JobButton import JobButton


class ExplainSection:
    """Ask which voxels made the network move a region, and show the answer as a heatmap."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._button = JobButton(ui.explainButton, session, "explain", self._explain)
        self._stages = Choices(ui.stageSelector, self._onStagePicked)
        self._regions = Choices(ui.regionSelector, self._onRegionPicked)
        ui.showHeatmapCheckBox.connect("toggled(bool)", lambda shown: self._setShown(self._heatmap(), shown))
        ui.showArrowsCheckBox.connect("toggled(bool)", lambda shown: self._setShown(self._arrows(), shown))
        session.changed.connect(self.update)

    def update(self):
        self._button.update(self._session.whyNotExtended())
        parameters = self._session.parameterNode
        if parameters is not None:
            self._stages.show(self._titlesOfStages(), parameters.stage)
            self._regions.show(self._titlesOfRegions(), parameters.region)
            self._adjustHeatmap(parameters)
        showState(self._ui.showHeatmapCheckBox, self._heatmap())
        showState(self._ui.showArrowsCheckBox, self._arrows())

    def _heatmapEntries(self):
        """The heatmaps that the registration on show has: entries of its record by `heatmap_name`."""
        result = self._session.result
        return {heatmap_name(entry): entry for entry in result.record["heatmaps"]} if result is not None else {}

    def _titlesOfStages(self):
        """Those that the model's card names, and those that were computed."""
        card = self._session.card
        own = card.stages if card is not None else STAGES["latent"]
        computed = {name: titleOf(entry) for name, entry in self._heatmapEntries().items()}
        return {stage: stage_title(stage) for stage in own} | computed

    def _titlesOfRegions(self):
        """Name by label, 0 first for all that there is."""
        segmentNames = self._session.segmentNames()
        return {0: _("All segments") if segmentNames else _("Whole scan"), **segmentNames}

    def _heatmap(self):
        """The layer of the chosen stage, None where it was not computed."""
        stage = self._stages.value
        return HeatmapLayer(self._session.result, stage) if stage in self._heatmapEntries() else None

    def _arrows(self):
        result = self._session.result
        return GlyphLayer(result) if result is not None and result.deformation is not None else None

    def _onStagePicked(self, stage):
        self._session.parameterNode.stage = stage
        layer = self._heatmap()
        self._setShown(layer, True)
        if layer is not None:
            self._sayWhatItShows(stage)

    def _onRegionPicked(self, label):
        self._session.parameterNode.region = label

    def _setShown(self, layer, shown):
        if layer is not None:
            with self._session.messages.guard():
                layer.add() if shown else layer.hide()
        self._session.changed.emit()

    def _adjustHeatmap(self, parameters):
        layer = self._heatmap()
        if layer is None or not layer.added:
            return
        threshold, opacity = parameters.heatmapThreshold / 100, parameters.heatmapOpacity / 100
        if layer.threshold != threshold:
            layer.setThreshold(threshold)
        if layer.opacity != opacity:
            layer.setOpacity(opacity)

    def _explain(self):
        component = component_of(self._stages.value)
        what = self._whatMadeIt(self._stages.value) if component is None else ["--component", str(component)]
        if component is None and self._regions.value:
            what += ["--region", str(self._regions.value)]
        self._session.extendResult("explain", "explain", what, self._onExplained)

    def _whatMadeIt(self, name):
        """Options that make the heatmap of that name again; another stage than those on show is explained as usual."""
        entry = self._heatmapEntries().get(name, {"stage": name})
        words = {key: entry[key] for key in ("stage", "method", "scalar") if key in entry}
        if words.get("scalar") not in SCALARS:  # the stage's own
            words.pop("scalar", None)
        return [part for key, word in words.items() for part in (f"--{key}", word)]

    def _onExplained(self):
        layer = self._heatmap()
        layer.remove()  # of another region
        layer.add()
        self._sayWhatItShows(layer.stage)

    def _sayWhatItShows(self, stage):
        if component_of(stage) is not None:
            text = _("{heatmap}: warm where the image's coordinate along that component is raised, cool where lowered.")
            self._session.said.emit(text.format(heatmap=stage_title(stage)), [])
            return
        entry = self._heatmapEntries()[stage]
        region = self._titlesOfRegions().get(entry["region_label"] or 0, entry["region"])
        scalar = wording.scalar_of(entry)
        self._session.said.emit(whatItShows(scalar).format(region=region, towards=scalar), [])


def whatItShows(scalar):
    """A sentence with places for {region} and {towards}."""
    if scalar in wording.DIRECTIONS:
        return _("Heatmap for {region}: warm where the network's features move it towards {towards}, cool where away.")
    if scalar == "synthesis":
        return _("Heatmap for {region}: warm where the features make its synthetic image like the real one, cool not.")
    if scalar == "realness":
        return _("Heatmap for {region}: warm where its image looks real to the network, cool where synthetic.")
    return _("Heatmap for {region}: warm where the network's features move it further, cool where they hold it back.")


def titleOf(entry):
    """A computed heatmap's, with its method and direction where they are not the usual ones."""
    return stage_title(entry["stage"]) + wording.particulars(entry)


def showState(checkBox, layer):
    """Let a check box tell whether its layer is seen; disabled where there is none."""
    wasBlocked = checkBox.blockSignals(True)
    checkBox.enabled = layer is not None
    checkBox.checked = layer is not None and layer.visible
    checkBox.blockSignals(wasBlocked)
