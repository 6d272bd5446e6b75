"""import-model: what is made, what its self-check notices, and one sentence for what cannot be used."""

import json
import sys

import pytest
import torch
from click.testing import CliRunner

from external_models import SIZE, allowed, framework_networks, imported, own_class, write_draft
from regexplain.cards import registry
from regexplain.cards.settings import PACKAGES, allow_package, allowed_packages, user_models
from regexplain.cli import main
from regexplain.errors import BadInputError, RegExplainError
from regexplain.torch_backend.external.drafts import draft
from regexplain.torch_backend.external.importing import import_model, with_changes
from regexplain.torch_backend.external.network import ExternalNetwork
from regexplain.torch_backend.external.self_check import self_check
from regexplain.torch_backend.external.synthetic_volume import synthetic_volume
from regexplain.torch_backend.inference import model as inference_model
from regexplain.torch_backend.inference.model import Model

CUBE = {"size": [32, 32, 32], "spacing_mm": [2.0, 2.0, 2.0]}


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    allowed(monkeypatch, tmp_path / "home")


def refused(draft_file, words, **options):
    """One sentence, and nothing half-made."""
    with pytest.raises(RegExplainError, match=words) as found:
        imported(draft_file, **options)
    assert "\n" not in str(found.value)
    assert registry.user_cards() == [] and not list(user_models().glob("*")) and not list(user_models().glob(".*"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"order": "fixed-moving"}, "it takes the fixed image first"),
        ({"components": "reversed"}, "its components are in reversed order"),
        ({"units": "unit"}, "in units of unit"),
        ({"units": "normalised"}, "in units of normalised"),
        ({"units": "mm"}, "in units of mm"),
        ({"gives": "coordinates"}, "it gives coordinates"),
        ({"gives": "coordinates", "units": "unit"}, "it gives coordinates, in units of unit"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value.values()),
)
def test_a_wrong_convention_is_noticed_and_the_right_one_is_named(wrong, words, tmp_path):
    spacing = CUBE["spacing_mm"] if "mm" in wrong.values() else None
    network = own_class("ShiftFinder", **wrong, spacing=spacing)
    file = write_draft(tmp_path, network, canvas=CUBE)
    changes = ", ".join(f'"{key}": "{value}"' for key, value in wrong.items())
    refused(file, f"does not fit this network, but another one does .{words}.*put {changes} on the card", check=True)
    mended = with_changes(draft("card", file), [f"{key}={value}" for key, value in wrong.items()])
    card, found = import_model(mended, check=True)
    assert found.fits and "fits" in found.message
    assert found.answer_mm == pytest.approx(found.shift_mm, rel=0.1)
    assert card.values["self_check"]["error"] < 0.1


@pytest.mark.parametrize("answer", [[2.0, -1.5, 1.0], [0.0, 0.0, 0.0]])
@pytest.mark.parametrize("size", [[32, 32, 32], [16, 24, 32]])
def test_a_network_that_finds_no_shift_fits_no_convention(answer, size, tmp_path):
    """Not even that of coordinates, whose mean over tissue beside the middle is a shift too."""
    canvas = {"size": size, "spacing_mm": [2.0, 2.0, 2.0]}
    file = write_draft(tmp_path, own_class("Flow"), {"share": torch.tensor(answer) / 2}, canvas=canvas)
    refused(file, "No convention fits this network", check=True)


def test_a_network_that_finds_half_of_a_shift_still_tells_its_convention(tmp_path):
    weights = {"gain": torch.tensor([0.5])}
    network = own_class("ShiftFinder", components="reversed")
    refused(write_draft(tmp_path, network, weights, canvas=CUBE), '"components": "reversed"', check=True)


@pytest.mark.parametrize("framework", ["voxelmorph", "monai-concatenated", "icon"])
def test_the_self_check_asks_a_network_of_each_framework(framework, tmp_path):
    """Without training none of them finds the shift, and the check says so instead of a convention."""
    torch.manual_seed(0)
    card = imported(write_draft(tmp_path, framework_networks()[framework]))
    found = self_check(Model.load(card, "cpu").network, synthetic_volume(SIZE[::-1]), card.canvas_spacing)
    assert not found.fits and found.changes == {}


