"""Which images each specialised model calls its own, and what `auto` chooses for pairs of them.

    .venv/bin/python benchmarks/content_domain.py ../shared/data

prints two tables, and writes them and every image's verdict to build/content-domain.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

import content_images as images
from content_images import CROP_SIZE, FLAIR, NATIVE, STRIPPED, T1, Images, Source, several
from measuring import processor, table, versions
from regexplain.cards import registry
from regexplain.progress import Progress
from regexplain.registration.log import Log
from regexplain.registration.model_choice import choose, first_fitting, load_model
from regexplain.registration.pair import ImagePair
from regexplain.results.tables import write_csv
from regexplain.volumes.threads import use_threads

HEAD, HIPPOCAMPUS, GENERAL, NONE = "brain-t1-flair", "hippocampus", "any-contrast", "none"
HEAD_SIZE, HEAD_CELL = (80, 96, 80), 2.5
CROP_CELL = 1.0
CROPS: dict[str, float] = {"cell": CROP_CELL, "turn": 3, "thickest": 1.5}


def kinds(source: Source) -> dict[str, dict[str, Images]]:
    """By the model that they are to try, or one for the same images, by name; first those that it was made for."""
    stripped = [source.read(f"{name}/{contrast}") for contrast in ("T1", "FLAIR") for name in STRIPPED]
    native = [source.read(f"{NATIVE}_{contrast}") for contrast in ("T1", "FLAIR")]
    others = {name: source.read(f"head_contrasts/one_{name}") for name in ("T2", "PD", "CT")}
    t2 = [*(source.read(f"{name}/T2") for name in STRIPPED), others["T2"]]
    crops = source.hippocampi()
    turned = images.upside_down(several(crops, 30, **CROPS))
    return {
        HEAD: {
            "T1, skull-stripped, two patients": several(stripped[:2], 0),
            "FLAIR, skull-stripped, two patients": several(stripped[2:], 1),
            "T1, native, one patient": several(native[:1], 2),
            "FLAIR, native, one patient": several(native[1:], 3),
            "T1-like, made of four heads": source.seen(T1, 4),
            "FLAIR-like, made of four heads": source.seen(FLAIR, 5),
            "T2, three patients": several(t2, 6),
            "T2-like, made": source.made("T2", 7),
            "PD, one patient": several([others["PD"]], 8),
            "PD-like, made": source.made("PD", 9),
            "CT, one patient": several([others["CT"]], 10),
            "CT-like, made": source.made("CT", 11),
            "CT-like in Hounsfield units, made": map(images.in_hounsfield, source.made("CT", 12)),
            "MR-angiography-like, made": source.made("MRA", 13),
            "upside down": images.upside_down(source.heads(14)),
            "half a head": images.halves(several(stripped + native, 15)),
            "abdomen-like": images.abdomens(16, (128, 96, 80), HEAD_CELL),
            "noise": images.noise(17, HEAD_SIZE, HEAD_CELL),
            "phantom": images.phantoms(18, HEAD_SIZE, HEAD_CELL),
            "hippocampus crops": iter(crops),
            "prostate": iter(source.prostates()),
            "masks": masks_of_heads(source),
        },
        HIPPOCAMPUS: {
            "hippocampus crops, 20 heads": iter(crops),
            "hippocampus crops, drawn anew": several(crops, 19, **CROPS),
            "T1 of other places in a head": source.other_places(20),
            "T2-like at the hippocampus": source.at_hippocampus("T2", 21),
            "CT-like at the hippocampus": source.at_hippocampus("CT", 22),
            "MR-angiography-like at the hippocampus": source.at_hippocampus("MRA", 23),
            "upside down": turned,
            "half a crop": images.halves(several(crops, 31, **CROPS)),
            "abdomen-like": images.abdomens(24, CROP_SIZE, CROP_CELL),
            "noise": images.noise(25, CROP_SIZE, CROP_CELL),
            "phantom": images.phantoms(26, CROP_SIZE, CROP_CELL),
            "prostate, said to be as large": map(as_large, source.prostates()),
            "masks": iter(source.hippocampi(labels=True)),
        },
    }


def as_large(image: sitk.Image) -> sitk.Image:
    """Its voxels of such a size that it is as large as a hippocampus crop."""
    copy = sitk.Image(image)
    copy.SetSpacing((np.array(CROP_SIZE) * CROP_CELL / image.GetSize()).tolist())
    return copy


def masks_of_heads(source: Source) -> Images:
    """What is brain, and label maps of few structures, in turns."""
    for k in range(10):
        brain = source.read(f"{STRIPPED[k % 2]}/T1") > 0
        yield sitk.Cast(brain, (sitk.sitkUInt8, sitk.sitkFloat32)[k // 2 % 2])
        structures = source.head(images.HEADS[k % 4]).structures
        yield sitk.Cast(structures <= k + 4, sitk.sitkFloat32) * sitk.Cast(structures, sitk.sitkFloat32)


def verdicts(model: str, kind: str, found: Images, count: int) -> Iterator[dict[str, Any]]:
    """Whether the model is taken for a pair of one image and itself, and why not."""
    card = registry.find_card(model)
    for number, image in enumerate(islice(found, count)):
        began = time.process_time()
        choice, refusals = first_fitting([card], pair_of(image, image), load)
        seconds = time.process_time() - began
        yield {
            "model": model,
            "kind": kind,
            "number": number,
            "inside": choice.card is not None,
            "reason": "; ".join(refusals),
            "seconds": seconds,
        }


def pair_of(fixed: sitk.Image, moving: sitk.Image) -> ImagePair:
    return ImagePair.checked((fixed, moving), (None, None), (None, None), lambda message: None)


load = partial(load_model, device="cpu", threads=1)


def pairs(source: Source) -> dict[str, tuple[str, Images, Images]]:
    """By name: what `auto` is to choose, the fixed images and the moving ones."""
    known = kinds(source)
    heads, crops = known[HEAD], known[HIPPOCAMPUS]
    again = kinds(source)
    heads2, crops2 = again[HEAD], again[HIPPOCAMPUS]
    names = list(heads)
    t1, flair = names[2], names[3]

    def of(name: str, other: str) -> tuple[Images, Images]:
        return heads[name], islice(heads2[other], 1, None)

    return {
        "T1 with FLAIR, native": (HEAD, *of(t1, flair)),
        "T1 with FLAIR, skull-stripped": (HEAD, *of(names[0], names[1])),
        "T1 with T1, made": (HEAD, *of(names[4], names[4])),
        "two hippocampi": (HIPPOCAMPUS, *two(crops["hippocampus crops, 20 heads"])),
        "T1 with T2": (GENERAL, *of(names[0], "T2, three patients")),
        "T1 with PD": (GENERAL, *of(names[4], "PD, one patient")),
        "CT with CT of heads": (GENERAL, *of("CT-like, made", "CT-like, made")),
        "MR angiography with T1": (GENERAL, *of("MR-angiography-like, made", names[5])),
        "two abdomens": (GENERAL, *of("abdomen-like", "abdomen-like")),
        "prostate, ultrasound with MR": (GENERAL, *two(heads["prostate"])),
        "hippocampus with another place": (
            GENERAL,
            crops["hippocampus crops, drawn anew"],
            crops2["T1 of other places in a head"],
        ),
        "a head with a hippocampus": (GENERAL, heads2[names[0]], iter(source.hippocampi())),
        "a head upside down with FLAIR": (GENERAL, *of("upside down", names[5])),
        "half a head with a head": (GENERAL, *of("half a head", names[4])),
        "two phantoms": (GENERAL, *of("phantom", "phantom")),
        "two masks": (NONE, *of("masks", "masks")),
    }


def two(found: Images) -> tuple[Images, Images]:
    """Each with the next."""
    both = list(pairwise(found))
    return iter([pair[0] for pair in both]), iter([pair[1] for pair in both])


def choices(name: str, expected: str, fixed: Images, moving: Images, count: int) -> Iterator[dict[str, Any]]:
    for number, both in enumerate(islice(zip(fixed, moving, strict=False), count)):
        yield {"pair": name, "number": number, "expected": expected, "chosen": chosen_by_auto(pair_of(*both))}


def chosen_by_auto(pair: ImagePair) -> str:
    card = choose("auto", pair, load, Log(Progress())).card
    return NONE if card is None else card.name


def image_table(rows: list[dict[str, Any]]) -> str:
    cells = []
    for model, kind in dict.fromkeys((row["model"], row["kind"]) for row in rows):
        own = [row for row in rows if (row["model"], row["kind"]) == (model, kind)]
        inside = sum(row["inside"] for row in own)
        cells.append([model, kind, str(len(own)), str(inside), f"{np.median([row['seconds'] for row in own]):.1f}"])
    return table(["model", "images", "of", "inside", "processor s"], cells)


def pair_table(rows: list[dict[str, Any]]) -> str:
    cells = []
    for name in dict.fromkeys(row["pair"] for row in rows):
        own = [row for row in rows if row["pair"] == name]
        right = sum(row["chosen"] == row["expected"] for row in own)
        cells.append([name, own[0]["expected"], f"{right} of {len(own)}"])
    return table(["pair", "the right model", "chosen"], cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder shared/data")
    parser.add_argument("--images", type=int, default=20, help="of each kind")
    parser.add_argument("--pairs", type=int, default=5, help="of each kind")
    parser.add_argument("--models", nargs="*", default=[HEAD, HIPPOCAMPUS, "hippocampus-skip"])
    parser.add_argument("--only", default="", help="only kinds whose name has these letters")
    parser.add_argument("--output", type=Path, default=Path("build/content-domain"))
    arguments = parser.parse_args()
    use_threads(1)
    source = Source(arguments.data)
    seen, chosen = [], []
    for model in arguments.models:
        for kind, found in kinds(source)[HEAD if model == HEAD else HIPPOCAMPUS].items():
            if arguments.only in kind:
                seen += verdicts(model, kind, found, arguments.images)
                print(image_table(seen).splitlines()[-1], flush=True)
    for name, given in pairs(source).items():
        if arguments.only in name:
            chosen += choices(name, *given, arguments.pairs)
    arguments.output.mkdir(parents=True, exist_ok=True)
    texts = []
    for name, rows, shown in (("images", seen, image_table), ("pairs", chosen, pair_table)):
        if rows:
            write_csv(arguments.output / f"{name}.csv", rows)
            texts.append(shown(rows))
    text = "\n\n".join([*texts, f"One thread of {processor()}, {versions(['torch'])}."])
    (arguments.output / "content-domain.md").write_text(f"{text}\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
