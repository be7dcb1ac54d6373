"""Pure text codecs between labelled boxes and the answers that language models are trained on; no torch.

They lie below both `data` (JSON-lines files hold such answers) and `models` (the families speak them).
"""

from kenpin.codecs import florence2, paligemma
from kenpin.codecs._decoded import Decoded

__all__ = ["Decoded", "florence2", "paligemma"]
