from slicer.i18n import tr as _

from regexplain.cards import registry

from ...MRML.VolumeGrid import gridOf
from ..ModelCard import cardHtml
from .Choices import Choices
from .ModelImport import ModelImport

AFFINE_ONLY = {"none": _("Affine only")}


class InputsSection:
    """Choose two scans and the model; says which models were made for scans like these, and why the others were not."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._models = Choices(ui.modelSelector, self._onModelPicked)
        self._cards, self._userCards = [], []
        with session.messages.guard():
            self._cards, self._userCards = registry.installed_cards(), registry.user_cards()
        self._import = ModelImport(ui, session, self._onImported)
        ui.modelCardText.openExternalLinks = True
        ui.modelCardButton.connect("toggled(bool)", lambda shown: self.update())
        session.changed.connect(self.update)

    def update(self):
        self._import.update()
        parameters = self._session.parameterNode
        if parameters is None:
            return
        grids = {"fixed": gridOf(parameters.fixed), "moving": gridOf(parameters.moving)}
        reasons = {card.name: card.domain_violations(grids) for card in self._cards} if all(grids.values()) else None
        self._models.showGroups(self._groups(reasons), parameters.model)
        self._showFit(self._fitText(reasons))
        self._ui.modelCardButton.enabled = self._card(reasons) is not None
        self._showCard(reasons)

    def _groups(self, reasons):
        """Title by value, in groups: Automatic, what fits, what is for any pair, the user's own, what does not fit, and
        no model. reasons: why not, by name; None before two scans are chosen."""
        names = [card.name for card in self._cards]
        own = {card.name: _("Yours: {name}").format(name=card.name) for card in self._userCards}
        if reasons is None:
            return [{"auto": _("Automatic")}, {name: name for name in names}, own, AFFINE_ONLY]
        fitting = [card for card in self._cards if not reasons[card.name]]
        best = fitting[0].name if fitting else _("none fits")

        def marked(cards, mark):
            return {card.name: _("{name} ({mark})").format(name=card.name, mark=mark) for card in cards}

        return [
            {"auto": _("Automatic: {name}").format(name=best)},
            marked([card for card in fitting if not card.canvas_fits_pair], _("fits these scans")),
            marked([card for card in fitting if card.canvas_fits_pair], _("general")),
            own,
            marked([card for card in self._cards if reasons[card.name]], _("does not fit")),
            AFFINE_ONLY,
        ]

    def _fitText(self, reasons):
        """Whether the chosen model fits, and why not; "" before two scans are chosen."""
        if reasons is None or self._models.value == "none":
            return ""
        card = self._card(reasons)
        if card is None:
            text = _("No installed model was made for scans like these, so they would only be aligned. {reasons}.")
            return text.format(reasons="; ".join(f"{name}: {found[0]}" for name, found in reasons.items()))
        if card in self._userCards:
            return _("{name} is a network of your own: {title}.").format(
                name=card.name, title=card.values.get("title", card.name)
            )
        if reasons[card.name]:
            text = _("{name} was not made for these scans: {reasons}.")
            return text.format(name=card.name, reasons="; ".join(reasons[card.name]))
        title = card.values.get("title", card.name)
        if card.canvas_fits_pair:
            text = _("{name} is for any pair of scans that no other model was made for.")
        else:
            text = _("{name} was made for scans of this size: {title}.")
        return text.format(name=card.name, title=title)

    def _card(self, reasons):
        """The card of the model that would be used, None where there is none."""
        chosen = self._models.value
        if chosen == "auto":
            fitting = [card for card in self._cards if reasons is not None and not reasons[card.name]]
            return fitting[0] if fitting else None
        return next((card for card in [*self._cards, *self._userCards] if card.name == chosen), None)

    def _showFit(self, words):
        self._ui.modelFitLabel.text = words
        self._ui.modelFitLabel.visible = bool(words)

    def _showCard(self, reasons):
        card = self._card(reasons)
        shown = self._ui.modelCardButton.checked and card is not None
        self._ui.modelCardText.visible = shown
        if shown:
            self._ui.modelCardText.setHtml(cardHtml(card))

    def _onImported(self, name):
        self._userCards = registry.user_cards()
        self._session.parameterNode.model = name
        self._session.statusMessage.emit(
            _("{name} was imported. {finding}").format(name=name, finding=self._finding(name)), []
        )

    def _finding(self, name):
        """What the self-check found, a sentence."""
        card = next((card for card in self._userCards if card.name == name), None)
        return card.values.get("self_check", {}).get("words", "") if card is not None else ""

    def _onModelPicked(self, model):
        self._session.parameterNode.model = model
