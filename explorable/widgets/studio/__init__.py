"""Studio: from a prompt to an image, all stages together."""
