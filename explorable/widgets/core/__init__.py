"""What every explorable is built on: the base class, its worker, controls, layout, theme and offline page."""
