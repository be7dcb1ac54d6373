"""Why a unit space cannot be fitted, and why no threshold can be chosen."""

SENTENCES = (
    "unit space: the good parts are alike to the last digit, so that nothing says how far apart they usually lie.",
    "Add good parts, and leave copies out.",
    (
        "unit space: %(number)s good part{|s} for %(number_items)s item{|s} in each cell; at least "
        "%(number_needed)s are needed."
    ),
    "unit space: %(number)s good part{|s} for %(number_items)s item{|s}; at least %(number_needed)s are needed.",
    "Add good parts, set a ridge, or take fewer items.",
    "Add good parts.",
    "Add others.",
    "unit space: the network gave numbers that are not finite; take another base.",
    "unit space: the items of a cell are collinear; set a ridge above 0 or take fewer items.",
    (
        "unit space: the items are collinear (condition number %(number)s); set a ridge above 0, take the pseudo-"
        "inverse, or remove items that repeat one another."
    ),
    "unit space: all good parts (%(number)s) are the same row to base %(text_base)s.",
    "unit space: all good parts (%(number)s) are the same picture to base %(text_base)s.",
    "unit space: %(number)s good part{|s} to fit to; at least %(number_needed)s {is|are} needed.",
    "unit space: item %(text_item)s of part %(text_part)s is not a finite number; measure it again.",
    "unit space: the numbers are too large to be squared; measure them in a larger unit.",
    (
        "unit space: %(number)s of %(number_all)s item{|s} never vary among the good parts (first: item "
        "%(text_item)s); a constant item has no distance."
    ),
    "Remove such items.",
    "option `learn_defects`: %(number)s defective parts to learn from; at least %(number_needed)s is needed.",
    "Add some, or leave the option out.",
    (
        "option `learn_defects`: nothing marks the defect of %(text_id)s, so that nobody knows which of its tiles "
        "show it; give it boxes or a mask, or leave `tile_px` out."
    ),
    (
        "option `learn_defects`: what is marked in %(number)s defective picture{|s} lies beyond what is looked at;"
        " mark what the network sees, or leave the option out."
    ),
    "option `%(text_option)s` does nothing with a table of numbers; leave it out.",
    "option `%(text_option)s` does nothing with base %(text_base)s, a run; leave it out.",
    "option `choose_layers`: base %(text_base)s has no layers of one size to choose among; name them.",
    (
        "option `limit` %(text_limit)s: %(text_runs)s {has|have} learned from %(number)s of %(number_all)s good "
        "part{|s}, and other parts do not follow their law; take limit quantile or costs, or parts that it has not"
        " seen."
    ),
    (
        "option `object` features: the first principal component of good parts does not tell the part from what "
        "surrounds it (%(text_why)s)."
    ),
    "Take brightness, a region of interest (`roi`), or leave the option out.",
    (
        "item selection: %(number)s good training part{|s}; at least %(number_needed)s are needed, to choose by "
        "some and to confirm with the others."
    ),
    (
        "item selection: %(number)s good training part{|s}, all that there are, {is|are} of group %(text_group)s, "
        "and a group is not divided between parts that choose and parts that confirm."
    ),
    "Add good ones of another group, or leave out --select-items.",
    (
        "item selection: of %(number)s good training part{|s} %(number_held)s are held out to confirm by, and some"
        " are needed on both sides."
    ),
    "Set --confirm-share nearer to one half, add good ones, or leave out --select-items.",
    "Set --confirm-share nearer to one half, add good ones of other groups, or leave out --select-items.",
    (
        "item selection: %(number)s defective training part{|s}; at least %(number_needed)s are needed, to choose "
        "by some and to confirm with the others."
    ),
    (
        "item selection: %(number)s defective training part{|s}, all that there are, {is|are} of group "
        "%(text_group)s, and a group is not divided between parts that choose and parts that confirm."
    ),
    "Add defective ones of another group, or leave out --select-items.",
    (
        "item selection: of %(number)s defective training part{|s} %(number_held)s are held out to confirm by, and"
        " some are needed on both sides."
    ),
    "Set --confirm-share nearer to one half, add defective ones, or leave out --select-items.",
    "Set --confirm-share nearer to one half, add defective ones of other groups, or leave out --select-items.",
    "Add some, or leave out --select-items.",
    "item selection: there is only one item; nothing can be left out.",
    "item selection: the items are collinear; set a ridge above 0, or remove items that repeat others.",
    (
        "%(number)s good part{|s} cannot show the %(number_quantile)s quantile of their scores; give at least "
        "%(number_needed)s, or ask for a quantile nearer to one half."
    ),
    "a threshold by good parts alone needs some; give at least %(number)s.",
    "a confidence of %(text_confidence)s is impossible; give one between 0 and 1, such as 0.95.",
    "a quantile of %(text_quantile)s is impossible; give one between 0 and 1, such as 0.99.",
    (
        "costs need scored OK and defective parts for a threshold, and there are %(number_good)s and "
        "%(number_bad)s; add those of the missing kind."
    ),
    "a defect rate of %(text_rate)s leaves nothing to decide; give one between 0 and 1.",
    "the cost of %(text_name)s is %(text_price)s; give a finite number that is not negative.",
    (
        "χ² assumes an exactly known unit space, and %(number)s good part{|s} cannot make it so; give at least "
        "%(number_least)s, or take a quantile of good parts."
    ),
    (
        "Hotelling's F of %(number)s item{|s} needs at least %(number_least)s good part{|s}; there {is|are} "
        "%(number_had)s."
    ),
    (
        "%(number)s good part{|s} cannot show with confidence %(number_confidence)s what %(number_share)s of them "
        "stay below; give at least %(number_least)s."
    ),
    "%(number)s good part{|s} that it did not learn from {is|are} too few for a scale; %(number_needed)s are needed.",
    "good parts that it did not learn from have all the same distance, which is no scale.",
    (
        "item selection: %(number)s good training part{|s} that %(text_runs)s {has|have} not learned from; at "
        "least %(number_needed)s are needed, to choose by some and to confirm with the others."
    ),
    (
        "item selection: %(number)s defective training part{|s} that %(text_runs)s {has|have} not learned from; at"
        " least %(number_needed)s are needed, to choose by some and to confirm with the others."
    ),
    "Add good parts or set a ridge.",
    "unit space: item %(text_item)s follows from the items before it; remove it.",
    (
        "unit space: %(number)s relation{|s} hold between the items, and the adjugate is 0 where more than one "
        "does; remove items that repeat others, or take the MT method with a ridge or the pseudo-inverse."
    ),
    "item selection: a defective part holds a number that is not finite; leave it out.",
    (
        "no law is known of this space's distances, for it was saved by an earlier version, or judges a relation "
        "that all good parts keep; take a quantile of good parts, or costs."
    ),
    (
        "Hotelling's F holds without a ridge alone, and %(text_ridge)s is used; set ridge 0 or take the pseudo-"
        "inverse, or another limit."
    ),
)
