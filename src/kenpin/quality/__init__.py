"""Decisions about parts: thresholds from costs or from good parts, verdicts, and exact bounds on wrong ones.

No escape in 59 NG parts shows an escape rate of at most 5 %, and no fewer parts do:

>>> from kenpin.quality import at_most, bound_sentence, parts_needed, threshold_from_costs
>>> round(at_most(0, 59), 4), parts_needed(0.05)
(0.0495, 59)
>>> print(bound_sentence("escape", events=0, parts=59))
0 escapes in 59 NG parts: at most 5 %, one-sided 95 %.

Where an escape costs ten times as much as an overkill, a good part is failed sooner than a defective one is passed:

>>> scores, defective = [0.1, 0.2, 0.5, 0.4, 0.9], [False, False, False, True, True]
>>> chosen = threshold_from_costs(scores, defective, cost_escape=10, cost_overkill=1, basis="By five parts.")
>>> round(chosen.fail_from, 2)
0.3
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.lazy import on_first_use

if TYPE_CHECKING:
    from kenpin.quality.agreement import cohen_kappa, fleiss_kappa
    from kenpin.quality.attribute_gage import attribute_study
    from kenpin.quality.bounds import at_most, clopper_pearson, parts_needed
    from kenpin.quality.calibration import fit_calibration, unit_of_distance
    from kenpin.quality.conformal import least_passing, p_value, promised_false_alarms
    from kenpin.quality.consequences import cost_notes
    from kenpin.quality.control_charts import ewma_chart, individuals_chart, means_chart, normal_scores, p_chart
    from kenpin.quality.costs import Prices, cut_costs, realised_cost
    from kenpin.quality.gage import gage_study
    from kenpin.quality.label_errors import contradicted
    from kenpin.quality.lot_bounds import defective_in_lot
    from kenpin.quality.made_defects import threshold_from_made_defects
    from kenpin.quality.paired import (
        mcnemar,
        paired_auroc,
        paired_cost,
        paired_difference,
        paired_share,
        verdict_differences,
    )
    from kenpin.quality.part_verdicts import SeenView, judge_part, part_prediction, worst_view
    from kenpin.quality.planning import bound_sentence, plan
    from kenpin.quality.platt import fit_platt
    from kenpin.quality.randomness import wandering
    from kenpin.quality.run_length import best_weight, ewma_run_length, ewma_width, shewhart_width
    from kenpin.quality.same_distribution import energy_test, least_p_value, mean_distances
    from kenpin.quality.threshold import (
        judge,
        quantile_interval,
        threshold_from_costs,
        threshold_from_good_parts,
        threshold_from_quantile,
    )

__all__ = [
    "Prices",
    "SeenView",
    "at_most",
    "attribute_study",
    "best_weight",
    "bound_sentence",
    "clopper_pearson",
    "cohen_kappa",
    "contradicted",
    "cost_notes",
    "cut_costs",
    "defective_in_lot",
    "energy_test",
    "ewma_chart",
    "ewma_run_length",
    "ewma_width",
    "fit_calibration",
    "fit_platt",
    "fleiss_kappa",
    "gage_study",
    "individuals_chart",
    "judge",
    "judge_part",
    "least_p_value",
    "least_passing",
    "mcnemar",
    "mean_distances",
    "means_chart",
    "normal_scores",
    "p_chart",
    "p_value",
    "paired_auroc",
    "paired_cost",
    "paired_difference",
    "paired_share",
    "part_prediction",
    "parts_needed",
    "plan",
    "promised_false_alarms",
    "quantile_interval",
    "realised_cost",
    "shewhart_width",
    "threshold_from_costs",
    "threshold_from_good_parts",
    "threshold_from_made_defects",
    "threshold_from_quantile",
    "unit_of_distance",
    "verdict_differences",
    "wandering",
    "worst_view",
]

# a verdict needs one of them
__getattr__ = on_first_use(
    __name__,
    {
        "Prices": "costs",
        "SeenView": "part_verdicts",
        "at_most": "bounds",
        "attribute_study": "attribute_gage",
        "best_weight": "run_length",
        "bound_sentence": "planning",
        "clopper_pearson": "bounds",
        "cohen_kappa": "agreement",
        "contradicted": "label_errors",
        "cost_notes": "consequences",
        "cut_costs": "costs",
        "defective_in_lot": "lot_bounds",
        "energy_test": "same_distribution",
        "ewma_chart": "control_charts",
        "ewma_run_length": "run_length",
        "ewma_width": "run_length",
        "fit_calibration": "calibration",
        "fit_platt": "platt",
        "fleiss_kappa": "agreement",
        "gage_study": "gage",
        "individuals_chart": "control_charts",
        "judge": "threshold",
        "judge_part": "part_verdicts",
        "least_p_value": "same_distribution",
        "least_passing": "conformal",
        "mcnemar": "paired",
        "mean_distances": "same_distribution",
        "means_chart": "control_charts",
        "normal_scores": "control_charts",
        "p_chart": "control_charts",
        "p_value": "conformal",
        "paired_auroc": "paired",
        "paired_cost": "paired",
        "paired_difference": "paired",
        "paired_share": "paired",
        "part_prediction": "part_verdicts",
        "parts_needed": "bounds",
        "plan": "planning",
        "promised_false_alarms": "conformal",
        "quantile_interval": "threshold",
        "realised_cost": "costs",
        "shewhart_width": "run_length",
        "threshold_from_costs": "threshold",
        "threshold_from_good_parts": "threshold",
        "threshold_from_made_defects": "made_defects",
        "threshold_from_quantile": "threshold",
        "unit_of_distance": "calibration",
        "verdict_differences": "paired",
        "wandering": "randomness",
        "worst_view": "part_verdicts",
    },
)
