"""Pure text codecs between labelled boxes and the answers that language models are trained on; no torch.

They lie below both `data` (JSON-lines files hold such answers) and `models` (the families speak them). Both write
detections in the order in which they are given; whoever trains a model puts them `in_reading_order` first.
"""

from kenpin.codecs import florence2, paligemma
from kenpin.codecs._decoded import Decoded, DetectionSpans, Span, chosen
from kenpin.codecs.reading_order import in_reading_order

__all__ = ["Decoded", "DetectionSpans", "Span", "chosen", "florence2", "in_reading_order", "paligemma"]
