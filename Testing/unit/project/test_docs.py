"""The documentation keeps up with the code: every message in the FAQ, every section of the panel in the guide."""

import ast
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULE = ROOT / "RegExplain"
ERRORS = {"BadInputError", "RegExplainError", "warn", "_warn"}
DEVELOPERS = {"training", "studies", "evaluation.py", "readable.py", "train.py", "evaluate.py"}
GAP = "…"
TELLING = 12  # characters: shorter pieces of a message say nothing of it


def page(name: str) -> str:
    return " ".join((ROOT / "docs" / name).read_text(encoding="utf-8").split())


def template(node: ast.expr) -> str:
    """A message with … for what varies."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(template(part) if isinstance(part, ast.Constant) else GAP for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return template(left) + template(right)
        case ast.Call(func=ast.Name(id="_"), args=[text]):
            return re.sub(r"\{[^}]*\}", GAP, template(text))
        case ast.Call(func=ast.Attribute(value=text, attr="format")):
            return template(text)
    return GAP


def messages(sources: Path) -> dict[str, str]:
    """Where → message, for all that ends a user's work or warns of its result and says so in plain words there."""
    found = {}
    for path in sorted(sources.rglob("*.py")):
        if DEVELOPERS & set(path.relative_to(sources).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            if getattr(node.func, "id", getattr(node.func, "attr", "")) in ERRORS:
                text = template(node.args[0])
                if max(map(len, text.split(GAP))) >= TELLING:
                    found[f"{path.relative_to(sources).as_posix()}:{node.lineno}"] = text
    return found


def is_explained(message: str, quotes: list[str]) -> bool:
    """Whether a quote is a part of the message, with … in the same places or for more."""
    patterns = [GAP.join(quote.split(GAP)) for quote in quotes]
    parts = [[re.escape(piece) for piece in pattern.rstrip(".").split(GAP)] for pattern in patterns]
    return any(re.search(".*".join(pieces), message) for pieces in parts)


@pytest.mark.slow
def test_every_message_is_in_the_faq():
    quotes = re.findall("“([^”]+)”", page("faq.md"))
    found = messages(MODULE)
    assert len(found) > 60
    unexplained = [f"{where}: {text}" for where, text in found.items() if not is_explained(text, quotes)]
    assert unexplained == []


@pytest.mark.parametrize(
    ("message", "explained"),
    [
        ("The fixed image is 2-D; give one.", True),
        ("The … is …-D; give one 3-D volume.", True),
        ("The moving one is flat.", False),
    ],
)
def test_a_message_is_found_by_its_own_words_alone(message, explained):
    assert is_explained(message, ["The … is …-D", "There is no model …"]) is explained


def test_no_message_of_the_faq_is_so_short_that_it_fits_anything():
    for quote in re.findall("“([^”]+)”", page("faq.md")):
        assert max(len(piece.strip()) for piece in quote.split(GAP)) >= 6, quote


def panel_titles(kind: str) -> list[str]:
    """The texts of the panel's widgets of that class, in its order."""
    tree = ElementTree.parse(MODULE / "Resources" / "UI" / "RegExplain.ui")
    widgets = tree.iterfind(f".//widget[@class='{kind}']")
    texts = (widget.findtext("property[@name='text']/string") for widget in widgets)
    return [text for text in texts if text and text != "Log"]


def test_the_guide_has_a_section_for_each_section_of_the_panel():
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "user-guide.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == panel_titles("ctkCollapsibleButton")


@pytest.mark.parametrize("name", ["tutorial.md", "user-guide.md"])
def test_what_the_documentation_tells_to_press_is_there(name):
    """Bold words on the pages are sections and buttons of the panel, but for these."""
    ordinary = {"fixed", "moving", "displacement", "Fixed", "Log", "arrow"}
    titles = {*panel_titles("ctkCollapsibleButton"), *panel_titles("QPushButton"), *panel_titles("QCheckBox")}
    for words in re.findall(r"\*\*([^*]+)\*\*", page(name)):
        assert words in titles | ordinary, words


def test_the_tutorial_shows_pictures():
    assert len(re.findall(r"!\[[^\]]+\]\(", page("tutorial.md"))) >= 5
