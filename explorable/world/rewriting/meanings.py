"""Words with a meaning set by hand, where the table of nearest words is silent or wrong. "" is no meaning.

Each of the dictionaries is by word; here the words stand behind their meaning.
"""

from __future__ import annotations


def _by_word(table: dict[str, str]) -> dict[str, str]:
    return {word: meaning for meaning, words in table.items() for word in words.split()}


COLOURS = _by_word({  # as adjectives; those that are also nouns are in the table or in COLOUR_NOUNS
    "golden": "orange gold amber blond blonde mustard lemon ochre saffron ginger tangerine apricot yellowish",
    "red": "scarlet maroon ruby burgundy vermilion cherry reddish",
    "turquoise": "cyan teal aqua aquamarine",
    "blue": "navy azure indigo cerulean cobalt sapphire bluish",
    "purple": "lilac lavender mauve periwinkle plum amethyst",
    "pink": "magenta fuchsia salmon coral rose peach",
    "white": "silver cream ivory snow-white",
    "black": "ebony charcoal",
    "green": "lime olive emerald mint jade chartreuse greenish",
    "brown": "khaki beige tan bronze copper chestnut auburn mahogany caramel",
    "": "grey gray",
})
COLOUR_NOUNS = {word: "" for word in COLOURS} | _by_word({"flower": "rose lavender lilac periwinkle"})
SIZES_AND_MOODS = _by_word({
    "small": "mini miniature short wee teeny smaller smallest",
    "big": "giant enormous gigantic massive tall towering immense biggest largest bigger humongous colossal oversized "
           "vast",
    "magical": "enchanted mystical fairytale bewitched magic fairy-tale mystic",
    "majestic": "grand regal stately imposing",
    "cozy": "cosy snug comfy homely",
    "": "great royal warm noble proud",
})
TIMES = _by_word({
    "day": "sunny morning noon afternoon midday daytime day sunshine sunlight sunlit",
    "sunset": "evening",
    "twilight": "sunrise daybreak nightfall gloaming",
    "night": "moonlit moonlight starry starlit nighttime stars moon starlight nocturnal darkness",
})
PLACES = _by_word({
    "beach": "ocean sea coast coastline shore island seashore oceanside waterfront bay sands",
    "lake": "river riverside riverbank pond waterfall stream creek lakeside canal lagoon lakeshore",
    "desert": "dune",
    "meadow": "savanna savannah garden park hill hills hilltop hillside farm countryside lawn orchard vineyard valley "
              "plains prairie farmland backyard",
    "forest": "clearing jungle woodland rainforest grove",
    "snowy mountains": "mountain peak mountaintop alps himalayas mountainside",
    "mountain road": "road highway motorway path trail roadside",
    "city": "street village downtown suburb skyline alley cityscape metropolis avenue neighborhood sidewalk crosswalk",
    "": "sky space cliff bridge track lane way port arctic antarctica moor flat pool hammock square commons campus "
        "flume raceway capital resort settlement pass route drive course walk gulf sound landing range ground land "
        "nowhere room bed plot rest",
})
WEAK_PLACES = _by_word({  # what a place is covered with; a place of the text comes before it
    "snowy mountains": "snow snowy snowfall snowstorm blizzard snow-covered snow-capped snowcapped wintry winter",
    "meadow": "grass grassy", "beach": "sand",
})
THINGS = _by_word({
    "sports car": "ferrari porsche lamborghini racecar supercar racer",
    "car": "tesla cadillac convertible taxi cab jeep vehicle limo",
    "truck": "van bulldozer firetruck tractor",
    "boat": "houseboat ship yacht canoe ferry kayak submarine",
    "balloon": "airship zeppelin blimp",
    "castle": "church chapel temple cathedral fort tower lighthouse pagoda",
    "house": "mansion skyscraper building villa apartment farmhouse school hotel motel windmill mill",
    "cabin": "barn hut shed treehouse doghouse lodge shack",
    "flower": "tulip daisy sunflower lily poppy dandelion orchid iris bluebell daffodil snowdrop crocus hyacinth "
              "peony hydrangea wildflower bloom lotus marigold",
    "tree": "palm oak pine willow bush bonsai maple birch spruce fir elm cypress sequoia redwood magnolia sapling "
            "eucalyptus",
    "dog": "pup hound labrador wolf fox coyote husky dalmatian chihuahua corgi shepherd dachshund rottweiler doggo",
    "cat": "kitty feline", "lion": "tiger leopard cheetah lioness", "rabbit": "hare",
    "ball": "circle sphere orb football basketball marble",
    "": "beetle mustang tank stand box top bowl cup glass pet bug landing globe star animal plant weed ivy craft beef "
        "feeder pinto charger mount dollhouse birdhouse silo trestle turret spire grill stalls cleaners shooter "
        "thrift queen king pawn bishop knight board buck kid baby game nail hall station stadium cell block store bar "
        "tap pub counter mine driver log arch nest den web hive burrow shell cave tunnel office vessel liner bark "
        "clipper tug wing launch shuttle model wagon carriage cart trolley stroller sled coach bob",
})
FAR_BY_HAND = _by_word({  # of the same category, and no more
    "lion": "bear elephant panda",
    "dog": "horse pony cow bull zebra deer camel donkey pig goat sheep",
    "rabbit": "lamb mouse rat squirrel hamster hedgehog", "cat": "raccoon",
    "balloon": "plane airplane helicopter kite", "car": "bike bicycle scooter motorcycle motorbike",
    "bus": "train tram", "cabin": "tent igloo", "house": "factory warehouse mall", "tree": "cactus",
})
PHRASES: dict[str, str] = {  # several words: one word, known or in the tables
    "hot air balloon": "balloon", "hot air baloon": "balloon", "race car": "sports car", "racing car": "sports car",
    "sport car": "sports car", "fire truck": "truck", "pick up truck": "truck", "garbage truck": "truck",
    "sailing boat": "sailboat", "sail boat": "sailboat", "rowing boat": "boat", "house boat": "boat",
    "double decker bus": "bus", "school bus": "bus", "palm tree": "tree", "christmas tree": "tree",
    "tree house": "cabin", "dog house": "cabin", "red panda": "raccoon", "snow leopard": "lion",
    "mountain lion": "lion",
    "tennis ball": "ball", "beach ball": "ball", "soccer ball": "ball", "crystal ball": "ball",
    "country road": "mountain road", "mountain path": "mountain road", "mountain pass": "mountain road",
    "big city": "city", "new york": "city", "town square": "city", "city square": "city",
    "desert island": "beach",
    "winter wonderland": "snowy mountains", "golden hour": "sunset", "blue hour": "twilight", "full moon": "night",
    "milky way": "night",
    **dict.fromkeys(("hot dog", "depth of field", "full bloom", "in bloom", "doll house", "bird house", "star wars",
                     "big ben", "light bulb", "toy train", "rocking horse", "teddy bear", "rubber duck", "sand castle",
                     "bouncy castle", "paper plane", "paper airplane", "stuffed animal", "flower pot",
                     "snow globe"), ""),
}
