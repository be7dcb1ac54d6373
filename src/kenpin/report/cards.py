"""Cards: one judged part each, with its pictures and its caption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from kenpin.evaluation.mistakes import mistake_of
from kenpin.evaluation.pairs import Pair
from kenpin.evaluation.parts import pictures_of
from kenpin.records import Evaluation, JudgedExample, Prediction
from kenpin.regions.region import sizes
from kenpin.report import words
from kenpin.report.document import data_url
from kenpin.report.heat import Heat, darkened
from kenpin.report.names import picture_name
from kenpin.report.overlay import predicted_boxes, true_boxes
from kenpin.run.looked_at import LookedAt
from kenpin.words import ENGLISH, Texts
from kenpin.words.recorded import recorded

_ITEMS = 3  # items of a part's distance on a card


@dataclass(frozen=True, slots=True)
class CardPicture:
    """A picture on a card, with its overlay."""

    image: str
    """A data URL."""
    overlay: Markup | None = None
    caption: str = ""
    """Its title, where a part has several pictures."""
    under: bool = False
    """Whether a map lies over it, so that it is shown in grey."""


@dataclass(frozen=True, slots=True)
class Card:
    """A part with its caption; `pictures` side by side, none where no thumbnail was kept."""

    title: str
    tag: str
    lines: tuple[str, ...]
    pictures: tuple[CardPicture, ...] = ()
    good: bool = False
    """Whether the tag is good news."""


def part_card(
    part: JudgedExample, thumbnails: Mapping[str, bytes], tag: str, heat: Heat | None, texts: Texts = ENGLISH
) -> Card:
    """The card of a part: its truth, its prediction and verdict, and the overlays of its picture."""
    prediction, ids = part.prediction, pictures_of(part)
    images = {id: image for id in ids if (image := data_url(thumbnails.get(id))) is not None}
    image = images.get(ids[0])
    lines = [words.truth(part, texts)]
    if part.text is not None:
        lines = [*words.asked(part, texts), *lines, words.answered(part, texts)]
    if part.boxes is not None:
        lines.append(texts("drawn: %(drawn)s", drawn=words.drawn(part, texts)))
    if prediction.label is not None:
        chance = (prediction.probabilities or {}).get(prediction.label)
        if chance is None:
            lines.append(texts("predicted %(label)s", label=prediction.label))
        else:
            share = words.percent(chance, 0)
            lines.append(texts("predicted %(label)s (%(share)s)", label=prediction.label, share=share))
    if scored := words.scored(part, texts):
        lines.append(scored)
    if len(part.views) > 1:
        lines.append(texts("the worst of %(count)s pictures: %(view)s", count=len(ids), view=part.views[0].name))
    if prediction.contributions and image is None:
        # without a picture, the items show the origin of the distance
        strongest = sorted(prediction.contributions.items(), key=lambda item: -item[1])[:_ITEMS]
        lines.append(", ".join(f"{name} {share:.2g}" for name, share in strongest if share > 0))
    lines += _shares(prediction, heat, texts)
    maps = {} if heat is None else {id: over for id in ids if (over := heat.over(id)) is not None}
    if heat is not None and maps and not heat.maps.of_score:
        lines.append(_recorded_map(heat.maps.by_id[next(iter(maps))].shows, texts))
    regions = [region for id in maps for region in heat.regions(id)] if heat is not None else []
    if regions:
        size, cell = sizes(max(regions, key=lambda region: region.area_px))
        largest = size if cell is None else texts("%(size)s (cells of %(cell)s)", size=size, cell=cell)
        lines.append(
            texts.count(
                "%(count)s region, the largest %(size)s",
                "%(count)s regions, the largest %(size)s",
                len(regions),
                size=largest,
            )
        )
    pictures: list[CardPicture] = []
    if image is not None and (annotated := true_boxes(part)) is not None:
        pictures = [
            CardPicture(image, annotated, texts("truth")),
            CardPicture(image, predicted_boxes(part), texts("prediction")),
        ]
    else:
        names = {view.id: view.name for view in part.views} if len(part.views) > 1 else {}
        for id, shown in images.items():
            pictures.append(CardPicture(shown, None if heat is None else heat.outline(id), names.get(id, "")))
            if id in maps:
                title = texts("%(view)s: map", view=names[id]) if names else texts("map")
                pictures.append(CardPicture(shown, maps[id], title, under=True))
    return Card(picture_name(part.id), texts(tag), tuple(lines), tuple(pictures))


def looked_at_cards(
    looked_at: Mapping[str, LookedAt], thumbnails: Mapping[str, bytes], texts: Texts = ENGLISH
) -> list[Card]:
    """Pictures with what was left out of them in dark."""
    found = []
    for id, one in looked_at.items():
        if (image := data_url(thumbnails.get(id))) is not None:
            share = texts("looked at: %(share)s", share=words.percent(float(one.mask.mean()), 0))
            picture = CardPicture(image, darkened(one.mask, one.size_wh))
            found.append(Card(picture_name(id), "", (share,), (picture,)))
    return found


def _shares(prediction: Prediction, heat: Heat | None, texts: Texts) -> list[str]:
    """Which layers of a network make up the distance, and where its highest cell is the score, which items do."""
    if not (distance := prediction.distance):
        return []

    def told(shares: Mapping[str, float]) -> str:
        ranked = sorted(shares.items(), key=lambda item: -item[1])
        shown = ((name, words.percent(round(share / distance, 2) + 0.0, 0)) for name, share in ranked)
        return ", ".join(f"{name}\N{NO-BREAK SPACE}{share}" for name, share in shown)

    lines = []
    if prediction.layer_contributions:
        lines.append(texts("distance by layer: %(shares)s", shares=told(prediction.layer_contributions)))
    if prediction.contributions and heat is not None and heat.maps.of_score:
        ranked = sorted(prediction.contributions.items(), key=lambda item: -item[1])[:_ITEMS]
        lines.append(texts("most of it by item: %(shares)s", shares=told(dict(ranked))))
    return lines


def pair_card(pair: Pair, thumbnails: Mapping[str, bytes], texts: Texts = ENGLISH) -> Card:
    """The card of a part that two runs judged."""
    wrong_before, wrong_now = pair.mistakes
    image = data_url(thumbnails.get(pictures_of(pair.now)[0]))
    pictures: list[CardPicture] = []
    if image is not None and (annotated := true_boxes(pair.now)) is not None:
        pictures = [
            CardPicture(image, annotated, texts("truth")),
            CardPicture(image, predicted_boxes(pair.before), texts("before")),
            CardPicture(image, predicted_boxes(pair.now), texts("now")),
        ]
    elif image is not None:
        pictures.append(CardPicture(image))
    return Card(
        picture_name(pair.now.id),
        texts("was %(mistake)s", mistake=texts(str(wrong_before))) if wrong_now is None else texts(wrong_now),
        (
            words.truth(pair.now, texts),
            texts("before: %(predicted)s", predicted=_predicted(pair.before, texts)),
            texts("now: %(predicted)s", predicted=_predicted(pair.now, texts)),
        ),
        tuple(pictures),
        good=wrong_now is None,
    )


def class_cards(evaluation: Evaluation, thumbnails: Mapping[str, bytes], texts: Texts = ENGLISH) -> list[Card]:
    """One picture of each class, a rightly judged one where there is any; none where answers are judged."""
    judged = evaluation.judged if evaluation.target.judges else ()
    number = Counter(kind for part in judged for kind in words.kinds(part))
    best: dict[str, JudgedExample] = {}
    for part in sorted(judged, key=lambda part: (pictures_of(part)[0] not in thumbnails, mistake_of(part) is not None)):
        for kind in words.kinds(part):
            best.setdefault(kind, part)
    ok_labels = (*evaluation.ok_labels, *((words.NO_BOXES,) if evaluation.target.locates else ()))
    cards = []
    for label in in_order(evaluation, best):
        image = data_url(thumbnails.get(pictures_of(best[label])[0]))
        pictures = () if image is None else (CardPicture(image, true_boxes(best[label])),)
        cards.append(
            Card(
                words.named(label, texts),
                "OK" if label in ok_labels else "",
                (texts("%(count)s judged", count=f"{number[label]:,}"),),
                pictures,
                good=True,
            )
        )
    return cards


def in_order(evaluation: Evaluation, labels: Iterable[str]) -> list[str]:
    """OK labels first, then the inspector's own in their order, then others by name."""
    order = {label: i for i, label in enumerate(dict.fromkeys((*evaluation.ok_labels, *evaluation.labels)))}
    return sorted(labels, key=lambda label: (order.get(label, len(order)), label))


def _predicted(part: JudgedExample, texts: Texts) -> str:
    boxes = None if part.boxes is None else words.drawn(part, texts)
    answer = None if part.text is None else words.answered(part, texts)
    parts = [part.prediction.label, boxes, answer, texts(part.verdict) if part.verdict else None]
    if part.prediction.defect_score is not None:
        parts.append(texts("score %(score)s", score=words.score(part.prediction.defect_score, texts)))
    return texts(", ").join(word for word in parts if word)


def _recorded_map(shows: str, texts: Texts) -> str:
    """What a map shows, by the words of the run."""
    if texts.language == "en":
        return texts("map: %(shows)s", shows=shows)
    return Markup(texts("map: %(shows)s")) % {"shows": recorded(shows, texts)}
