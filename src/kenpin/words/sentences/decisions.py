"""How thresholds were chosen and scores calibrated."""

SENTENCES = (
    "No threshold: an answer in words is neither good nor defective.",
    "No threshold: no class is known to be good and another defective, so nothing has a score.",
    (
        "No threshold: %(text_folder)s: %(number)s defective %(phrase_scored)s and no good one; add good parts, or "
        "name further good classes with --ok-labels."
    ),
    (
        "No threshold: %(number)s defective %(phrase_scored)s and no good one; add good parts, or name further "
        "good classes with --ok-labels."
    ),
    "No threshold: %(text_folder)s: there is no %(phrase_scored)s; add good parts.",
    "No threshold: there is no %(phrase_scored)s; add good parts.",
    "No threshold: %(text_run)s has none; --decide again chooses one.",
    (
        "Least expected cost on %(number_good)s good and %(number_bad)s defective %(phrase_pictures)s, an escape "
        "costing %(number_escape)s and an overkill %(number_overkill)s."
    ),
    (
        "Least expected cost on %(number_good)s good and %(number_bad)s defective %(phrase_pictures)s, an escape "
        "costing %(number_escape)s and an overkill %(number_overkill)s, a review %(number_review)s."
    ),
    (
        "Every part fails, for the scores do not separate good parts from %(phrase_bad)s well enough for these "
        "costs; train on more or better pictures, or name other costs."
    ),
    (
        "Every part fails or is reviewed, for the scores do not separate good parts from %(phrase_bad)s well "
        "enough for these costs; train on more or better pictures, or name other costs."
    ),
    "Threshold %(number_cut)s: %(told_basis)s",
    (
        "Defects made by the program decided in place of real ones, of which none is known: least expected cost on "
        "%(number_good)s good %(phrase_parts)s, and %(number_made)s made defect{|s} in copies of them, an escape "
        "costing %(number_escape)s and an overkill %(number_overkill)s, where %(number_rate)s of the parts are "
        "defective."
    ),
    (
        "Defects made by the program decided in place of real ones, of which none is known: least expected cost on "
        "%(number_good)s good %(phrase_parts)s, and %(number_made)s made defect{|s} in copies of them, an escape "
        "costing %(number_escape)s and an overkill %(number_overkill)s, a review %(number_review)s, where "
        "%(number_rate)s of the parts are defective."
    ),
    "How many real defects escape is unknown.",
    (
        "Of these good parts %(number_kept)s pass, and with %(number_confidence)s %% confidence at least "
        "%(number_least)s %% of such, whichever cut is chosen."
    ),
    (
        "%(number_share)s %% of %(number_good)s good %(phrase_parts)s pass: with %(number_confidence)s %% "
        "confidence at least %(number_least)s %% of good parts pass; there was no defective part, so costs could "
        "not decide, and how many escape is unknown."
    ),
    (
        "%(number_share)s %% of %(number_good)s good %(phrase_parts)s pass: of new good parts at most 1 in "
        "%(number_one)s fails in the long run, the smallest false-alarm rate that so few can promise, and with "
        "%(number_confidence)s %% confidence at least %(number_least)s %% of good parts pass; there was no "
        "defective part, so costs could not decide, and how many escape is unknown."
    ),
    (
        "{the|The} cut lies above the largest score of %(number_good)s good %(phrase_parts)s: with "
        "%(number_confidence)s %% confidence at least %(number_least)s %% of good parts pass; there was no "
        "defective part, so costs could not decide, and how many escape is unknown."
    ),
    (
        "{the|The} cut lies above the largest score of %(number_good)s good %(phrase_parts)s: of new good parts at "
        "most 1 in %(number_one)s fails in the long run, the smallest false-alarm rate that so few can promise, and "
        "with %(number_confidence)s %% confidence at least %(number_least)s %% of good parts pass; there was no "
        "defective part, so costs could not decide, and how many escape is unknown."
    ),
    "%(number_share)s of good parts pass, by %(number)s part{|s} that the space has not seen.",
    (
        "χ² of %(number_degrees)s degrees of freedom over these, quantile %(number_quantile)s; the unit space is "
        "assumed to be exactly known."
    ),
    (
        "Hotelling's F of %(number_items)s and %(number_rest)s degrees of freedom, quantile %(number_quantile)s; "
        "exact for new parts that vary normally."
    ),
    (
        "With confidence %(number_confidence)s at least %(number_share)s of good parts stay below it, by "
        "%(number)s of them, however they vary."
    ),
    "least expected cost on %(number)s part{|s} of %(text_file)s.",
    "Kept through an update of %(text_run)s, with which distances moved.",
    (
        "Kept through an update of %(text_run)s, with which the distances of new good parts moved to %(number)s %% "
        "in the median."
    ),
    (
        "Kept through an update of %(text_run)s, with which the distances of new good parts moved to %(number)s %% "
        "in the median: such a cut passes more parts than before, defective ones too. Choose it again by good and "
        "defective parts, with --decide again."
    ),
    (
        "Of %(number)s new good part{|s}, each scored by a fit that has not learned from it, %(number_pass)s "
        "{passes|pass}: at least %(number_least)s %% of such, with 95 %% confidence."
    ),
    (
        "Of %(number)s defective part{|s} %(number_escaped)s {escapes|escape}: at most %(number_most)s %% of such, "
        "with 95 %% confidence."
    ),
    "How many defective parts escape now is unknown: no defective part was given.",
    "Scores are not calibrated: no picture has one.",
    "Scores are not calibrated: not every box has one.",
    (
        "Scores are not calibrated: %(phrase_counted)s, are too few; at least %(number_least)s are needed, with "
        "%(number_each)s %(phrase_happens)s and %(number_other)s %(phrase_fails)s."
    ),
    (
        "Scores are not calibrated: %(number_hits)s of %(number_count)s %(phrase_cases)s are %(phrase_happens)s, "
        "and the score is no higher for them."
    ),
    "Scores are calibrated (%(text_method)s) on %(phrase_counted)s.",
)
