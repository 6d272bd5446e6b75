class SectionBody:
    """A section's content: its controls, or one grey line with the reason why they are disabled.

    That line is always visible. When the controls become usable the section opens or folds once; then it is the user's.
    """

    def __init__(self, ui, name, opens=False):
        self._button = getattr(ui, f"{name}CollapsibleButton")
        self._label, self._controls = getattr(ui, f"{name}ReasonLabel"), getattr(ui, f"{name}Controls")
        self._opens = opens
        self._disabledReason = None

    def show(self, reason):
        """reason: a sentence, "" where the section can be used."""
        if bool(reason) != bool(self._disabledReason) or self._disabledReason is None:
            self._label.visible, self._controls.visible = bool(reason), not reason
            self._button.collapsed = not reason and not self._opens
        self._label.text = self._disabledReason = reason
