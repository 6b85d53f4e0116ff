"""How each weight file was made: one script a model, seeded, resumable."""
