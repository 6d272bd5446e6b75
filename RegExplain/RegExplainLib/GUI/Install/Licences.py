"""The licence of models that asks more than their authors' names: agreed to once, before the first computation."""

from slicer.i18n import tr as _

import slicer
from regexplain.cards import registry

SHARE_ALIKE = "CC-BY-SA-4.0"  # as the cards say it
PAGE = "https://creativecommons.org/licenses/by-sa/4.0"
AGREED = f"RegExplain/agreed/{SHARE_ALIKE}"  # in the user's settings


def licenceQuestion():
    """The question to the user; "" where the user agreed before, no such model is installed, or Slicer is in testing
    mode.
    """
    names = [card.name for card in registry.installed_cards() if card.values.get("licence") == SHARE_ALIKE]
    if not names or slicer.app.testingEnabled() or slicer.app.userSettings().contains(AGREED):
        return ""
    text = _(
        "The models {names} and the sample pair come under the licence CC BY-SA 4.0 ({page}): every use is allowed, "
        "and who passes them on names their authors and, where they were changed, keeps the licence. With OK you agree "
        "to that."
    )
    return text.format(names=", ".join(names), page=PAGE)


def rememberConsent():
    """That the user agreed."""
    slicer.app.userSettings().setValue(AGREED, True)
