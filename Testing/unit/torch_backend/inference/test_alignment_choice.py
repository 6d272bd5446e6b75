"""A model's own affine part is held against headers and middles by the measure that all share, and what gives way is
said."""

from types import SimpleNamespace

import numpy as np
import pytest

from fire_model import head
from regexplain.progress import Progress
from regexplain.registration.linear import align
from regexplain.registration.log import Log
from regexplain.registration.pair import ImagePair
from regexplain.transforms.itk import affine_transform
from regexplain.transforms.similarity import ComparedPair

MODEL = SimpleNamespace(card=SimpleNamespace(name="mine", values={"alignment": "network"}))
SHIFT = np.array([2.0, -1.0, 2.0])  # of the moving head


@pytest.fixture(scope="module")
def pair():
    return ImagePair(head("T1")[0], head("FLAIR", shift=tuple(SHIFT))[0])


@pytest.mark.parametrize(
    ("shift", "named", "kept", "said"),
    [
        (SHIFT, False, True, []),
        (SHIFT + [0.0, 25.0, 0.0], False, False, ["so they were aligned without it"]),
        (SHIFT + [0.0, 25.0, 0.0], True, True, ["check how they lie"]),
    ],
)
def test_the_affine_part_is_kept_where_the_images_support_it_and_otherwise_that_is_said(
    pair, monkeypatch, shift, named, kept, said
):
    from regexplain.torch_backend.inference import alignment

    monkeypatch.setattr(alignment, "align", lambda *_: affine_transform(np.eye(3), shift))
    log = Log(Progress())
    found = align(pair, ComparedPair(pair.fixed, pair.moving), None, MODEL, named, log)
    assert (found.kind == "network") is kept
    own = [text for text in log.warnings if "mine" in text]
    assert len(own) == len(said) and all(words in text for words, text in zip(said, own, strict=True))
