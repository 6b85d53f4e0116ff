"""The map of the pipeline: its parts as buttons, each of which opens an explorable on the same run."""
