"""Pure functions from runs and recordings to labelled arrays: attention maps, receptive fields, spectra."""
