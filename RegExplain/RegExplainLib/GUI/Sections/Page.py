class Page:
    """What a section shows: its controls, or one grey line that says why they cannot be used yet.

    That line is always in sight. Once the controls can be used, the section stays open or folds; then it is the user's.
    """

    def __init__(self, ui, name, opens=False):
        self._button = getattr(ui, f"{name}CollapsibleButton")
        self._label, self._controls = getattr(ui, f"{name}WhyNotLabel"), getattr(ui, f"{name}Controls")
        self._opens = opens
        self._whyNot = None

    def show(self, whyNot):
        """whyNot: a sentence, "" where the section can be used."""
        if bool(whyNot) != bool(self._whyNot) or self._whyNot is None:
            self._label.visible, self._controls.visible = bool(whyNot), not whyNot
            self._button.collapsed = not whyNot and not self._opens
        self._label.text = self._whyNot = whyNot
