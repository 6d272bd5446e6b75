"""Activations of any module by its path in the network (`encoder.refine.1`), beside the stages that it names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn

from ...errors import BadInputError
from ..networks.latent import RegistrationNetwork


@contextmanager
def record_outputs(network: nn.Module, paths: Iterable[str]) -> Iterator[dict[str, list[Tensor]]]:
    """Record the outputs of these modules, one a call, while the context is open. Forward hooks are always removed."""
    calls: dict[str, list[Tensor]] = {path: [] for path in paths}
    with ExitStack() as hooks:
        for path, outputs in calls.items():

            def keep(module, arguments, output, outputs=outputs):
                outputs.append(output)

            hooks.callback(network.get_submodule(path).register_forward_hook(keep).remove)
        yield calls


def find_module(stage: str, network: RegistrationNetwork, grids: Mapping[str, str]) -> str | None:
    """The path of the module of a stage, such as `encoder.refine.1-fixed`; None for one that the network's output
    holds. Raises BadInputError."""
    if stage in grids:
        return network.module_paths.get(stage)
    modules = dict(network.root.named_modules())
    for path in (stage, stage.partition("-")[0]):
        of_it = network.stages_of_module(path, grids) if path in modules else {}
        if of_it and stage in (path, *of_it):
            return path
    raise unknown_stage(stage, grids)


def unknown_stage(stage: str, stages: Iterable[str], parts: Iterable[str] = ()) -> BadInputError:
    inside = " and ".join(parts or dict.fromkeys(name.partition("-")[0] for name in stages))
    return BadInputError(
        f"There is no stage {stage!r}; the network has {', '.join(stages)}, and the paths of the modules in its "
        f"{inside}."
    )


def split_calls(calls: list[Tensor], count: int) -> list[list[Tensor]]:
    """Split the outputs of a module among `count` images: along the batch where it can be split, else call by call."""
    if all(len(call) % count == 0 for call in calls):
        return [list(part) for part in zip(*(call.chunk(count) for call in calls), strict=True)]
    each, left = divmod(len(calls), count)
    if left:
        raise BadInputError(f"A module that is called {len(calls)} times cannot be shared among {count} images.")
    return [calls[part * each : (part + 1) * each] for part in range(count)]
