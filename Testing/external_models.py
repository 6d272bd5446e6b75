"""Networks of other frameworks whose answers are known, and the cards that say how to ask them.

`ShiftFinder` and `Planted` stand for anybody's own package: `allowed` lets cards name this file's classes.
"""

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from torch import nn
from torch.nn import functional as F

from bright_spot_scans import bright_spot
from equivalent_scans import reoriented, rotation, with_moved_header
from regexplain.cards.settings import HOME, PACKAGES
from regexplain.volumes.geometry import Grid, canvas_around

SIZE, SPACING = [16, 24, 32], [3.0, 2.0, 1.5]  # x, y, z
TRANSLATION = (2.0, -1.5, 1.0)  # canvas voxels, along array axes z, y, x
SMALL_ICON = [[2, 4, 4], [4, 4]]
PLACES = ("voxels", "unit", "normalised")


class ShiftFinder(nn.Module):
    """Finds how the bright middle of one image lies to the other's, and answers in any convention.

    Its weight, 1, is the share that it finds.
    """

    def __init__(self, order="moving-fixed", gives="displacement", units="voxels", components="array", spacing=None):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))
        self.order, self.gives, self.units, self.components = order, gives, units, components
        self.spacing = spacing
        self.features = nn.Identity()

    def forward(self, first, second):
        moving, fixed = (first, second) if self.order == "moving-fixed" else (second, first)
        shape, fixed, moving = fixed.shape[2:], self.features(fixed), self.features(moving)
        grid = torch.stack(torch.meshgrid(*(torch.arange(float(n)) for n in shape), indexing="ij"))
        middle = [(grid * volume[0]).flatten(1).sum(1) / volume.sum() for volume in (fixed, moving)]
        field = (self.gain * (middle[1] - middle[0])).view(1, 3, 1, 1, 1).expand(1, 3, *shape)
        if self.gives == "coordinates":
            field = field + grid[None]
        field = field * torch.tensor(self._a_voxel(shape)).view(1, 3, 1, 1, 1)
        if self.gives == "coordinates" and self.units == "normalised":
            field = field - 1
        return field.flip(1) if self.components == "reversed" else field

    def _a_voxel(self, shape):
        if self.units == "mm":
            return self.spacing
        return [{"voxels": 1.0, "unit": 1 / (n - 1), "normalised": 2 / (n - 1)}[self.units] for n in shape]


class Planted(nn.Module):
    """Its only layer sees the fixed image in cells of four voxels, and what it sees moves, by a voxel along x.

    corners: by two strided convolutions of kernel 3, which begin at the first voxel; else by means of 4³ voxels.
    """

    def __init__(self, corners: bool):
        super().__init__()
        self.corners = corners
        down = [nn.Conv3d(1, 1, 3, stride=2, padding=1, bias=False) for _ in range(2)] if corners else [nn.AvgPool3d(4)]
        self.layer = nn.Sequential(*down)
        self.scale = nn.Parameter(torch.ones(1))
        smoothing = torch.tensor([0.25, 0.5, 0.25])
        for one in down[: 2 * corners]:
            one.weight.data = torch.einsum("i,j,k->ijk", smoothing, smoothing, smoothing)[None, None]

    def forward(self, moving, fixed):
        cells = self.scale * self.layer(fixed)
        x = F.interpolate(cells, size=fixed.shape[2:], mode="nearest")
        return torch.cat([0 * x, 0 * x, x], 1)


class Flow(nn.Module):
    """A plain network that gives a velocity: half of a translation, whatever it sees, times two."""

    def __init__(self):
        super().__init__()
        self.share = nn.Parameter(torch.tensor(TRANSLATION) / 2)

    def forward(self, first, second):
        return 2 * self.share.view(1, 3, 1, 1, 1).expand(len(first), 3, *first.shape[2:])


class OnlyOnAGraphicsCard(Flow):
    def forward(self, first, second):
        return super().forward(first.cuda(), second)


class NotANumber(Flow):
    def forward(self, first, second):
        return super().forward(first, second) * float("nan")


class HalfTheSize(Flow):
    def forward(self, first, second):
        return super().forward(first, second)[..., ::2]


class Fails(Flow):
    def forward(self, first, second):
        raise RuntimeError("Sizes of tensors must match except in dimension 1")


def allowed(monkeypatch, folder: Path) -> None:
    """In this test cards may name the classes of this file, and own models lie in `folder`."""
    monkeypatch.setenv(PACKAGES, "external_models")
    monkeypatch.setenv(HOME, str(folder))


def own_class(name: str, **options) -> dict:
    return {"class": f"external_models.{name}", "options": options}


def write_draft(folder: Path, network: dict, weights: dict | None = None, name: str = "mine", **values) -> Path:
    """A card as a user writes it, and the weights of its network (its own initial ones by default)."""
    from regexplain.torch_backend.external.construction import construct

    folder.mkdir(parents=True, exist_ok=True)
    torch.save(construct(network).state_dict() if weights is None else weights, folder / "weights.pth")
    card = {
        "name": name,
        "network": network,
        "canvas": {"size": SIZE, "spacing_mm": SPACING},
        "alignment": "centre",
        "weights": "weights.pth",
        **values,
    }
    (folder / "draft.json").write_text(json.dumps(card))
    return folder / "draft.json"


