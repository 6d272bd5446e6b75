from slicer.i18n import tr as _

from ...MRML.Layers import AnimationLayer, PartAnimationLayer, RegistrationAnimationLayer

WHOLE = "registration"


class Motions:
    """The motions that a registration can play: the whole of it, its parts, and the network's components.

    Each has a name ("registration", "part 2", "component 3"), a title, words, and an animation layer.
    """

    def __init__(self, result):
        self._result = result
        record = result.record if result is not None else {"components": None}
        self._components = (record["components"] or {"items": []})["items"]
        self._parts = (record.get("decomposition") or {"parts": []})["parts"]

    def titles(self):
        """Title by name."""
        if self._result is None or self._result.fixedSegmentation is None:
            return {}
        whole = {WHOLE: _("The whole registration")} if self._result.deformation is not None else {}
        parts = {f"part {n}": partTitle(n, part) for n, part in enumerate(self._parts, 1)}
        return whole | parts | {f"component {item['index']}": componentTitle(item) for item in self._components}

    def layer(self, name):
        """The animation layer, None where there is no such motion."""
        if name not in self.titles():
            return None
        kind, _space, number = name.partition(" ")
        if kind == WHOLE:
            return RegistrationAnimationLayer(self._result)
        return (PartAnimationLayer if kind == "part" else AnimationLayer)(self._result, int(number))

    def chosen(self, name):
        """The animation layer of that motion, or of the first where there is none of that name; None without any."""
        titles = self.titles()
        return self.layer(name if name in titles else next(iter(titles), ""))

    def description(self, name):
        """What the motion does, in full; "" where its title says all."""
        kind, _space, number = name.partition(" ")
        if kind == "part":
            return self._parts[int(number) - 1]["words"]
        item = next((item for item in self._components if name == f"component {item['index']}"), {})
        return item.get("words", "")


def partTitle(number, part):
    return _("Part {number}: {does}").format(number=number, does=part["name"])


def componentTitle(item):
    """A component in a few words: its number, what it does, its share of the training cases' variation.

    Results from before components had names tell how far it moves tissue instead.
    """
    does = item.get("name") or _("{mm:.1f} mm per SD").format(mm=item["mean_mm_per_sd"])
    return _("{index}: {does} ({share:.0f} % of variation)").format(
        index=item["index"], does=does, share=100 * item["explained_variance"]
    )
