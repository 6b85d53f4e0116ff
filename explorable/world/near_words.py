"""Words that a prompt may well contain and the picture world lacks, and the known words nearest to them in meaning.

Errors about unknown words name these: spelling alone would compare an elephant with "left".
"""

from __future__ import annotations

from .words import VOCABULARY

_GROUPS = {  # known words: unknown ones that are near to them; plurals are added
    "lion dog": "elephant tiger bear horse cow bull wolf leopard cheetah giraffe zebra deer animal monkey camel donkey",
    "dog puppy": "pup hound poodle labrador fox coyote pet beast",
    "rabbit cat": "hare mouse rat squirrel hamster hedgehog pig goat sheep lamb bird duck chicken owl frog turtle",
    "cat kitten": "kitty feline",
    "car automobile": "taxi jeep motorcycle motorbike bike bicycle scooter racer vehicle",
    "truck bus": "van train tram tractor ambulance",
    "boat sailboat": "ship yacht canoe ferry vessel submarine fish whale dolphin shark",
    "balloon": "plane airplane aeroplane helicopter rocket kite airship zeppelin",
    "house cabin": "building hut shed barn apartment villa farm room",
    "castle palace": "tower church temple fortress cathedral mansion skyscraper",
    "tree": "palm oak pine bush plant leaf",
    "flower blossom": "rose tulip daisy sunflower lily",
    "ball": "circle sphere globe apple football sun moon",
    "beach lake": "ocean sea water coast shore island river pond waterfall",
    "meadow field": "grass garden park hill valley lawn farmland",
    "forest woods": "jungle wood woodland rainforest",
    "snowy mountains": "snow winter ice arctic peak glacier alp",
    "mountain road": "street highway path",
    "city town": "village downtown",
    "desert": "sand dune sahara",
    "golden red": "orange", "red crimson": "scarlet maroon ruby", "golden yellow": "gold amber blond blonde",
    "blue turquoise": "cyan teal aqua navy azure", "purple violet": "lilac lavender magenta indigo",
    "white": "silver cream ivory", "black white": "grey gray", "brown": "beige tan bronze",
    "green": "lime olive emerald",
    "daylight": "morning noon afternoon sunny", "sunset sundown": "evening sunrise", "dusk dawn": "sky",
    "night midnight": "dark darkness star",
    "small tiny": "mini miniature short", "big huge": "giant enormous great tall gigantic",
    "magical": "enchanted mystical fairy fantasy", "majestic": "grand noble royal proud", "cozy": "cosy warm snug cute",
    "two three": "four five many some several",
    "and": "with plus", "by": "near beside next", "behind": "under above over",
}


def _table() -> dict[str, tuple[str, ...]]:
    rows = {unknown: tuple(known.split()) for known, some in _GROUPS.items() for unknown in some.split()}
    plurals = {f"{word}{'es' if word.endswith(('s', 'x', 'ch', 'sh')) else 's'}": near for word, near in rows.items()}
    return {word: near for word, near in (plurals | rows).items() if word not in VOCABULARY}


NEAR_WORDS = _table()
