import qt

KEYS = {
    "registerButton": "Ctrl+Shift+R",
    "animateButton": "Ctrl+Shift+P",
    "flickerButton": "Ctrl+Shift+F",
    "reportButton": "Ctrl+Shift+O",
}


def addShortcuts(ui):
    """Keys for the main actions, named in their tooltips; active while the panel is visible.

    Not the buttons' own `shortcut`, which Qt forgets whenever a button's text changes.
    """
    for name, key in KEYS.items():
        shortcut = qt.QShortcut(qt.QKeySequence(key), ui.RegExplain)
        shortcut.connect("activated()", getattr(ui, name).click)