def test_the_card_tells_the_modules_that_can_be_explained_and_their_sizes(tmp_path):
    card = imported(write_draft(tmp_path, framework_networks()["voxelmorph"]))
    rows = card.values["modules"]
    assert len(rows) > 5 and all({"module", "channels", "size"} == set(row) for row in rows)
    assert [row["size"] for row in rows if row["module"] == "flow_layer"] == [SIZE]
    assert card.stages == ("main",)
    assert min(row["size"] for row in rows) == [n // 8 for n in SIZE]
    assert card.values["parameters"] > 0 and card.memory_bytes > 1e6


BAD_NETWORKS = [
    ("OnlyOnAGraphicsCard", "computes on a graphics card alone"),
    ("NotANumber", "holds values that are no numbers"),
    ("HalfTheSize", r"answers with \(1, 3, 32, 24, 8\) where a displacement is \(1, 3, 32, 24, 16\)"),
    ("Fails", r"failed on these images \(Sizes of tensors must match"),
]


@pytest.mark.parametrize(("name", "words"), BAD_NETWORKS, ids=[name for name, _ in BAD_NETWORKS])
def test_an_answer_that_is_none_is_refused_in_one_sentence(name, words, tmp_path):
    refused(write_draft(tmp_path, own_class(name)), words)


def edited(tmp_path, **changes):
    file = write_draft(tmp_path, own_class("Flow"))
    values = json.loads(file.read_text())
    values |= changes
    file.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
    return file


BAD_CARDS = [
    ({"weights": "none.pth"}, "There are no weights at"),
    ({"weights": None}, "names no weights"),
    ({"network": {}}, "names no class of a network"),
    ({"network": {"class": "external_models.Nothing"}}, "There is no class external_models.Nothing"),
    ({"network": {"class": "external_models.allowed"}}, "There is no class external_models.allowed"),
    ({"network": {"class": "external_models.missing.Net"}}, "There is no class external_models.missing.Net"),
    ({"network": {"class": "external_models.Flow", "options": {"depth": 3}}}, "cannot be made with the card's options"),
    ({"network": {"class": "external_models.ShiftFinder"}}, "are not those of the network on its card"),
    ({"network": {"class": "os.system"}}, "'os' is not among those that may be run"),
    ({"network": own_class("Flow") | {"units": "inches"}}, "The card's 'units' is 'inches'; it can be voxels"),
    ({"network": own_class("Flow") | {"axes": "RRS"}}, "The card's 'axes' are 'RRS'"),
    ({"network": own_class("Flow") | {"stages": {"deep": {}}}}, "The card's stage 'deep' needs the path"),
    ({"network": own_class("Flow") | {"stages": {"deep": {"module": "x"}}}}, "the network has none there"),
    ({"network": own_class("Flow") | {"units": "mm"}, "canvas": {"size": SIZE, "fits": "image"}}, "needs a spacing"),
    ({"canvas": {"size": SIZE}}, "does not say on which canvas"),
    ({"canvas": None}, "does not say on which canvas"),
    ({"name": "hippocampus"}, "There is already a model hippocampus"),
    ({"name": "../mine"}, "is no name for a model"),
]


@pytest.mark.parametrize(("changes", "words"), BAD_CARDS, ids=[words for _, words in BAD_CARDS])
def test_a_card_that_cannot_be_used_is_refused_in_one_sentence(changes, words, tmp_path):
    refused(edited(tmp_path, **changes), words)


def test_a_package_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv(PACKAGES, "external_models,not_there_at_all")
    refused(edited(tmp_path, network={"class": "not_there_at_all.Net"}), "needs the Python package not_there_at_all")


class Code:
    def __reduce__(self):
        return (print, ("this ran",))


def test_a_file_of_weights_that_holds_code_is_not_run(tmp_path, capsys):
    file = write_draft(tmp_path, own_class("Flow"))
    torch.save({"share": torch.zeros(3), "more": Code()}, tmp_path / "weights.pth")
    refused(file, "holds code or whole objects")
    assert "this ran" not in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_damaged_weights_are_refused(suffix, tmp_path):
    (tmp_path / f"broken{suffix}").write_bytes(b"\x80\x02nothing of use")
    refused(edited(tmp_path, weights=f"broken{suffix}"), "is damaged, or no file of weights")


def test_weights_that_a_training_kept_under_a_name_are_found(tmp_path):
    weights = {"epoch": 3, "model_state_dict": {"module.share": torch.ones(3)}}
    assert imported(write_draft(tmp_path, own_class("Flow"), weights)).values["parameters"] == 3


def test_a_network_that_needs_more_memory_than_there_is_is_refused_before_it_is_made(tmp_path, monkeypatch):
    file = write_draft(tmp_path, own_class("Fails"), canvas={"size": [175, 175, 175], "fits": "image"})
    monkeypatch.setattr(inference_model, "physical_memory", lambda: 2.0 * 2**30)
    refused(file, "needs about 3.0 GB of memory, more than this computer has")


def test_a_card_alone_never_runs_code_of_a_package_that_was_not_allowed(tmp_path, monkeypatch):
    """Also not of a model that is there: here one that was allowed when it was imported."""
    card = imported(write_draft(tmp_path, own_class("Flow")))
    monkeypatch.delenv(PACKAGES)
    with pytest.raises(BadInputError, match="'external_models' is not among those that may be run"):
        Model.load(card, "cpu")


def test_a_package_is_asked_for_once_and_then_kept(monkeypatch):
    monkeypatch.delenv(PACKAGES)
    allow_package("external_models")
    allow_package("external_models")
    assert allowed_packages()[-1] == "external_models" and allowed_packages().count("external_models") == 1
    with pytest.raises(BadInputError, match="is not the name of a Python package"):
        allow_package("some-package")


def test_the_verb_imports_and_the_model_is_listed_and_used(tmp_path):
    file = write_draft(tmp_path, own_class("ShiftFinder", order="fixed-moving"), canvas=CUBE)
    arguments = ["import-model", "card", str(file), "--check", "--name", "finder", "--device", "cpu"]
    run = CliRunner().invoke(main, arguments)
    assert run.exit_code == 2 and '"order": "fixed-moving"' in run.output and registry.user_cards() == []
    run = CliRunner().invoke(main, [*arguments, "--set", "order=fixed-moving"])
    assert run.exit_code == 0, run.output
    assert "The convention on the card fits" in run.output
    assert "finder" in CliRunner().invoke(main, ["models"]).output
    again = CliRunner().invoke(main, [*arguments, "--set", "order=fixed-moving"])
    assert again.exit_code == 2 and "There is already a model finder" in again.output


def test_a_bundle_of_monai_is_read_without_running_its_expressions(tmp_path):
    network = framework_networks()["monai-concatenated"]
    definition = {"_target_": "LocalNet", **network["options"]}
    (tmp_path / "configs").mkdir()
    (tmp_path / "models").mkdir()
    inputs = {"image": {"spatial_shape": SIZE[::-1]}}
    metadata = {"name": "A bundle", "network_data_format": {"inputs": inputs}}
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (tmp_path / "configs" / "inference.json").write_text(json.dumps({"network_def": definition}))
    from regexplain.torch_backend.external.construction import construct

    torch.save(construct(network).state_dict(), tmp_path / "models" / "model.pt")
    card, _ = import_model(with_changes(draft("monai", tmp_path), [], "bundle"))
    assert card.values["title"] == "A bundle" and card.canvas_size == SIZE
    assert card.values["network"]["class"] == "monai.networks.nets.LocalNet"
    (tmp_path / "configs" / "inference.json").write_text(json.dumps({"network_def": definition | {"depth": "$1+1"}}))
    with pytest.raises(BadInputError, match="holds an expression"):
        draft("monai", tmp_path)


def test_weights_of_voxelmorph_are_imported_as_they_are_saved(tmp_path):
    from regexplain.torch_backend.external.construction import construct

    options = framework_networks()["voxelmorph"]["options"]
    torch.save(construct(framework_networks()["voxelmorph"]).state_dict(), tmp_path / "vxm.pt")
    changes = [f"options.nb_features={options['nb_features']}", f"canvas.size={SIZE}"]
    card, _ = import_model(with_changes(draft("voxelmorph", tmp_path / "vxm.pt"), changes))
    assert (card.name, card.canvas_size) == ("vxm", SIZE)
    with pytest.raises(BadInputError, match="are not those of the network on its card"):
        import_model(with_changes(draft("voxelmorph", tmp_path / "vxm.pt"), changes[1:], "other"))


def test_the_network_of_unigradicon_is_made_as_its_package_makes_it(tmp_path, monkeypatch):
    """Names of its tensors and their number, without its 280 MB of weights."""
    from regexplain.torch_backend.external.construction import construct

    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInputError, match="The weights of uniGradICON are not at"):
        draft("unigradicon", None)
    (tmp_path / "weights.trch").touch()
    values = draft("unigradicon", tmp_path / "weights.trch").values
    with torch.device("meta"):
        network = construct(values["network"])
        theirs = _as_unigradicon_makes_it()
    shapes = [{name: value.shape for name, value in made.state_dict().items()} for made in (network, theirs)]
    assert shapes[0] == shapes[1]
    assert sum(parameter.numel() for parameter in network.parameters()) == 70_680_916
    for place in values["network"]["stages"].values():
        network.get_submodule(place["module"])


