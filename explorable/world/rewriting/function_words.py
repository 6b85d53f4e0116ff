"""The closed classes of English words, which hold a prompt together, by the role that each plays in a sentence."""

from __future__ import annotations


def _words(*texts: str) -> frozenset[str]:
    return frozenset(word for text in texts for word in text.split())


RELATIONS: dict[str, str] = {  # phrases between two things: the grammar's relation, or "and" for want of one
    **{f"{way}left {side}of": "left of" for way in ("to the ", "on the ", "") for side in ("", "side ")},
    **{f"{way}right {side}of": "right of" for way in ("to the ", "on the ", "") for side in ("", "side ")},
    **dict.fromkeys(("in front of", "before"), "in front of"),
    **dict.fromkeys(("behind", "in back of", "at the back of", "hidden by"), "behind"),
    **dict.fromkeys(("behind the wheel of", "at the wheel of"), "and"),  # a driver is no thing behind another
    **dict.fromkeys(("next to", "close to", "near to", "on top of", "inside of", "outside of", "out of"), "and"),
    **dict.fromkeys(_words(
        "beside near alongside against atop above below under underneath beneath over inside between around across "
        "through along outside among amid past beyond opposite towards toward within down up by on in at into onto "
        "upon from to off during amongst amidst despite until via versus vs"), "and"),
}
SIMILES = ("like", "as", "than", "made of", "made from", "made out of", "built of", "built from", "cut out of",
           "carved from", "carved out of", "shaped like", "in the shape of", "looking like", "looks like", "dressed as",
           "dressed like", "pretending to be", "turned into", "in the style of", "inspired by", "instead of", "titled",
           "called", "named", "about", "dreaming of", "thinking of")
SIDES = {f"{way} {side}{tail}": side for side in ("left", "right") for tail in ("", " side", " half")
         for way in ("on the", "to the", "at the", "on the far", "in the", "to its", "on its")}
DEPTHS = {**dict.fromkeys(("in the background", "in the distance", "in the back"), "behind"),
          **dict.fromkeys(("in the foreground", "in the front"), "in front of")}
NEGATIONS = ("without", "without any", "no", "not", "not any", "never", "neither", "nor", "none", "isn't", "aren't",
             "doesn't", "don't", "is not", "are not", "with no", "has no", "have no", "there is no", "there are no",
             "but no", "but not", "free of", "empty of", "minus", "except", "lacking", "missing")
RELATIVES = ("that", "which", "who")
COPULAS = _words("is are was were be being been am that which who whose it's there's looks looking seems painted "
                 "coloured colored dyed stays")
CONJUNCTIONS = _words("and & plus but while whilst because when where then yet also")
DETERMINERS = _words("a an the this these those my your his her their our its another each every any single one")
PRONOUNS = _words("it him them they he she we me us you i itself something somebody someone")
ADVERBS = _words("very so too just there here has have had do does did what some's if for can could should would may "
                 "might must will can't cannot couldn't shouldn't wouldn't mustn't won't")
FUNCTION_WORDS = CONJUNCTIONS | _words(  # not listed when they are lost
    "by on in at to of for with from into onto up out off over or as and while also just then if when where but than "
    "what a an the this that these those any my your his her their our its it it's i he she you we they me him them us "
    "is are was were be being been am which who whose has have had do does did there here very so too some's one one's")

_MANY = _words("four five six seven eight nine ten dozen several many some few hundred hundreds thousands dozens lots "
               "countless numerous various multiple 4 5 6 7 8 9 10")
COUNTS = {**dict.fromkeys(_words("two 2 both pair couple twin"), 2), **dict.fromkeys(_words("three 3 trio"), 3),
          **dict.fromkeys(_MANY, 3)}
GROUPS = _words(  # before "of", a count of what follows
    "pair couple trio lots dozen dozens hundreds thousands herd flock group bunch row crowd family pack fleet "
    "bouquet school pile cluster swarm line litter pride colony collection stack gang bundle handful team set "
    "army number plenty")
DEPICTIONS = _words(  # "a drawing of a cat" is a cat
    "picture photo photograph drawing image painting sketch portrait render rendering illustration poster "
    "postcard view shot scene art artwork mosaic graffiti icon print snapshot snap polaroid foto cartoon "
    "watercolor watercolour landscape panorama depiction selfie doodle mural wallpaper screenshot closeup "
    "close-up collage lithograph engraving etching logo clipart footage still masterpiece composition impression")
OPENERS = ("a picture of", "a photo of", "a photograph of", "a drawing of", "an image of", "photo of", "picture of",
           "image of", "drawing of", "there is", "there are", "a photo", "photo")  # nothing is lost without them
PARTS = _words(  # "a tiger face" is of a tiger
    "face head roof door window wheel tail paw eye ear wing engine silhouette shadow figurine facade")
OPEN_AIR = _words("sky skies light fog mist glow air sun clouds horizon")  # "night sky": it is night
