def tr(text):
    """The text as it is: the stand-in speaks English only."""
    return text


def translate(context, text):
    return text
