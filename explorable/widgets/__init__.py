"""The explorables, one folder each, and what they share: core/ and stage/. registry.py lists them."""
