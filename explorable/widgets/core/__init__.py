"""The basis of every explorable: the base class, its worker, controls, layout, theme and offline page."""
