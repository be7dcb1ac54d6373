"""What studies of thresholds, gages, drift and successions found, as their JSON files keep it."""

SENTENCES = (
    "Nothing drifted: %(number)s part{|s} against %(number_reference)s.",
    "Something drifted, by the embeddings as a whole: %(number)s part{|s} against %(number_reference)s.",
    "Something drifted, first seen at %(phrase_place)s by %(known_title)s.",
    "%(known_title)s: no alarm in %(number)s point{|s}.",
    "no alarm in %(number)s point{|s}.",
    (
        "%(known_title)s: ALARM first at %(phrase_place)s above its upper limit; %(number)s of %(number_all)s "
        "point{|s} {is|are} outside."
    ),
    ("ALARM first at %(phrase_place)s above its upper limit; %(number)s of %(number_all)s point{|s} {is|are} outside."),
    (
        "%(known_title)s: ALARM first at %(phrase_place)s below its lower limit; %(number)s of %(number_all)s "
        "point{|s} {is|are} outside."
    ),
    ("ALARM first at %(phrase_place)s below its lower limit; %(number)s of %(number_all)s point{|s} {is|are} outside."),
    "Without a change there is one alarm in %(number)s points.",
    (
        "Embeddings: ALARM, they differ from the reference (energy test of %(number)s against %(number_reference)s, "
        "p = %(number_p)s)."
    ),
    (
        "Embeddings: no sign that they differ from the reference (energy test of %(number)s against "
        "%(number_reference)s, p = %(number_p)s)."
    ),
    "FAIL whatever the score.",
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
    "%(who)s is acceptable by AIAG’s limits: right on %(number)s of %(number_all)s part{|s} in every trial.",
    "%(who)s is marginal by AIAG’s limits: right on %(number)s of %(number_all)s part{|s} in every trial.",
    "%(who)s is unacceptable by AIAG’s limits: right on %(number)s of %(number_all)s part{|s} in every trial.",
    "%(who)s gives the same verdict on %(number)s of %(number_all)s part{|s} in every trial.",
    "%(number)s part{|s} {is|are} few: AIAG studies verdicts on 50 or more, with doubtful ones among them.",
    "%(number)s part{|s} {is|are} few: AIAG measures 10 or more, from the whole range.",
    "Beyond chance, all verdicts agree with Fleiss’ kappa %(number)s (%(number_low)s to %(number_high)s).",
    "Beyond chance, all verdicts agree with Fleiss’ kappa %(number)s.",
    "The interaction may be chance, so it counts as repeatability.",
    (
        "%(number_escaped)s of %(number_bad)s defective part{|s} escaped (at most %(number_most)s %%, one-sided 95"
        " %%) and %(number_failed)s of %(number_good)s good part{|s} {was|were} failed (at most "
        "%(number_most_failed)s %%)."
    ),
    (
        "%(number_escaped)s of %(number_bad)s defective part{|s} escaped (at most %(number_most)s %%, one-sided 95"
        " %%); no good part was judged, so the overkill rate is unknown."
    ),
    (
        "%(number_failed)s of %(number_good)s good part{|s} {was|were} failed (at most %(number_most)s %%, one-sided "
        "95 %%); no defective part was judged, so the escape rate is unknown."
    ),
    (
        "%(number)s defective part{|s} {is|are} too few: even with no escape among them, up to %(number_most)s %% of "
        "such parts could escape."
    ),
    (
        "%(number)s good part{|s} {is|are} too few: even with no overkill among them, up to %(number_most)s %% of "
        "such parts could be failed."
    ),
    "The threshold was chosen on these parts, so it does better on them than on others.",
    "%%GRR %(number)s: good; it tells %(number_categories)s categor{y|ies} of parts apart.",
    "%%GRR %(number)s: acceptable for some uses; it tells %(number_categories)s categor{y|ies} of parts apart.",
    "%%GRR %(number)s: not acceptable; it tells %(number_categories)s categor{y|ies} of parts apart.",
    "%%GRR %(number)s: good; it tells any number of categories of parts apart.",
    "Six deviations of the gage take %(number)s %% of the tolerance %(number_tolerance)s: good.",
    "Six deviations of the gage take %(number)s %% of the tolerance %(number_tolerance)s: acceptable for some uses.",
    "Six deviations of the gage take %(number)s %% of the tolerance %(number_tolerance)s: not acceptable.",
    (
        "Escapes in %(number)s NG part{|s}: %(number_before)s before, %(number_now)s now (%(number_corrected)s "
        "corrected, %(number_new)s new)."
    ),
    (
        "Overkills in %(number)s OK part{|s}: %(number_before)s before, %(number_now)s now (%(number_corrected)s "
        "corrected, %(number_new)s new)."
    ),
    "No NG part was judged by both runs, so the rate of escapes is unknown.",
    "No OK part was judged by both runs, so the rate of overkills is unknown.",
    (
        "Their rate changed by %(number)s percentage points (exact two-sided 95 %% interval %(number_low)s to "
        "%(number_high)s), p = %(number_p)s (exact McNemar test)."
    ),
    "Against %(text_earlier)s, by the verdicts of both runs on %(number)s part{|s}:",
    "%(number)s part{|s} of %(number_all)s {has|have} another verdict.",
    "%(number)s part{|s} of %(number_all)s {has|have} another verdict: %(phrase_effects)s.",
    "This inspector decides nothing: it sends every part to a person.",
    "This inspector passes every part, the defective ones too.",
    "This inspector fails every part, the good ones too.",
    "This inspector passes no part: it fails each or sends it to a person.",
    (
        "Its scores separate defective parts from good ones worse than chance, as far as these parts show: AUROC "
        "%(number)s (two-sided 95 %% interval %(number_low)s to %(number_high)s)."
    ),
    (
        "Its scores separate defective parts from good ones no better than chance, as far as these parts show: AUROC "
        "%(number)s."
    ),
    (
        "Its scores separate defective parts from good ones no better than chance, as far as these parts show: AUROC "
        "%(number)s (two-sided 95 %% interval %(number_low)s to %(number_high)s)."
    ),
    (
        "Note: these are the default costs, %(number_escape)s for an escape and %(number_overkill)s for an overkill: "
        "they %(phrase_do)s."
    ),
    (
        "It is the best cut on these parts, whatever the ratio of costs from %(number_least)s : 1 to "
        "%(number_most)s : 1."
    ),
    "The best cut on these parts would %(phrase_do)s.",
    "Give yours with --cost-escape and --cost-overkill.",
    "Note: %(number)s %% of these parts are defective.",
    ("On a line with %(number)s %% this cut would cost %(number_cost)s a part, and no other cut costs less."),
    (
        "On a line with %(number)s %% this cut would cost %(number_cost)s a part; the best cut for %(number_same)s %% "
        "would %(phrase_do)s, and cost %(number_best)s."
    ),
    "Give the line's share with --defect-rate.",
    "%(number)s possible cut{|s}; the least cost on these parts is %(number_best)s per part.",
    "The chosen threshold was expected to cost %(number)s and costs %(number_realised)s on %(text_name)s.",
    "Parts between the two marks are reviewed.",
    "%(number)s share{|s} with exact two-sided 95 %% intervals.",
    "Effectiveness is acceptable from 90 %%, with up to 2 %% missed and 5 %% false alarms (AIAG).",
    "Agreement beyond chance with its two-sided 95 %% interval: 0 is chance, 1 is full agreement.",
    "AIAG takes 0.75 and more (dashed) for good agreement, below 0.40 for poor.",
    "Gage R&R is %(number)s %% of the total standard deviation.",
    (
        "Up to 10 %% the gage is good, up to 30 %% acceptable for some uses (dashed); squares of shares add up, shares "
        "do not."
    ),
)
