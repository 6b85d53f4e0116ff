"""The vocabulary of the picture world: the names of every thing, colour, place and time.

The first name of each is its usual one. The others are synonyms, which the text encoder has to learn. `VOCABULARY`
holds every word in a fixed order.
"""

from __future__ import annotations

THING_WORDS: dict[str, tuple[tuple[str, str], ...]] = {  # kind: (singular, plural) of each name
    "car": (("car", "cars"), ("automobile", "automobiles")),
    "sports car": (("sports car", "sports cars"),),
    "truck": (("truck", "trucks"), ("lorry", "lorries")),
    "bus": (("bus", "buses"),),
    "boat": (("boat", "boats"), ("sailboat", "sailboats")),
    "cabin": (("cabin", "cabins"), ("cottage", "cottages")),
    "house": (("house", "houses"), ("home", "homes")),
    "castle": (("castle", "castles"), ("palace", "palaces")),
    "cat": (("cat", "cats"), ("kitten", "kittens")),
    "dog": (("dog", "dogs"), ("puppy", "puppies"), ("retriever", "retrievers")),
    "lion": (("lion", "lions"),),
    "rabbit": (("rabbit", "rabbits"), ("bunny", "bunnies")),
    "tree": (("tree", "trees"),),
    "flower": (("flower", "flowers"), ("blossom", "blossoms")),
    "ball": (("ball", "balls"),),
    "balloon": (("balloon", "balloons"),),
}
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson"), "golden": ("golden", "yellow"), "green": ("green",), "turquoise": ("turquoise",),
    "blue": ("blue",), "purple": ("purple", "violet"), "pink": ("pink",), "white": ("white",),
    "black": ("black",), "brown": ("brown",),
}
SIZE_WORDS: dict[str, tuple[str, ...]] = {"small": ("small", "little", "tiny"), "big": ("big", "large", "huge")}
MOOD_WORDS: dict[str, tuple[str, ...]] = {"cozy": ("cozy",), "majestic": ("majestic",), "magical": ("magical",)}
COUNT_WORDS: dict[int, str] = {2: "two", 3: "three"}
PLACE_WORDS: dict[str, tuple[tuple[str, str, str], ...]] = {  # place: (preposition, article, name)
    "mountain road": (("on", "a", "mountain road"),),
    "meadow": (("in", "a", "meadow"), ("in", "a", "field")),
    "beach": (("on", "a", "beach"), ("on", "the", "beach"), ("at", "the", "seaside")),
    "forest": (("in", "a", "forest"), ("in", "the", "forest"), ("in", "the", "woods")),
    "snowy mountains": (("in", "", "snowy mountains"), ("in", "the", "snowy mountains")),
    "city": (("in", "a", "city"), ("in", "the", "city"), ("in", "a", "town")),
    "desert": (("in", "a", "desert"), ("in", "the", "desert")),
    "lake": (("by", "a", "lake"), ("by", "the", "lake")),
}
TIME_WORDS: dict[str, tuple[str, ...]] = {
    "day": ("by day", "in daylight"),
    "sunset": ("at sunset", "at sundown"),
    "twilight": ("at twilight", "at dusk", "at dawn"),
    "night": ("at night", "at midnight"),
}
OPENERS = ("there is", "there are", "a picture of", "a drawing of")
GRAMMAR_WORDS = ("a", "an", "the", "and", "on", "in", "at", "by", "to", "of", "left", "right", "front", "behind")


def _every_word() -> tuple[str, ...]:
    phrases = [*GRAMMAR_WORDS, *OPENERS, *COUNT_WORDS.values()]
    for table in (COLOUR_WORDS, SIZE_WORDS, MOOD_WORDS, TIME_WORDS):
        phrases += [p for names in table.values() for p in names]
    phrases += [p for names in THING_WORDS.values() for pair in names for p in pair]
    phrases += [name for names in PLACE_WORDS.values() for _, _, name in names]
    return tuple(dict.fromkeys(word for phrase in phrases for word in phrase.split()))


def _synonyms() -> tuple[tuple[str, ...], ...]:
    """Return the words of one meaning each, from the tables: singulars, plurals, colours, sizes, places and times."""
    groups = [[names[number] for names in things] for things in THING_WORDS.values() for number in (0, 1)]
    groups += [list(names) for table in (COLOUR_WORDS, SIZE_WORDS) for names in table.values()]
    groups += [[name for _, _, name in names] for names in PLACE_WORDS.values()]
    groups += [[name.split()[-1] for name in names] for names in TIME_WORDS.values()]
    single = (tuple(dict.fromkeys(name for name in group if " " not in name)) for group in groups)
    return tuple(group for group in single if len(group) > 1)


VOCABULARY = _every_word()
SYNONYMS = _synonyms()
