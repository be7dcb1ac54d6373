"""What studies of thresholds, gages, drift and successions found, as their JSON files keep it."""

SENTENCES = (
    "Nothing drifted: %(number)s part{|s} against %(number_reference)s.",
    "Something drifted, by the embeddings as a whole: %(number)s part{|s} against %(number_reference)s.",
    "Something drifted, first seen at %(text_place)s by %(known_title)s.",
    "%(known_title)s: no alarm in %(number)s point{|s}.",
    (
        "%(known_title)s: ALARM first at %(text_place)s above its upper limit; %(number)s of %(number_all)s "
        "point{|s} {is|are} outside."
    ),
    (
        "%(known_title)s: ALARM first at %(text_place)s below its lower limit; %(number)s of %(number_all)s "
        "point{|s} {is|are} outside."
    ),
    "FAIL from %(number_fail)s, PASS below.",
    "FAIL from %(number_fail)s, REVIEW below.",
    "FAIL from %(number_fail)s, REVIEW from %(number_review)s, PASS below.",
    "Expected cost %(number)s per part.",
    "Expected cost %(number)s per part; %(number_alone)s if nothing were reviewed.",
    "On %(text_name)s: %(number_pass)s PASS, %(number_fail)s FAIL, %(number_review)s REVIEW.",
    "On %(text_name)s: %(number_pass)s PASS, %(number_fail)s FAIL, %(number_review)s REVIEW; cost %(number)s per part.",
    (
        "Cost of a part: %(number_before)s before, %(number_now)s now; it changed by %(number_change)s (exact 95 "
        "%% interval %(number_low)s to %(number_high)s)."
    ),
    (
        "AUROC: %(number_before)s before, %(number_now)s now; it changed by %(number_change)s (95 %% interval "
        "%(number_low)s to %(number_high)s)."
    ),
    "AUROC: %(number_before)s before, %(number_now)s now; it changed by %(number_change)s.",
    "%(text_who)s is good by AIAG’s limits: right on %(number)s of %(number_all)s part{|s} in every trial.",
    "%(text_who)s is marginal by AIAG’s limits: right on %(number)s of %(number_all)s part{|s} in every trial.",
    "%(text_who)s is unacceptable by AIAG’s limits: right on %(number)s of %(number_all)s part{|s} in every trial.",
    "%(number)s part{|s} are few: AIAG studies verdicts on 50 or more, with doubtful ones among them.",
    "Beyond chance, all verdicts agree with Fleiss’ kappa %(number)s (%(number_low)s to %(number_high)s).",
    "The interaction may be chance, so it counts as repeatability.",
    (
        "%(number_escaped)s of %(number_bad)s defective part{|s} escaped (at most %(number_most)s %%, one-sided 95"
        " %%) and %(number_failed)s of %(number_good)s good part{|s} were failed (at most %(number_most_failed)s "
        "%%)."
    ),
    (
        "%(number)s defective part{|s} are too few: even with no escape among them, up to %(number_most)s %% of "
        "such parts could escape."
    ),
    (
        "%(number)s good part{|s} are too few: even with no overkill among them, up to %(number_most)s %% of such "
        "parts could be failed."
    ),
    "The threshold was chosen on these parts, so it does better on them than on others.",
    "%%GRR %(number)s: good; it tells %(number_categories)s categories of parts apart.",
    "%%GRR %(number)s: acceptable for some uses; it tells %(number_categories)s categories of parts apart.",
    "%%GRR %(number)s: unacceptable; it tells %(number_categories)s categories of parts apart.",
    (
        "Escapes in %(number)s NG part{|s}: %(number_before)s before, %(number_now)s now (%(number_corrected)s "
        "corrected, %(number_new)s new)."
    ),
    (
        "Overkills in %(number)s OK part{|s}: %(number_before)s before, %(number_now)s now (%(number_corrected)s "
        "corrected, %(number_new)s new)."
    ),
    (
        "Their rate changed by %(number)s percentage points (exact two-sided 95 %% interval %(number_low)s to "
        "%(number_high)s), p = %(number_p)s (exact McNemar test)."
    ),
    "Where one of the two runs predicts no class, parts are compared by the verdicts of both runs.",
)
