"""What a station refuses on its pages: of parts, reviews, data sets, trainings, versions and accounts."""

SENTENCES = (
    "the station could not do this; its log says why.",
    "there is no such part; the address may be of another station.",
    "you look at this part without what runs say of it; say what it is, and its record is here.",
    "you look at this part without what runs say of it; say what it is, and its map is here.",
    "product %(text_product)s: name one of %(names_known)s.",
    "%(text_name)s has %(number_most)s streams of events open; close pages, and load again.",
    "%(number_most)s streams of events are open; close pages, and load again.",
    (
        "%(text_part)s: was judged as %(text_product)s; only a part that came without a product and is near none "
        "is assigned to one."
    ),
    "%(text_part)s: people have settled it as %(text_product)s; undo that first.",
    "%(told_why)s; send it again later.",
    "many pictures are being opened at this moment; load it again in a few seconds.",
    "%(text_part)s: %(told_why)s. Inspect the part yourself.",
    "%(text_product)s: the station is closing; send the part again when it is back.",
    "option `%(text_name)s`: the station sets it; leave it out.",
    "a test share of %(number_share)s leaves nothing to learn from or to test on; give one between.",
    "data set: no reviewed part is left to learn from; review some first.",
    "data set: nobody drew a box on any part; draw some in the review, or freeze classes.",
    "data set: parts that failed are of class %(text_class)s; give them the class of their defect.",
    "part %(text_part)s: is not settled; freeze parts that people passed or failed.",
    "%(text_file)s: its schema is %(text_schema)s, this kenpin reads %(number_read)s; freeze it again.",
    "%(text_file)s: is not what was frozen; restore it from a copy, or freeze the parts again.",
    "%(text_file)s: is not as it was frozen; restore it from a copy, or freeze the parts again.",
    (
        "%(text_file)s: is not the picture of part %(text_part)s that was settled; restore it from a copy, or "
        "leave the part out."
    ),
    "there is no such job; its number is one of the list.",
    "there is no job %(number_job)s; take one of the list.",
    "%(text_file)s: is of another version of kenpin; remove the folder of the job.",
    "job %(number_job)s: is %(phrase_state)s and cannot be cancelled.",
    "job %(number_job)s: is %(phrase_state)s, and there is nothing to resume.",
    "the forecast took more than %(number_seconds)s s; take a smaller base or fewer pictures.",
    "%(text_folder)s: its disk has %(number_free)s GB left, and a training needs %(number_needed)s GB; free some.",
    (
        "%(text_run)s: is of family %(text_family)s, and the version that judges has no run of it; train one of "
        "the kind that it has, or set up another product with it."
    ),
    "data set %(text_name)s: %(text_product)s has none of this name; freeze one.",
    "family %(text_family)s: is not trained here; take one of %(names_known)s.",
    "%(text_product)s: no version of it judges, so that there is nothing to chart.",
    "a reference needs a reason; write why the line was as it should be then.",
    "a reason has at most %(number_most)s letters; shorten it.",
    "a reference lies in the past, from its beginning to its end; choose such moments.",
    (
        "version %(number_version)s judged %(number_found)s part{|s} in that time; a reference has "
        "%(number_least)s to %(number_most)s."
    ),
    "Choose another time.",
    "a reference has %(number_least)s to %(number_most)s parts, and not %(number_parts)s.",
    "the running version has judged %(number_count)s part{|s}; choose fewer, or wait.",
    "a message is given up for a reason; write one.",
    "sink %(text_sink)s: message %(number_position)s is put aside no more; look at those that are.",
    "a token has no password.",
    "a token has no account.",
    "the account is gone.",
    "product %(text_product)s: the station has none of this name.",
    "this needs your password once more; type it, and then repeat the change.",
    "there is no such form of a data set.",
    "job %(number_job)s: has said nothing yet.",
    "job %(number_job)s: was compared with nothing.",
    "there is no such decision.",
    "there is no such training; its number is one of the list.",
    "the part has no map.",
    "the part's map was removed.",
    "the part's picture was removed, or could not be kept.",
    "the part's file is not a picture that can be opened.",
    "filter: %(text_given)s is not a verdict; take PASS, FAIL or REVIEW.",
    "filter: %(text_given)s is not a number.",
    "filter: %(text_given)s is not a date and time.",
    "filter: %(text_name)s is %(text_given)s, which no part has; leave it out.",
    "there is no such deed.",
    "there is no such change of an account.",
    "quality: %(text_days)s days; take one of %(names_days)s.",
    "reference: %(text_given)s is not a number of parts.",
    "reference: %(text_given)s is not a date and time.",
    "review: %(text_given)s is nothing that can be said of a part.",
    "the files are being checked for somebody already; ask again when that has ended.",
    "marks: are %(number_count)s letters, more than the %(number_most)s that may be; draw fewer.",
    "marks: are not a list; draw them on the page.",
    "marks: are not JSON (%(text_why)s); draw them on the page.",
    "marks: are %(number_count)s, and a part has at most %(number_most)s; draw fewer, or a region.",
    "marks: the part has no picture to draw them on; say without them what it is.",
    "marks: have more than %(number_most)s corners together; draw simpler regions.",
    "mark %(number_mark)s: is neither a box nor a region with its class; draw it on the page.",
    "mark %(number_mark)s: its class is not a text; choose one of the line's classes, or none.",
    (
        "mark %(number_mark)s: %(text_label)s is none of the classes that the line tells apart; choose one of "
        "them, or none."
    ),
    "mark %(number_mark)s: a box has four numbers, left, top, right and bottom; draw it again.",
    "mark %(number_mark)s: has more than %(number_most)s corners; draw a simpler region.",
    "mark %(number_mark)s: a region has x and y of at least three corners; draw it again.",
    "mark %(number_mark)s: holds something that is no pixel of a picture; draw it again.",
    "mark %(number_mark)s: %(phrase_hindrance)s; draw it again.",
    "version %(number_version)s of %(text_product)s is %(phrase_state)s already, by %(text_person)s.",
    "a decision about a version needs a reason; write one.",
    "version %(number_version)s of %(text_product)s does not exist; take one of %(names_known)s.",
    "version %(number_version)s of %(text_product)s is %(phrase_state)s; only an approved one judges.",
    "%(text_folder)s: this version exists already; take the next number.",
    "%(text_file)s: version %(number_version)s of %(text_product)s is gone; restore it from a copy.",
    "%(text_run)s: no such run; name a folder that `kenpin train` or `kenpin export` wrote.",
    (
        "the name %(text_name)s is not one that an account can have; take 1 to 64 of a to z, A to Z, 0 to 9, "
        "dot, underline, @ and -, a letter or digit first and last, and none of %(names_reserved)s."
    ),
    (
        "the display name has %(number_has)s character{|s}, or some that are not seen; take 1 to %(number_most)s "
        "of any script."
    ),
    "%(text_name)s is the last account with the role admin; give it to another one first.",
    "there is an account %(text_name)s already; choose another name.",
    "the body of this request was refused.",
    "nobody is signed in; sign in, or send a token as `Authorization: Bearer TOKEN`.",
    "the token has no rights; give it some of %(names_rights)s.",
    "a token cannot have the right %(text_right)s, for decisions are people's; it may have %(names_rights)s.",
    "there is or was a token %(text_name)s already; choose another name.",
    "%(text_person)s started this and may not approve it; ask another person with the right %(text_right)s.",
    "%(text_person)s may not do this: it takes the right %(text_right)s; ask somebody who administers the station.",
    "page: %(text_given)s is no beginning of a page; take the one that the page before names.",
    "tallies: do not tell scores, ids and reviewers; leave them out of the filter.",
    "%(text_place)s: holds another part than the store says; fill the store again by `kenpin station rebuild`.",
    "%(text_file)s: is gone; restore it from a copy.",
    "%(text_file)s: is not what a station wrote; restore it from a copy.",
    "data set: parts cannot be told apart by %(text_form)s; give the form another name.",
    (
        "data set: a part by several pictures has its boxes on one of them, so that none teaches where the others are "
        "defective; freeze classes."
    ),
    "the part has no view %(text_view)s; its page shows those that it has.",
)
