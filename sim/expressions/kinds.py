"""The five kinds of expressions: an example of each, in messages and in the help of options."""

from __future__ import annotations

EXAMPLES = {
    "value": "gw[openai]@2027Q4",
    "event": "inference_gross_margin@2026Q4 >= 0.7",
    "statistic": "p5(inference_gross_margin@2026Q4)",
    "target": "p5(inference_gross_margin@2026Q4) +- 0.002",
    "evidence": "gw[openai]@2026Q4 = 2.2 +- 0.2",
}
WITH_ARTICLE = {
    "value": "a value", "event": "an event", "statistic": "a statistic", "target": "a target",
    "evidence": "evidence",
}  # fmt: skip
