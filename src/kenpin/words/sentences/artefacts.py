"""Why a run, a base or a file of them cannot be read."""

SENTENCES = (
    "%(text_file)s: cannot be read (%(text_why)s); restore it from a copy or make it again.",
    "%(text_file)s: cannot be read as JSON (%(text_why)s); restore it from a copy or make it again.",
    "%(text_file)s: does not hold a JSON object; restore it from a copy or make it again.",
    "%(text_run)s: this run was interrupted; continue it with --resume.",
    "%(text_run)s: no such run; continue it with --resume.",
    "%(text_run)s: no such run; give the folder of a finished run.",
    (
        "%(text_run)s: holds no %(text_file)s, so it is not a finished run; give the folder that a training wrote,"
        " or train again."
    ),
    (
        "%(text_file)s: has schema version %(text_version)s, this kenpin reads %(text_own)s; use the kenpin that "
        "trained it."
    ),
    "%(text_file)s: is not what the training wrote; restore it from a copy or train again.",
    "%(text_file)s: %(text_field)s is missing or wrong; restore the file or train again.",
    "%(text_run)s: it is a file, and a run is a folder; give the folder that a training wrote.",
    "%(text_file)s: is missing; restore it from a copy or train again.",
    "%(text_file)s: is not the file that was trained; restore it from a copy or train again.",
    "A run from somebody else is to be trusted as far as its sender: the seal shows accidents, not intent.",
    "%(text_file)s: is not covered by the run's seal; train again with this version of kenpin to use it.",
    "%(text_file)s: is a link to another folder, which the seal does not cover; remove it.",
    "%(text_file)s: was not written by the training; remove it.",
    "base %(text_base)s: there is no such folder; %(told_remedy)s",
    "base %(text_base)s: there is no such folder; give a hub id, or a folder of save_pretrained.",
    (
        "base %(text_base)s cannot be loaded as a network that sees pictures (%(text_why)s); give `lite0`, `toy`, "
        "a hub id or a folder that save_pretrained wrote."
    ),
    "base %(text_base)s holds no weights of %(text_layer)s; name one that was saved whole.",
    (
        "this run was trained on base %(text_base)s (commit %(text_commit)s), but what loads as %(text_loaded)s "
        "(commit %(text_other)s) answers differently; provide the base it was trained on."
    ),
    "option `picture_px`: base %(text_base)s takes multiples of %(number)s pixels alone; take %(text_near)s.",
    (
        "option `picture_px`: base %(text_base)s cannot see pictures of %(number)s pixels (%(text_why)s); leave it"
        " out, or take another base."
    ),
    "option `layers`: %(text_network)s gives none but its last; leave it out.",
    "option `layers`: %(text_network)s has %(number)s layer{|s}; give numbers from 1 to %(number_last)s.",
    "%(text_file)s: holds no head of %(number)s class{|es} (%(text_why)s); restore it from a copy or train again.",
    "%(text_file)s: holds no unit space (%(text_why)s); restore it from a copy or train again.",
    "%(text_file)s: holds no unit spaces (%(text_why)s); restore it from a copy or train again.",
    "%(text_file)s: holds no unit spaces of cells (%(text_why)s); restore it from a copy or train again.",
    "%(text_file)s: holds no scale of networks (%(text_why)s); restore it from a copy or train again.",
    "%(text_file)s: holds no names; restore it from a copy or train again.",
    "%(text_file)s: names no columns of a table; restore it from a copy or train again.",
    "%(text_file)s: an earlier version made other features of cells; train again.",
    "base %(text_base)s: %(text_network)s has no head for classes that could be trained; take tuning head.",
)
