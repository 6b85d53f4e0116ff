"""How each weight file was made: one recipe per model, seeded and resumable."""
