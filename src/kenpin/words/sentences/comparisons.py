"""Notes of comparisons of two runs."""

SENTENCES = (
    (
        "%(text_now)s against %(text_before)s on %(number)s part{|s} that neither has learned from: "
        "%(number_good)s good, %(number_bad)s defective."
    ),
    "%(text_run)s has no threshold, so verdicts are not compared.",
    "No costs are known, so the cost of a part is not; give --cost-escape and --cost-overkill.",
    "%(number)s picture{|s} without a label left out.",
    "It is not known what all %(text_run)s has learned from: its figures may be too good.",
    (
        "%(number)s picture{|s} {was|were} left out: %(text_run)s, or a run below it, has learned from them or was "
        "chosen by them."
    ),
    "Left out: %(number)s picture{|s} judged only by this run and %(number_other)s only by the other.",
    "Left out: %(number)s picture{|s} with another label in the other run.",
    "mAP, precision and recall of boxes are of all the pictures that each run judged.",
    "Where one of the two runs predicts no class, parts are compared by the verdicts of both runs.",
)
