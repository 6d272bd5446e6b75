"""Write made torsos that breathe, as cases to train on and to study: tools/breathing_torsos.py build/breathing/data"""

from __future__ import annotations

import argparse
from pathlib import Path

from regexplain.torch_backend.training.latent.breathing import write_cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--training", type=int, default=100)
    parser.add_argument("--validation", type=int, default=20)
    arguments = parser.parse_args()
    write_cases(arguments.folder, arguments.training, arguments.validation)


if __name__ == "__main__":
    main()
