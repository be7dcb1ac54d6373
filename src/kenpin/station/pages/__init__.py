"""The pages: HTML by templates, each a plain URL, in the person's language; no rule of the trade stands here."""
