"""Predict: a question that is answered before the answer is computed, and the score of a notebook's predictions."""