def _as_unigradicon_makes_it():
    """`make_network` of unigradicon 1.0.6, whose import needs all of ITK, up to the network that is saved."""
    import icon_registration
    from icon_registration.networks import tallUNet2

    inner = icon_registration.FunctionFromVectorField(tallUNet2(dimension=3))
    for _ in range(2):
        lower = icon_registration.DownsampleRegistration(inner, dimension=3)
        step = icon_registration.FunctionFromVectorField(tallUNet2(dimension=3))
        inner = icon_registration.TwoStepRegistration(lower, step)
    last = icon_registration.FunctionFromVectorField(tallUNet2(dimension=3))
    return icon_registration.TwoStepRegistration(inner, last)


def test_a_package_can_bring_models_of_its_own(tmp_path, monkeypatch):
    """By an entry point of the group regexplain.models; listing them imports nothing of it."""
    card = imported(write_draft(tmp_path / "draft", own_class("Flow")))
    package = tmp_path / "site" / "somebody" / "networks"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("raise RuntimeError('imported')")
    card.folder.rename(package / "brought")
    metadata = tmp_path / "site" / "somebody-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: somebody\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[regexplain.models]\nmine = somebody.networks\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert [known.name for known in registry.user_cards()] == ["mine"]
    assert "somebody" not in sys.modules
    assert isinstance(Model.load(registry.find_card("mine"), "cpu").network, ExternalNetwork)
