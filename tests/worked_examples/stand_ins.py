"""What the worked examples take in place of a network's far end: small pretrained models, a phone, and a shell."""

from __future__ import annotations

import shlex
import shutil
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

import kenpin
from kenpin.cli import main
from kenpin.data.images import read_image
from kenpin.drawing import draw_detections, with_banner
from kenpin.export import export_merged
from kenpin.records import Detections, Example, ImageSource
from tests.pictures import write_parts
from tests.toy_runs import saved_base

__all__ = ["detector_base", "folder_and_epochs", "phone_photograph", "saved_base", "shell", "show", "shown_folder",
           "write_parts"]  # fmt: skip
_ORIENTATION = 0x0112
_TURNED_RIGHT = 6
"""The EXIF orientation of a picture that lies on its left side in the file."""
_SHOWN, _SIDE_PX = 5, 480


def folder_and_epochs(epochs: float) -> tuple[Path, float]:
    """What stands behind the script's name: the folder to write into, and epochs in place of `epochs`."""
    if len(sys.argv) not in (2, 3):
        sys.exit(f"usage: python {sys.argv[0]} FOLDER [EPOCHS]")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    return folder, float(sys.argv[2]) if len(sys.argv) == 3 else epochs


def shown_folder(name: str) -> Path:
    """The folder of a notebook, empty; below each cell stand a few of the pictures that it wrote there."""
    from IPython.core.getipython import get_ipython
    from IPython.display import Image as Shown
    from IPython.display import display

    folder = Path(name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seen: set[Path] = set()

    def show_new(*_: object) -> None:
        new = sorted(set(folder.rglob("*.png")) - seen - set(folder.rglob("images/*.png")))
        seen.update(new)
        for file in new[:_SHOWN]:
            picture = Image.open(file).convert("RGB")
            picture.thumbnail((_SIDE_PX, _SIDE_PX))
            picture.save(data := BytesIO(), "JPEG", quality=80)
            display(Shown(data.getvalue(), alt=file.stem))

    shell_of_notebook = get_ipython()
    assert shell_of_notebook is not None
    shell_of_notebook.events.register("post_run_cell", show_new)
    return folder


def shell(*words: object, status: int = 0) -> None:
    """Run `kenpin WORDS`, as `!kenpin …` does in a notebook; it must end with this exit status."""
    argv = [str(word) for word in words]
    print(f"$ kenpin {shlex.join(argv)}")
    code: object = None
    try:
        main(argv)
    except SystemExit as ended:
        code = ended.code
    if code != status:
        raise RuntimeError(f"kenpin {shlex.join(argv)} ended with status {code}, not {status}")


def show(example: Example, out: Path, text: str) -> None:
    """Write the picture with its annotated boxes above a line of text, as a notebook shows it below a cell."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with_banner(draw_detections(read_image(example.image), example.boxes or Detections()), text, None).save(out)


def phone_photograph(picture: Image.Image, file: Path) -> Path:
    """The picture as a phone keeps it: large, JPEG, lying on its side, and upright by its EXIF orientation alone."""
    large = picture.convert("RGB").resize((picture.width * 8, picture.height * 8), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[_ORIENTATION] = _TURNED_RIGHT
    large.transpose(Image.Transpose.ROTATE_90).save(file, quality=85, exif=exif)
    assert read_image(ImageSource(str(file))).size == large.size
    return file


def detector_base(family: str, folder: Path, data: kenpin.Dataset, epochs: float) -> Path:
    """A toy Florence-2 or PaliGemma that has learned to find other things, as a folder of save_pretrained."""
    run = kenpin.train(
        family,
        data=data,
        out=folder.with_name(f"{folder.name}-training"),
        base="toy",
        epochs=epochs,
        constrained=False,
        calibrate="none",
        patience=None,
        report=False,
    )
    return export_merged(run, folder)
