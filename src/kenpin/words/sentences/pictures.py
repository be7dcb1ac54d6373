"""What the doctor finds in single pictures, their boxes and outlines, and why a picture cannot be opened."""

SENTENCES = (
    "the name ends in %(text_suffix)s but the content is %(text_format)s",
    "Rename it; other programs go by the name and may refuse it",
    "the picture is stored turned or mirrored (EXIF orientation %(number)s)",
    "the picture is stored turned or mirrored (EXIF orientation %(number)s) and has boxes",
    "Nothing to do; it is turned upright when opened",
    "Check that its boxes were drawn on the picture as displayed; kenpin assumes so",
    (
        "the annotation states %(text_stated)s, the size before EXIF rotation; the picture is displayed as "
        "%(text_displayed)s"
    ),
    "Its boxes were drawn on the unrotated picture: rotate the file for good, or annotate it again",
    "the annotation states %(text_stated)s, but the picture is %(text_displayed)s",
    "Put back the picture that was annotated, or scale the boxes and correct the size",
    "no 16-bit picture uses more than the lowest %(number)s bit{|s}, so all look nearly black",
    (
        "%(number_low)s of %(number_all)s 16-bit picture{|s} {uses|use} no more than the lowest %(number)s bit{|s} "
        "and {looks|look} nearly black"
    ),
    "If the camera has %(number)s bit{|s}, rewrite the grey ones: `%(text_command)s`",
    "deep pictures (%(text_counts)s): %(names_pictures)s",
    "Nothing to do. Their full range is scaled to 8 bits",
    "%(number)s file{|s} with more than one page, of which only the first is read: %(names_files)s",
    (
        "%(number)s file{|s} with more than one page, the most of them %(text_most)s, of which only the first is "
        "read: %(names_files)s"
    ),
    "Save each page as a picture of its own where the others matter",
    "the box from %(text_from)s to %(text_to)s has a coordinate that is not a finite number",
    "Draw it again, or remove it",
    "the box from %(text_from)s to %(text_to)s is inverted: its second corner must be right of and below its first",
    "Order its corners, or draw it again",
    "the box from %(text_from)s to %(text_to)s has no area",
    (
        "the box from %(text_from)s to %(text_to)s lies wholly outside the picture of %(number_width)s × "
        "%(number_height)s pixels"
    ),
    (
        "the box from %(text_from)s to %(text_to)s lies partly outside the picture of %(number_width)s × "
        "%(number_height)s pixels"
    ),
    "Draw it again, or check whether it was drawn on another size of the picture",
    (
        "the box from %(text_from)s to %(text_to)s is too small to be seen in a picture of %(number_width)s × "
        "%(number_height)s pixels"
    ),
    "Remove it if it was a slip of the mouse, or cut the picture into tiles",
    "the mask has %(text_mask)s pixels, its picture %(number_width)s × %(number_height)s",
    "its mask has %(text_mask)s pixels, its picture %(number_width)s × %(number_height)s",
    "Export the masks again from pictures of this size",
    (
        "the outline from %(text_from)s to %(text_to)s lies partly outside the picture of %(number_width)s × "
        "%(number_height)s pixels"
    ),
    "Leave the box out, so that it is taken from the outline, or draw either again",
    "Copy or export it again from its source",
    "it has %(text_size)s, more than the %(number)s that are opened",
    "Cut it into tiles or make it smaller",
    "the file has %(number_bytes)s bytes, more than the %(number)s that are read",
    "Cut it into tiles, or save it compressed",
    "it cannot be read (%(text_why)s)",
    "it cannot be opened (%(text_why)s)",
    "there is neither a file nor bytes",
    "it may not be read",
    "Allow it to be read, with chmod for example",
    "there is no such file",
    "Put the picture there, or correct its path",
    "this is not a file",
    "Name a picture file",
    "the picture has 0 bytes",
    "the file has 0 bytes",
    "the file is cut off (%(text_why)s)",
    "the file is damaged and cannot be decoded (%(text_why)s)",
    "the picture has no pixels",
    "this is a pointer of Git LFS and not the picture itself",
    "Run `git lfs pull`",
    "this is %(phrase_kind)s, which is not opened as a picture",
    "the content is not a picture of a known format (begins with %(text_start)s)",
    "Replace it by one of %(text_formats)s",
    "Export it as PNG",
    "Export it as PNG, at the size of the other pictures",
    "Export it as 8-bit or unsigned 16-bit PNG or TIFF, with the range you want to see",
    "Save it as 8-bit or unsigned 16-bit PNG or TIFF",
    "Download the picture itself",
    "Unpack it, and give the folder",
    "Unpack it: `kenpin convert FILE OUT`",
    "Write its frames as pictures: `kenpin convert FILE OUT --every 0.5`",
    "Export the pictures in it, with `pdfimages -png` for example",
    "Export it as TIFF or PNG from the microscope's program",
    (
        "it has %(number_width)s × %(number_height)s pixels, and the mask of its region %(number_columns)s × "
        "%(number_rows)s, in other proportions"
    ),
    "Turn or cut it as the others are, or give a mask for such pictures",
    "%(text_place)s: %(known_what)s. %(known_remedy)s.",
    "another picture came under this name while it was being worked on",
    "Start again with the data set as it is now, once nothing writes there any more",
    "Give the example a path or bytes",
    "its shard may not be read",
    "Allow it to be read",
    "it cannot be read in its shard (%(text_why)s)",
    "Put the shard back, or read the data set again",
    "its pixels are %(text_pixels)s, which have no white",
    "Say which of its values are black and white: `%(text_command)s`",
    "Save it as 8-bit or unsigned 16-bit grey, or as 8-bit colour",
    (
        "it has %(number_width)s × %(number_height)s pixels and the reference of the alignment "
        "%(number_own_width)s × %(number_own_height)s"
    ),
    "it cannot be brought over the reference of the alignment",
    "it is too little like the reference of the alignment (correlation %(number)s, needed %(number_needed)s)",
    "Leave it out, or align to a picture that it is like",
    "its polygon in %(text_where)s covers no pixel of its %(number_width)s × %(number_height)s",
    "Give corners within the picture",
    "Write corners as [[x, y], …] in its pixels, three at least",
    "its mask %(text_mask)s is black all over",
    "Paint white what is to be looked at",
    "Put it there, or name another",
    "it changed while it was read",
    "Inspect it again",
    "the folder cannot be listed (%(text_why)s), so that nobody looked at what is in it",
    "Allow it to be read, and inspect its pictures",
    "%(text_source)s holds no polygon for it (%(text_why)s)",
    "its mask %(text_mask)s cannot be read (%(text_why)s)",
)
