"""What trainings and updates note: of splits, of what was left out, and of how the training went."""

SENTENCES = (
    "Looks at pictures as base %(text_run)s does: %(text_options)s.",
    (
        "base %(text_run)s keeps %(text_kept)s pixels a millimetre; sizes are by the %(text_given)s that were given in "
        "their place."
    ),
    "No split is named test: the weights that ship were chosen on the pictures that they are measured on here.",
    "No split is named test: the threshold was chosen on the pictures that it is measured on here.",
    (
        "No split is named test: these pictures chose the threshold. Each verdict here is by one that was chosen "
        "without the picture, in %(number_folds)s folds."
    ),
    "No split is named test: the threshold was chosen on the parts that it is measured on here.",
    (
        "No split is named test: these parts chose the threshold. Each verdict here is by one that was chosen "
        "without the part, in %(number_folds)s folds."
    ),
    "A part is judged by %(phrase_views)s: the worst of them decides.",
    "%(number)s training picture{|s} {is|are} of %(number_parts)s part{|s}.",
    "No split is named test: good parts are judged here by fits without them, by the kept threshold.",
    "The weights that ship were chosen by these pictures too: expect somewhat worse figures on others.",
    (
        "%(number_chosen)s of the %(number_all)s picture{|s} that decide here chose the best weights of "
        "%(text_runs)s too: expect somewhat worse figures on others."
    ),
    "No split is named validation: %(number)s of the training pictures were kept for it (%(phrase_how)s).",
    "Split %(text_split)s was left out, as asked: this run has not looked at its pictures.",
    "%(number)s picture{|s} without %(phrase_annotation)s {was|were} left out.",
    "%(number)s picture{|s} without a split {was|were} left out: the splits used are %(text_splits)s.",
    "%(number)s picture{|s} of split %(text_split)s {was|were} left out: the splits used are %(text_splits)s.",
    (
        "%(number_gone)s of the %(number_all)s validation picture{|s} {was|were} left out: %(phrase_seen)s, so "
        "they cannot show how good it is on parts that it has not seen."
    ),
    (
        "%(number_gone)s of the %(number_all)s test picture{|s} {was|were} left out: %(phrase_seen)s, so they "
        "cannot show how good it is on parts that it has not seen."
    ),
    (
        "%(number)s defective part{|s} on which nobody drew a box {was|were} left out: %(names)s; undo what was said "
        "of them in the review, draw their boxes, and freeze again."
    ),
    "No picture has a label, so all %(number)s are taken as good parts.",
    "No row has a label, so all %(number)s are taken as good parts.",
    "No picture of split %(text_splits)s has a label, so all %(number)s are taken as good parts.",
    "No row of split %(text_splits)s has a label, so all %(number)s are taken as good parts.",
    "A part without a box is good; name the classes that are no defects with --ok-labels.",
    "Good parts are those of class %(text_classes)s, by its name.",
    "Good parts are those of class %(text_classes)s too: %(text_ours)s to this run.",
    "No class is named like a good part, so nothing is judged; name the good ones with --ok-labels.",
    "Augmentation: %(phrase_off)s are off because %(phrase_reason)s; allow them with a class map or `same`.",
    "%(number_trained)s of %(number_all)s parameters train (%(number_share)s %%).",
    "Arithmetic in %(text_format)s, which %(told_device)s computes natively.",
    "Arithmetic in %(text_format)s, as asked.",
    "Arithmetic in %(text_format)s, as asked although %(told_device)s computes %(text_best)s natively.",
    "The pictures' features are computed once and kept on disk: the network of the features is not trained.",
    "The training itself was done before the interruption; the steps after it are done now.",
    "%(number_done)s of %(number_all)s step{|s} {was|were} trained.",
    (
        "%(number_done)s of %(number_all)s step{|s} {was|were} trained, best validation loss %(number_loss)s at "
        "step %(number_best)s."
    ),
    "Training stopped early.",
    "Training stopped early: no better since epoch %(number)s.",
    "The training was interrupted.",
    (
        "Layers %(text_layers)s: chosen by %(number_made)s defect{|s} made by the program in copies of "
        "%(number_parts)s good part{|s} that were held out. AUROC on made defects by layers: %(text_each)s. The "
        "largest is flattered by the choice, and which layers find real defects best is unknown."
    ),
    (
        "Made defects: %(phrase_each)s. These are figures of defects made by the program, in copies of good parts "
        "that were held out: they do not say how many real defects are found."
    ),
    (
        "Made defects: %(phrase_each)s. These are figures of defects made by the program, in copies of good parts "
        "that were held out, and the threshold was chosen by them, which makes them better still: they do not say "
        "how many real defects are found."
    ),
    "Trimmed fit: none of %(number)s part{|s} taken for good lies apart from the others; all are learned from.",
    (
        "Trimmed fit: %(number_left)s of %(number_all)s part{|s} taken for good (at most %(number_share)s were to "
        "be) lie apart from the others, and are left out of fit and threshold: %(phrase_named)s. Look at them: a "
        "good part among them is one that the run does not know."
    ),
    (
        "Of the %(number_k)s cases nearest to each of %(number)s held-out wanted case{|s}, %(number_before)s were "
        "wanted cases of the same label before the training and %(number_after)s are now: %(text_change)s."
    ),
    "No wanted case could be held out, so what the training gains for a search is not measured.",
    (
        "The run that made the library's embeddings is no longer in %(text_run)s, so it is unknown which cases it "
        "has learned from, and what the training gains for a search is not measured."
    ),
    (
        "%(text_run)s made the library's embeddings and has learned from every wanted case that was held out, so "
        "what the training gains for a search is not measured."
    ),
    "%(number)s case{|s} {was|were} left out: fewer than %(number_least)s POSITIVE cases have such a label.",
    "%(number)s case{|s} {was|were} left out, without a note or a label.",
    "%(number)s case{|s} {was|were} left out: the picture was moved or changed.",
    (
        "%(number_pictures)s picture{|s} in %(number_tiles)s tile{|s} of %(number_width)s × %(number_height)s "
        "pixels to learn from."
    ),
    "Updated from %(text_run)s: %(number)s good part{|s} added to those that it knows.",
    (
        "The figures of %(text_run)s are of its space before the update; measure this run on the same parts again "
        "with kenpin evaluate. Parts that it took now are held out no more."
    ),
    "%(number)s picture{|s} {was|were} left out: %(text_run)s knows {it|them}.",
    "%(number)s picture{|s} {was|were} left out: copies of others of them.",
    "The doctor warns: %(told_finding)s.",
    "%(text_run)s passes all of them as it is.",
    (
        "%(text_run)s as it is does not pass %(number)s of them; look whether they are good, since each makes the "
        "space wider: %(text_names)s."
    ),
    (
        "%(number_seen)s of these %(number_all)s picture{|s} {was|were} left out: the inspector, or a run below "
        "it, has learned from them or was chosen by them."
    ),
    (
        "Not held out: the inspector, or a run below it, has learned from %(number_seen)s of these %(number_all)s "
        "picture{|s} or was chosen by them, so the figures show what it remembers and promise nothing for parts "
        "that it has not seen."
    ),
    (
        "An earlier kenpin trained this run and recorded only its own training pictures: figures on pictures that "
        "it was chosen by, or that a run below it has learned from, are too good."
    ),
    "%(number)s part{|s} {was|were} left out, the same picture was settled differently: %(names)s.",
    "%(number)s part{|s} {was|were} left out, its picture is not kept any more: %(names)s.",
    "%(number)s part{|s} {was|were} left out, its file cannot be opened as a picture: %(names)s.",
    "%(number)s part{|s} {was|were} left out, copies of other parts' pictures: %(names)s.",
    "%(number)s part{|s} {was|were} left out, it has other views than most parts: %(names)s.",
    "%(number)s part{|s} {was|were} left out, a picture of it is that of another view or part: %(names)s.",
    (
        "All views of %(number)s defective part{|s} have its class, as people say of a part what it is, and not of a "
        "view."
    ),
    "Boxes are learned picture by picture: each view is a picture of its own.",
    (
        "%(number)s view{|s} of defective parts on which nobody drew a box {was|were} left out: nobody said that "
        "nothing is to be seen there."
    ),
    "%(number)s part{|s} that passed {is|are} named like a defect, and taken as %(text)s: %(names)s.",
    (
        "Of %(number_all)s test part{|s} %(number)s {is|are} drawn at random and the others chosen for review, by "
        "doubt and cost: they compare inspectors with one another, and are not the line's usual parts."
    ),
)
