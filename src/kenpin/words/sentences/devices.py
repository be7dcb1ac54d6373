"""Why a source gives no pictures, and why a sink is not told."""

SENTENCES = (
    "%(text_place)s: cannot be written to (%(told_why)s); it is tried again by itself.",
    "%(text_place)s: the controller was not told (%(told_why)s); it is tried again by itself.",
    "%(text_place)s: the broker cannot be told (%(told_why)s); it is tried again by itself.",
    "%(text_place)s: the topic has more than %(number_most)s bytes.",
    "%(text_place)s: takes %(number_most)s bytes at most, and these are %(number_bytes)s.",
    "%(text_place)s: breaks off on the message to %(text_topic)s (%(told_why)s).",
    "%(text_place)s: refuses the message to %(text_topic)s (%(told_why)s).",
    "%(text_place)s: cannot be sent the message (%(told_why)s).",
    "%(text_place)s: the server was not told (%(told_why)s); it is tried again by itself.",
    "%(text_place)s: the server refuses a value (%(told_why)s).",
    "node %(text_node)s: is of type %(text_type)s, which cannot hold %(text_what)s; it needs %(names_types)s.",
    "%(text_place)s: cannot be reached (%(told_why)s); it is tried again by itself.",
    "%(text_place)s: does not answer within %(number_seconds)s s; it is tried again.",
    "%(text_place)s: %(told_why)s; name the plant's certificates by `ca_file`.",
    "%(text_place)s: answers %(text_answer)s, and no redirect is followed; set `url` to the final address.",
    "%(text_place)s: answers %(text_answer)s; check `url` and `token_file`, it is tried again by itself.",
    "%(text_place)s: answers %(text_answer)s; it is tried again by itself.",
    "%(text_place)s: answers %(text_answer)s.",
    "%(text_place)s: there is no picture in it; choose another.",
    "%(text_place)s: cannot be read (%(told_why)s); it is tried again by itself.",
    "%(text_place)s: cannot be read (%(told_why)s); copy the video there.",
    "%(text_place)s: its frames have more than %(number_most)s pixels; make it smaller.",
    "%(text_place)s: it has ended; it is opened again by itself.",
    (
        "%(text_part)s: its files, %(number)s, have %(number_bytes)s bytes, more than the %(number_most)s of "
        "`part_bytes`; take away what is not of this part, or raise that limit."
    ),
    "It waits behind an earlier message about the same part.",
)
