"""The programming interface: JSON under /api/v1, with its description in OpenAPI; no rule of the trade stands here."""
