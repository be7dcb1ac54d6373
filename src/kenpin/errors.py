"""The exceptions that kenpin raises on purpose, each one sentence for its user.

KenpinError
├── DatasetError       a data folder or annotation file is wrong        (ValueError)
│   ├── ImageError     a picture cannot be opened                       (ValueError)
│   └── LabelError     a label that a codec or a class map cannot carry (ValueError)
├── OptionError        a setting is unknown, impossible or missing      (ValueError)
├── ShapeError         an array has the wrong shape                     (ValueError)
├── UnitSpaceError     too few, constant or undefined reference parts   (ValueError)
├── CollapseError      a training lets all pictures become alike        (ValueError)
├── RunError           a run folder is absent, half written or foreign  (ValueError)
├── CaseLibraryError   a library of cases is absent, damaged or foreign (ValueError)
├── OutputExistsError  something would be overwritten                   (FileExistsError)
├── OutputError        there is no room or no right to write            (OSError)
├── DownloadError      a download failed, or an archive is not trusted  (OSError)
└── MissingExtraError  a package of an optional extra is not installed  (ImportError)

The command line prints the sentence and ends with status 2; a traceback appears only under `--debug`.
"""

from importlib.util import find_spec

from kenpin.installing import installing


class KenpinError(Exception):
    """Parent of every error that kenpin raises on purpose."""


class DatasetError(KenpinError, ValueError):
    """A data folder or annotation file is wrong; the message names file, place and remedy."""


class ImageError(DatasetError):
    """A picture is unreadable, truncated, empty, disguised or too large."""


class LabelError(DatasetError):
    """A label cannot be carried by the codec or class map that must carry it."""


class OptionError(KenpinError, ValueError):
    """A setting is unknown, impossible, missing or contradicts another."""


class EngineError(OptionError):
    """An engine cannot take a network that torch can."""

    def __init__(self, hindrance: str) -> None:
        super().__init__(f"option `engine`: {hindrance}; take torch.")
        self.hindrance = hindrance


class ShapeError(KenpinError, ValueError):
    """An array does not have the shape that the function promises to take."""


class UnitSpaceError(KenpinError, ValueError):
    """The reference parts cannot span a unit space: too few, constant or undefined items."""


class CollapseError(KenpinError, ValueError):
    """A training has made the vectors of all pictures alike, so that there is nothing left to learn from."""


class RunError(KenpinError, ValueError):
    """A run folder is absent, half written, of another version or of another base."""


class CaseLibraryError(KenpinError, ValueError):
    """A library of known cases is absent, damaged, foreign, or holds another run's vectors."""


class OutputExistsError(KenpinError, FileExistsError):
    """Something is already there and would be overwritten."""


class OutputError(KenpinError, OSError):
    """Something cannot be written: its disk is full, or the right to is missing."""


class DownloadError(KenpinError, OSError):
    """A download broke off or was refused, or an archive is not trusted; the message holds neither key nor address."""


class MissingExtraError(KenpinError, ImportError):
    """A package of an optional extra is missing; the message names the install command."""


_OF_TRAINING = {
    "accelerate", "kornia", "peft", "pytorch_metric_learning", "safetensors", "sklearn", "torch", "transformers"
}  # fmt: skip


def lacks_training(error: BaseException) -> MissingExtraError | None:
    """The error that names the extra `train`, where a package of it is what could not be imported; else None."""
    if not isinstance(error, ModuleNotFoundError) or (error.name or "").split(".")[0] not in _OF_TRAINING:
        return None
    return _lacks(error.name or "")


def is_training_installed() -> bool:
    """Whether PyTorch is installed. It is not imported."""
    return find_spec("torch") is not None


def check_training_installed() -> None:
    """Raises MissingExtraError where PyTorch is not installed."""
    if not is_training_installed():
        raise _lacks("torch")


def check_datasets_installed(doing: str, otherwise: str = "") -> None:
    """Raises MissingExtraError where the library `datasets` is not installed. It is not imported.

    doing: what needs it, the beginning of a sentence; otherwise: what else helps, its end.
    """
    if find_spec("datasets") is None:
        raise MissingExtraError(f"{doing} needs the package datasets: `{installing('hub')}`{otherwise}.")


def _lacks(package: str) -> MissingExtraError:
    return MissingExtraError(
        f"this needs {package}, as training and judging by a run do: `{installing('train')}`. A package of the "
        "run, from `kenpin export RUN PACKAGE --to openvino` where that is installed, is judged without it."
    )


def first_line(error: BaseException) -> str:
    """What another's exception says, short enough to stand within a sentence; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
