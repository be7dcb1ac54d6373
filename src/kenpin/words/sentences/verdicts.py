"""Why a part passes, fails or waits for a person, as its record says."""

SENTENCES = (
    "The inspector gave no score, so a person must look.",
    "The score %(number_score)s fails, as every score does: the scores do not separate good parts from defective ones.",
    "The score %(number_score)s reaches %(number_cut)s, from which parts fail.",
    "The score %(number_score)s lies below %(number_cut)s; no score passes, so a person must look.",
    "The score %(number_score)s lies from %(number_from)s to %(number_to)s, where a person must look.",
    "The score %(number_score)s lies below %(number_cut)s, up to which parts pass.",
    (
        "Of %(number_good)s good part{|s} held out in turn none scores as high: p = %(number_p)s, the smallest "
        "that so few can give."
    ),
    "Of %(number_good)s good part{|s} held out in turn none scores as high: p = %(number_p)s.",
    "Of %(number_good)s good part{|s} held out in turn %(number_high)s {scores|score} as high: p = %(number_p)s.",
    "It looks like %(text_label)s (probability %(number_chance)s).",
    "It looks like %(text_label)s.",
    "Most of the distance comes from %(names_items)s.",
    "It is that of view %(text_view)s, the worst of %(number_views)s.",
    "It is that of %(text_view)s, the worst of %(number_views)s.",
    "%(names_views)s {is|are} without a score, so a person must look.",
    "It has %(number_pictures)s picture{|s}, and parts are judged by %(number_views)s: a person must look.",
    "It came as %(number)s {picture|pictures}, and parts are judged by single ones: a person must look.",
    "%(phrase_wrong)s, and parts are judged by %(phrase_views)s: a person must look.",
    "Its name has not the form %(text_form)s, which tells part and view: a person must look.",
    "By the rule %(text_rule)s.",
    "No run decided, so a person must look.",
    "no rule on its regions holds.",
    "%(text_size)s at %(number_x)s, %(number_y)s px.",
    "%(text_size)s at %(number_x)s, %(number_y)s px, and %(number_more)s more.",
    "%(text_size)s at %(number_x)s, %(number_y)s px on view %(text_view)s.",
    "%(text_size)s at %(number_x)s, %(number_y)s px on view %(text_view)s, and %(number_more)s more.",
    "The runs failed on it: %(told_why)s",
    "The record cannot hold %(text_what)s: %(told_why)s",
    "%(phrase_what)s failed: %(told_why)s",
    "It came without a product, and no product could be measured, so a person must say which it is of.",
    "It came without a product; the nearest is %(text_product)s, %(number_times)s times as far as its usual good part.",
    (
        "It came without a product; the nearest is %(text_product)s, %(number_times)s times as far as its usual "
        "good part; the next, %(text_next)s, %(number_next)s times."
    ),
    (
        "It came without a product and is near none: the nearest is %(text_product)s, %(number_times)s times as "
        "far as its usual good part; %(number_limit)s is the limit."
    ),
    (
        "It came without a product and may be of two: %(text_product)s, %(number_times)s times as far as its "
        "usual good part, and %(text_next)s, %(number_next)s times; it could be a good part of the latter."
    ),
    (
        "It came without a product and may be of two: %(text_product)s, %(number_times)s times as far as its "
        "usual good part, and %(text_next)s, %(number_next)s times; %(number_margin)s must be between them."
    ),
    "%(text_size)s (cells of %(text_cell)s) at %(number_x)s, %(number_y)s px.",
    "%(text_size)s (cells of %(text_cell)s) at %(number_x)s, %(number_y)s px, and %(number_more)s more.",
    "%(text_size)s (cells of %(text_cell)s) at %(number_x)s, %(number_y)s px on view %(text_view)s.",
    (
        "%(text_size)s (cells of %(text_cell)s) at %(number_x)s, %(number_y)s px on view %(text_view)s, and "
        "%(number_more)s more."
    ),
    "%(text_run)s: %(known_reason)s",
)
