"""Florence-2's tasks: tokens, the sentences that they stand for, and in what form each is answered."""

from __future__ import annotations

import re

from kenpin.errors import OptionError

QUESTIONS = {
    "<OD>": "Locate the objects with category name in the image.",
    "<CAPTION>": "What does the image describe?",
    "<DETAILED_CAPTION>": "Describe in detail what is shown in the image.",
    "<MORE_DETAILED_CAPTION>": "Describe with a paragraph what is shown in the image.",
    "<OCR>": "What is the text in the image?",
    "<OCR_WITH_REGION>": "What is the text in the image, with regions?",
    "<DENSE_REGION_CAPTION>": "Locate the objects in the image, with their descriptions.",
    "<REGION_PROPOSAL>": "Locate the region proposals in the image.",
}
"""The sentence of each task token: the network was trained on the sentences."""
QUESTIONS_WITH_WORDS = {
    "<CAPTION_TO_PHRASE_GROUNDING>": "Locate the phrases in the caption: {}",
    "<OPEN_VOCABULARY_DETECTION>": "Locate {} in the image.",
    "<REFERRING_EXPRESSION_SEGMENTATION>": "Locate {} in the image with mask",
    "<REGION_TO_SEGMENTATION>": "What is the polygon mask of region {}",
    "<REGION_TO_CATEGORY>": "What is the region {}?",
    "<REGION_TO_DESCRIPTION>": "What does the region {} describe?",
    "<REGION_TO_OCR>": "What text is in the region {}?",
}
"""The sentence of each task token that words follow; the words replace `{}`."""
IN_BOXES = ("<OD>", "<DENSE_REGION_CAPTION>", "<CAPTION_TO_PHRASE_GROUNDING>", "<OPEN_VOCABULARY_DETECTION>")
"""Tasks answered with a label and two corners of each box; the others are answered in words, in four corners of each
text, in outlines, or in boxes without a label."""


TASK = re.compile(r"<[A-Z_]+>")


def sentence_of(prompt: str) -> str:
    """The prompt for the network: a task token's sentence, with the words behind it; other prompts unchanged.

    Raises OptionError for a token that is no task, and for words behind a task that takes none, or the reverse.

    >>> sentence_of("<CAPTION>")
    'What does the image describe?'
    >>> sentence_of("<OPEN_VOCABULARY_DETECTION> a scratch")
    'Locate a scratch in the image.'
    """
    task = TASK.match(prompt)
    if task is None:
        return prompt
    name, words = task.group(), prompt[task.end() :].strip()
    if name not in QUESTIONS | QUESTIONS_WITH_WORDS:
        known = ", ".join((*QUESTIONS, *QUESTIONS_WITH_WORDS))
        raise OptionError(f"option `prompt`: Florence-2 knows no task {name}; give one of {known}, or a sentence.")
    if bool(words) is not (name in QUESTIONS_WITH_WORDS):
        remedy = "leave them out" if words else f'write for instance "{name}a scratch"'
        raise OptionError(f"option `prompt`: task {name} takes {'no words' if words else 'words'} behind it; {remedy}.")
    return QUESTIONS[name] if name in QUESTIONS else QUESTIONS_WITH_WORDS[name].format(words)
