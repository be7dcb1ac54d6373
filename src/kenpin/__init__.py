"""kenpin: from a few hundred labelled pictures to a visual inspector that runs."""