def imported(draft_file: Path, **options):
    """The card of the model, imported."""
    from regexplain.torch_backend.external.drafts import draft
    from regexplain.torch_backend.external.importing import import_model

    return import_model(draft("card", draft_file), **options)[0]


def framework_networks() -> dict[str, dict]:
    """What a card says of one small network of each framework."""
    from regexplain.torch_backend.external.drafts import icon_steps

    backbone = {
        "spatial_dims": 3,
        "in_channels": 2,
        "unet_out_channels": 4,
        "channels": [4, 4],
        "final_conv_channels": [4],
    }
    localnet = {
        "spatial_dims": 3,
        "in_channels": 2,
        "num_channel_initial": 4,
        "extract_levels": [0, 1],
        "out_channels": 3,
    }
    voxelmorph = {"ndim": 3, "source_channels": 1, "target_channels": 1, "nb_features": [4, 4, 4]}
    unet = {"class": "monai.networks.nets.VoxelMorphUNet", "options": backbone}
    return {
        "voxelmorph": {"class": "voxelmorph.nn.models.VxmPairwise", "options": voxelmorph},
        "monai-pair": {"class": "monai.networks.nets.VoxelMorph", "options": {"backbone": unet}},
        "monai-concatenated": {
            "class": "monai.networks.nets.LocalNet",
            "options": localnet,
            "call": "concatenated",
        },
        "icon": icon_steps(SMALL_ICON) | {"call": "icon", "gives": "coordinates", "units": "unit"},
    }


def translating(name: str, network: dict) -> dict[str, torch.Tensor]:
    """Weights with which a network of `framework_networks` answers every pair with TRANSLATION, and nothing else."""
    from regexplain.torch_backend.external.construction import construct

    torch.manual_seed(1)
    foreign = construct(network)
    voxels = torch.tensor(TRANSLATION)
    if name == "icon":  # a step is a tenth of what its last layer gives, in shares of the canvas, and four steps add up
        sizes = torch.tensor([n - 1.0 for n in reversed(SIZE)])
        last = [module for path, module in foreign.named_modules() if path.endswith("lastConv")]
        biases = [voxels / sizes * 10 / len(last)] * len(last)
    elif name == "monai-concatenated":
        return _constant_features(foreign, voxels)
    else:
        convolutions = [module for module in foreign.modules() if isinstance(module, nn.Conv3d)]
        last, biases = [foreign.flow_layer.conv0 if name == "voxelmorph" else convolutions[-1]], [voxels]
    for layer, bias in zip(last, biases, strict=True):
        nn.init.zeros_(layer.weight)
        layer.bias.data = bias.clone()
    return foreign.state_dict()


def _constant_features(localnet: nn.Module, voxels: torch.Tensor) -> dict[str, torch.Tensor]:
    """Its last layers have no bias, so what comes before them is made the same everywhere."""
    for module in localnet.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.zeros_(module.weight)
            nn.init.ones_(module.bias)
    last = [layer.conv for layer in localnet.output_block.layers]
    for layer in last:
        nn.init.zeros_(layer.weight)
        layer.weight.data[:, :, 1, 1, 1] = 1.0
    with torch.no_grad():
        ones = localnet.eval()(torch.zeros(1, 2, 16, 16, 16))[0, :, 8, 8, 8]
    for layer in last:
        layer.weight.data *= (voxels / ones).view(3, 1, 1, 1, 1)
    return localnet.state_dict()


def moved_spot_pair(translation_mm) -> tuple[sitk.Image, sitk.Image, np.ndarray]:
    """Two oblique, anisotropic scans of a bright spot, which lies `translation_mm` (LPS) further in the moving one; and
    where it lies in the fixed one."""
    blank = sitk.Image([26, 40, 22], sitk.sitkFloat32)
    blank.SetSpacing((1.5, 1.0, 2.0))
    fixed_grid = with_moved_header(reoriented(blank), rotation(degrees=20), (30.0, -10.0, 5.0))
    moving_grid = with_moved_header(blank, rotation((1, 0, 0), 10))
    middle = Grid.of(fixed_grid).centre
    moving_grid.SetOrigin(np.array(moving_grid.GetOrigin()) + middle - Grid.of(moving_grid).centre)
    at = middle + np.array([1.0, -2.0, 1.5])
    return bright_spot(at, fixed_grid), bright_spot(at + translation_mm, moving_grid), at


def canvas_translation(fixed: sitk.Image) -> np.ndarray:
    """TRANSLATION in LPS mm, on the canvas about an image."""
    canvas = canvas_around(fixed, SIZE, SPACING)
    return canvas.axes @ (np.array(TRANSLATION[::-1]) * SPACING)
