"""Why a training refuses its data or its options, or ends."""

SENTENCES = (
    "option `rotate_degrees`: boxes do not turn with a picture; leave it out.",
    "option `%(text_option)s`: an answer may say where something is; leave it out.",
    (
        "option `%(text_option)s`: a flip can turn one class into another; give a class map such as %(text_map)s "
        "in a YAML file, or `same` if no class changes."
    ),
    (
        "option `%(text_option)s`: a flip can turn one class into another (here %(text_pairs)s); give a class map "
        "such as %(text_map)s in a YAML file, or `same` if no class changes."
    ),
    (
        "option `%(text_option)s`: the class map lacks %(text_classes)s; give the class that each becomes, or "
        "`%(text_forbid)s`."
    ),
    "option `%(text_option)s`: %(text_class)s is not a class of this data set; %(told_remedy)s",
    (
        "option `%(text_option)s`: %(text_label)s becomes %(text_becomes)s, but %(text_this)s becomes "
        "%(text_that)s; mirroring twice must give the class back. Correct the class map."
    ),
    (
        "%(text_run)s: an earlier kenpin trained it, and did not record all that it learned from, so that no "
        "picture can be held out from it; train it again, and export it again where it is an export."
    ),
    (
        "option `by`: %(text_family)s predicts %(text_what)s of single pictures, which have no worst view; leave "
        "--by %(text_by)s out, or train classifier, embedder or mahalanobis."
    ),
    "option `by`: a row of a table is a part already; leave --by %(text_by)s out.",
    (
        "option `by`: a law of the distance is one of single pictures, and the worst of several lies above it more"
        " often; take --limit costs or quantile, or leave --by %(text_by)s out."
    ),
    (
        "option `by`: defects are made in single pictures, and say nothing of the worst of several; leave --made-"
        "defects out, or leave --by %(text_by)s out."
    ),
    (
        "option `by`: --trim leaves single pictures out, and a part lacks a view then; do without, or leave --by "
        "%(text_by)s out."
    ),
    (
        "part %(text_part)s: a picture of it names no view, and pictures of other parts do; name the view of each "
        "picture, or of none."
    ),
    (
        "parts by %(text_by)s: no set of views is that of more than half of the %(number)s part{|s}, the most "
        "common ones are %(text_shown)s; the worst view of a part judges it, so that parts must have the same "
        "views: add those that are missing, or leave such parts out."
    ),
    "parts by %(text_by)s: most parts have several pictures of view %(text_view)s; give each view a name of its own.",
    "option `by`: no picture of %(text_where)s has a column %(text_by)s; %(told_remedy)s",
    "Or give the form of file names, such as {part}_{view}.",
    (
        "base %(text_base)s: its %(number)s million weights alone take %(text_size)s and %(text_room)s of main "
        "memory can be had; take a --base of less than %(number_most)s million."
    ),
    (
        "weights, gradients and optimiser states alone take %(text_size)s and %(text_device)s has room for "
        "%(text_room)s; train less of the network with another --tuning, whose weights take %(text_weights)s, or a"
        " smaller --base; --dry-run tells what fits."
    ),
    (
        "%(text_device)s has no room for steps on %(number)s picture{|s}; --dry-run tells under which options "
        "there is, such as a smaller --batch-size with --accumulate."
    ),
    "made defects say nothing of how many parts are defective; give option `defect_rate`.",
    "option `made_defects` does nothing with a table of numbers; leave it out.",
    (
        "option `made_defects`: %(number)s of the %(number_all)s picture{|s} that decide are defective, and real "
        "defects decide better than made ones; leave it out."
    ),
    "%(text_where)s: no training picture can be held out; add pictures.",
    "%(text_where)s: all %(number)s training picture{|s} that may be held out are the same picture; add others.",
    (
        "%(text_where)s: no split is named validation, and %(number)s training picture{|s} of class "
        "%(text_class)s, all that there are, {is|are} of group %(text_group)s, which is held out as a whole; add "
        "pictures of %(text_class_again)s of another group, or name a validation split."
    ),
    "%(text_where)s: there is neither a validation picture nor a fold to decide by.",
    "no split is named validation, and what holding out 1 of %(number)s fold{|s} leaves is too little: %(told_why)s",
    (
        "no split is named validation, and keeping %(number_kept)s of %(number)s training picture{|s} for it "
        "leaves too little: %(told_why)s"
    ),
    "option `calibrate`: family %(text_family)s gives no scores to calibrate; leave it out.",
    "option `ok_labels` names every class, so that no part is defective; leave the defects out.",
    "option `ok_labels` names no class; name the good ones, or leave it out.",
    "option `ok_labels`: no picture is of class %(text_class)s; %(told_remedy)s",
    "option `leave_out`: %(text_where)s has no split %(text_split)s; its splits are %(text_splits)s.",
    (
        "%(text_where)s: every validation picture is a training picture too, byte for byte; remove them from one "
        "of the two, or leave the split out."
    ),
    (
        "split %(text_split)s holds %(text_held)s, of which there is no training picture; add some, or leave these"
        " pictures out."
    ),
    (
        "step %(number)s: the embedder has collapsed, %(text_what)s; start again with --overwrite and a lower "
        "--learning-rate, another --objective or --miner, or more --pictures-per-class."
    ),
    (
        "%(text_where)s: %(text_runs)s {has|have} learned from or been chosen by %(number_seen)s of the %(number)s"
        " %(phrase_role)s, so that %(number_left)s are left to decide by and to measure on; %(phrase_lacking)s are"
        " missing."
    ),
    "Add pictures that it has not seen or train it again without a split, with --leave-out.",
    (
        "Add pictures that it has not seen or train it again without a split, with --leave-out; or decide by "
        "pictures that it was chosen by, --decide-by chosen."
    ),
    (
        "Add pictures that it has not seen, give --folds whole, which trains all of it again for each fold, or "
        "train it again without a split, with --leave-out."
    ),
    (
        "Add pictures that it has not seen, give --folds whole, which trains all of it again for each fold, or "
        "train it again without a split, with --leave-out; or decide by pictures that it was chosen by, --decide-"
        "by chosen."
    ),
    (
        "%(text_where)s: its pictures to learn from have no label and are taken as good parts, but no class of the"
        " others (%(text_classes)s) is named like a good part; name the good ones with --ok-labels."
    ),
    (
        "%(text_where)s: no picture with %(text_what)s to learn from (splits: %(text_splits)s); annotate pictures,"
        " or name a split train."
    ),
    (
        "%(text_where)s: all training pictures (%(number)s) are of class %(text_class)s, and %(text_family)s "
        "learns what sets classes apart; add pictures of another, or train %(text_others)s, which needs good parts"
        " alone."
    ),
    (
        "%(text_where)s: none of the %(number)s training picture{|s} (%(text_each)s) is %(text_named)s; name the "
        "good classes with --ok-labels."
    ),
    "%(text_where)s: %(number)s good part{|s}; %(number_fewest)s are needed to learn from: add %(number_more)s.",
    (
        "%(text_where)s: %(number)s good part{|s}; %(number_fewest)s are needed to learn from: add "
        "%(number_more)s, or name further good classes with --ok-labels."
    ),
    (
        "%(text_where)s: %(number)s good part{|s}; %(number_fewest)s are needed to learn from: add "
        "%(number_more)s, or take --where pooled or neighbours, for which %(number_enough)s are enough."
    ),
    (
        "%(text_where)s: %(number)s good part{|s}; %(number_fewest)s are needed to learn from: add "
        "%(number_more)s, or name further good classes with --ok-labels, or take --where pooled or neighbours, for "
        "which %(number_enough)s are enough."
    ),
    (
        "%(text_where)s: there is %(number)s picture{|s} to learn from, and one more must be kept for validation; "
        "add pictures, or name a validation split."
    ),
    (
        "%(text_where)s: %(number)s training picture{|s}, all that there are, {is|are} of group %(text_group)s, so"
        " that none can be kept for validation; add parts of another group, name a validation split, or leave out "
        "the groups."
    ),
    (
        "%(text_where)s: %(text_share)s of %(number)s picture{|s} to learn from is less than one for validation or"
        " for training; add pictures, or set --validation-share %(number_share)s."
    ),
    "%(text_where)s: none of the training pictures has a box; there is nothing to learn.",
    (
        "%(text_where)s: class %(text_class)s has %(number_few)s of %(number)s training picture{|s}, and "
        "%(text_family)s learns each class from %(number_fewest)s at least; add %(phrase_missing)s, or leave out "
        "the pictures of {this class|these classes}."
    ),
    (
        "%(text_where)s: classes %(text_class)s have %(text_few)s of %(number)s training picture{|s}, and "
        "%(text_family)s learns each class from %(number_fewest)s at least; add %(phrase_missing)s, or leave out "
        "the pictures of {this class|these classes}."
    ),
    "%(text_id)s: class %(text_class)s is not among %(text_labels)s; correct its label or leave it out.",
    "training pictures of each class: %(text_counts)s; a classifier needs at least two classes of two pictures.",
    (
        "%(text_where)s: %(number)s of %(number_all)s picture{|s} %(phrase_what)s, the first is %(text_first)s; "
        "give each picture its part, or leave these out."
    ),
    (
        "%(text_where)s: %(number)s fold{|s} need at least %(number_least)s picture{|s} of each class, but there "
        "{is|are} only %(number_had)s; add pictures, or a validation split."
    ),
    (
        "%(text_where)s: %(number)s fold{|s} need at least %(number_least)s picture{|s} of each class and as many "
        "groups, but there {is|are} only %(number_had)s; add pictures, or a validation split."
    ),
    "%(text_where)s: it holds pictures, and this model judges rows of a table.",
    "%(text_where)s: it is a table of numbers, and this model looks at pictures; train mahalanobis on it.",
    (
        "%(text_where)s: the inspector, or a run below it, has learned from all of these %(number)s picture{|s} or"
        " was chosen by them, so they cannot show how good it is on others; give some that it has not seen, or "
        "measure what it remembers with --with-seen."
    ),
    (
        "%(text_id)s: is of class %(text_class)s, and nothing marks the defect, so that nobody knows which of its "
        "tiles show it; give it boxes or a mask, or train mahalanobis, which needs good parts alone."
    ),
    (
        "%(text_id)s: the mask has %(number_mask_width)s × %(number_mask_height)s pixels, its picture "
        "%(number_width)s × %(number_height)s; export it again."
    ),
    "%(text_where)s: no class is that of good parts, and tiles without a defect are of none; name it with --ok-labels.",
    (
        "%(text_where)s: pictures of part %(text_part)s are of split %(text_first)s and of %(text_other)s; {put "
        "all pictures of a part into one split|give a part one group}, or name parts that are different ones "
        "differently."
    ),
    (
        "%(text_where)s: pictures of part %(text_part)s are of group %(text_first)s and of %(text_other)s; {put "
        "all pictures of a part into one split|give a part one group}, or name parts that are different ones "
        "differently."
    ),
    (
        "%(text_where)s: its pictures have %(phrase_have)s and no %(phrase_lacking)s; train a family for "
        "%(phrase_families)s."
    ),
    (
        "%(text_where)s: none of its %(number)s {picture|pictures|row|rows} has %(phrase_annotation)s, and "
        "%(text_family)s learns from %(phrase_several)s; %(told_remedy)s, or train %(text_others)s, which needs "
        "good parts alone."
    ),
)
