"""Notes of evaluations: what a figure counts, and why another is missing."""

SENTENCES = (
    "No picture has the label of a good part (%(text_labels)s), so all are taken for defective.",
    "%(number)s picture{|s} got no score; where there is a threshold a person must look at them.",
    (
        "%(number)s piece{|s} of the answers {was|were} left out as not a valid box, such as “%(text_piece)s” of "
        "%(text_where)s."
    ),
    "%(number)s box{|es} got a class that the inspector was not trained on: false alarms of “%(text_class)s”.",
    (
        "The boxes have no scores to rank them by: there is no mAP and no curve, and every box counts in "
        "precision, recall and F1."
    ),
    (
        "Precision, recall, F1, misses and false alarms count the boxes with a score of %(number)s or more: the "
        "cut of best F1 on these pictures, so these figures are a little too good."
    ),
    "No true box is of class %(text_classes)s: how well such boxes are found is unknown.",
    "There {is|are} only %(number)s picture{|s} with boxes: the intervals of box measures are rough.",
    "%(number)s defective picture{|s} without a mask {was|were} left out of the pixel measures.",
    "There {is|are} only %(number)s picture{|s} with masked defects: the intervals of pixel measures are rough.",
    "No picture is labelled %(text_labels)s: how well such parts are found is unknown.",
    "%(number)s picture{|s} got no class and {was|were} left out of accuracy and confusion.",
    "The inspector gives only scores and there is no threshold, so how often it is right is unknown.",
    "Accuracy and confusion count a part in the review band as OK; the verdicts say where it goes.",
    "No class is marked as OK, so no part counts as defective: there is no AUROC and no verdict is scored.",
    "AUROC and average precision need scored OK and defective parts; there are %(number_good)s and %(number_bad)s.",
    ("There are only %(number_good)s OK and %(number_bad)s defective part{|s}: the intervals by resampling are rough."),
    "The score separates these parts perfectly, so resampling cannot show how far chance could change it.",
    "No threshold was given, so no part was passed or failed.",
    (
        "To prove an escape rate of at most %(number_rate)s %% (one-sided 95 %%), %(number_needed)s defective "
        "part{|s} must be judged without an escape; there {was|were} %(number_had)s."
    ),
    "%(number)s picture{|s} got an answer without words.",
    "Embeddings are compared among %(number)s sampled pictures.",
    (
        "%(number)s picture{|s} {is|are} alone of the class, so that no neighbour can be of it: {it is|they are} "
        "left out of the measures of neighbours."
    ),
)
