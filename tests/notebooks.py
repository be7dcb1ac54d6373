"""The worked examples as notebooks, with what their cells show; `python -m tests.notebooks` writes them anew."""

from __future__ import annotations

import re
import sys
from typing import Any

import jupytext
import nbclient
import nbformat

from tests.tree import ROOT

SCRIPTS = ROOT / "tests" / "worked_examples"
FOLDER = ROOT / "notebooks"
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py") if "# %%" in path.read_text("utf-8"))
_FOLDER_AND_EPOCHS = re.compile(r"folder_and_epochs\(epochs=([\d.]+)\)")


def notebook(name: str) -> Any:
    """Of one script, without outputs: its cells, below its first sentence. What a script has of its place and its
    arguments is told otherwise, since a notebook has neither.
    """
    made = jupytext.reads((SCRIPTS / f"{name}.py").read_text("utf-8"), fmt="py:percent")
    opening, *cells = made.cells
    title, _, _ = opening.source.strip('"').partition(", step by step")
    made.cells = [nbformat.v4.new_markdown_cell(f"# {title}"), *cells]
    for number, cell in enumerate(made.cells):
        cell.id = f"{name}-{number}"
        if cell.cell_type == "code":
            source = cell.source.replace("Path(__file__).resolve().parents[2]", 'Path("..")')
            source = _FOLDER_AND_EPOCHS.sub(rf'shown_folder("out/{name}"), \1', source)
            cell.source = source.replace("folder_and_epochs", "shown_folder")
    made.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return made


def run(made: Any) -> Any:
    """The notebook with its outputs, computed beside its file. Raises nbclient.exceptions.CellExecutionError."""
    FOLDER.mkdir(exist_ok=True)
    nbclient.NotebookClient(made, timeout=1800, resources={"metadata": {"path": str(FOLDER)}}).execute()
    for cell in made.cells:
        cell.metadata.pop("execution", None)  # when it ran is nobody's concern, and another each time
        if cell.cell_type == "code":
            cell.outputs = [_without_place(one) for one in _whole(cell.outputs)]
    return made


def _without_place(output: Any) -> Any:
    """An output whose paths begin in the folder of the notebook, wherever that was."""
    if "text" in output:
        output.text = output.text.replace(f"{FOLDER}/", "")
    return output


def _whole(outputs: list[Any]) -> list[Any]:
    """What was printed in one piece, however it came; without progress and warnings, which go to the other stream."""
    whole: list[Any] = []
    for one in outputs:
        if one.get("name") == "stderr":
            continue
        if whole and one.get("name") == whole[-1].get("name") == "stdout":
            whole[-1].text += one.text
        else:
            whole.append(one)
    return whole


def main() -> None:
    """Write those named on the command line, or all."""
    for name in sys.argv[1:] or NAMES:
        nbformat.write(run(notebook(name)), FOLDER / f"{name}.ipynb")
        print(FOLDER / f"{name}.ipynb")


if __name__ == "__main__":
    main()
