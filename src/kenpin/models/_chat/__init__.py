"""What family `vlm` is made of: chat models of transformers that answer in words, freely or held to a schema."""
