"""What families note of what they learned, and what their maps show."""

SENTENCES = (
    "Each network has a head of its own, and the mean of their probabilities counts: %(text_names)s.",
    "The %(text_kind)s head was fitted on %(number_features)s frozen feature{|s} of %(number)s picture{|s}.",
    "The %(text_kind)s head was fitted on %(number_features)s frozen feature{|s} of %(number)s tile{|s}.",
    "%(number)s augmented {copy|copies} of each {was|were} learned from as well: %(phrase_how)s.",
    (
        "Its probabilities are overconfident: %(text_runs)s {has|have} learned from nearly all of these pictures, "
        "and the sigmoid that turns decisions into probabilities was fitted to them too."
    ),
    "Pictures are compared within a batch: accumulated batches only average the gradient.",
    (
        "A picture is compared with the nearest %(number_nearest)s reference{|s} of each class; %(number_kept)s "
        "training picture{|s} {is|are} kept for that."
    ),
    "The longest answer takes %(number_longest)s of %(number_room)s token{|s}.",
    (
        "%(number_cut)s of %(number_all)s answer{|s} {is|are} longer than the %(number_room)s token{|s} allowed, "
        "the longest has %(number_longest)s: the rest is not learned. Cut the pictures into tiles, or raise the "
        "number of tokens."
    ),
    (
        "%(number)s answer{|s} {is|are} longer than the %(number_room)s token{|s} allowed, the longest has "
        "%(number_longest)s; raise --max-new-tokens."
    ),
    "Pictures without a question of their own are asked: %(text_question)s",
    "The processor of %(text_base)s cuts pictures to squares: the ends of long ones are not seen.",
    "The unit space holds %(phrase_held)s and %(number_items)s item{|s}, ridge %(number_ridge)s.",
    "The unit space holds %(phrase_held)s and %(number_items)s item{|s}, rank %(number_rank)s.",
    "The unit space holds %(phrase_held)s and %(number_items)s item{|s}, by the adjugate.",
    (
        "The unit space holds %(phrase_held)s and %(number_items)s item{|s}, by the adjugate, which judges the one "
        "relation they keep."
    ),
    (
        "The unit space holds %(phrase_held)s and %(number_items)s item{|s}, as sensitivity and deviation from "
        "their mean pattern."
    ),
    "%(number)s item{|s} without variation {was|were} left out.",
    (
        "%(number_rows)s × %(number_columns)s cells of %(phrase_held)s, %(phrase_spaces)s: %(number_items)s "
        "item{|s}, mean ridge %(number_ridge)s."
    ),
    (
        "%(number)s networks look at each picture and decide together, each by how much farther it finds a cell than "
        "the farthest of a good part usually is: %(text_names)s."
    ),
    (
        "By the first principal component of their items %(number_share)s of the cells of good parts show the part; "
        "what surrounds it is not looked at."
    ),
    (
        "Item selection by %(number_defective)s defective part{|s} in %(number_runs)s run{|s} keeps "
        "%(number_kept)s of %(number_items)s item{|s}. On %(number_good)s good and %(number_held)s defective "
        "part{|s} held out, AUROC is %(number_with)s with these and %(number_all)s with all (%(number_change)s). "
        "Dropped, the least gain first: %(text_names)s."
    ),
    (
        "Item selection by %(number_defective)s defective part{|s} in %(number_runs)s run{|s} keeps "
        "%(number_kept)s of %(number_items)s item{|s}. On %(number_good)s good and %(number_held)s defective "
        "part{|s} held out, AUROC is %(number_with)s with these and %(number_all)s with all (%(number_change)s, 95 "
        "%% interval %(number_low)s to %(number_high)s). Dropped, the least gain first: %(text_names)s."
    ),
    (
        "Item selection by %(number_defective)s defective part{|s} in %(number_runs)s run{|s} keeps "
        "%(number_kept)s of %(number_items)s item{|s}. On %(number_good)s good and %(number_held)s defective "
        "part{|s} held out, AUROC is %(number_with)s with these and %(number_all)s with all (%(number_change)s). "
        "That loss is more than chance, so all items are kept."
    ),
    (
        "Item selection by %(number_defective)s defective part{|s} in %(number_runs)s run{|s} keeps "
        "%(number_kept)s of %(number_items)s item{|s}. On %(number_good)s good and %(number_held)s defective "
        "part{|s} held out, AUROC is %(number_with)s with these and %(number_all)s with all (%(number_change)s, 95 "
        "%% interval %(number_low)s to %(number_high)s). That loss is more than chance, so all items are kept."
    ),
    "attention relevant for %(text_label)s",
    "attention of the class token, prediction %(text_label)s",
    "speaks for %(text_label)s",
    "shares of the logit of %(text_label)s",
    "shares of the cosine %(number)s",
    "shares of the distance %(number)s D²/k",
    "D²/k",
    "Grad-CAM",
    "distance from good parts",
    "attention for %(text_label)s",
    "share of a cell",
    "relevance",
    "%% of the attention",
)
