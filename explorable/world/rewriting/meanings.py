"""Where the picture world's meanings lie in WordNet and among word vectors, and words with a meaning set by hand.

A meaning is a thing, colour, size, mood, place or time of the picture world, by its own name. `ANCHORS` and
`PROTOTYPES` are used only when the table is made (training/nearest_words.py).
"""

from __future__ import annotations

ANCHORS: dict[tuple[str, str], str] = {  # (meaning, distance): senses in WordNet whose hyponyms take it; "": no meaning
    ("car", "near"): "car", ("sports car", "near"): "sports_car race_car coupe roadster",
    ("car", "far"): "motorcycle bicycle motor_scooter self-propelled_vehicle wheeled_vehicle",
    ("truck", "near"): "truck van.5 fire_engine tractor ambulance forklift",
    ("bus", "near"): "bus minibus trolleybus", ("bus", "far"): "train streetcar locomotive",
    ("boat", "near"): "boat vessel.2 ship watercraft",
    ("balloon", "far"): "aircraft rocket spacecraft kite.3 parachute",
    ("balloon", "near"): "hot-air_balloon airship",
    ("cabin", "near"): "cabin.2 hut shed log_cabin lodge.3 bungalow chalet",
    ("cabin", "far"): "tent", ("house", "near"): "house dwelling residence.2 apartment mansion farmhouse",
    ("house", "far"): "building mill.4 shop hotel",
    ("castle", "near"): "castle.2 palace.1 palace.4 fortress",
    ("castle", "far"): "church.2 temple tower cathedral mosque",
    ("cat", "near"): "domestic_cat cat.1", ("dog", "near"): "dog wolf fox.1 canine.2",
    ("lion", "near"): "big_cat tiger.2", ("rabbit", "near"): "rabbit hare",
    ("rabbit", "far"): "rodent squirrel hedgehog bird amphibian",
    ("dog", "far"): "carnivore ungulate bear primate marsupial elephant.1 domestic_animal",
    ("cat", "far"): "reptile fish", ("tree", "near"): "tree palm.3", ("tree", "far"): "shrub woody_plant plant.2",
    ("flower", "near"): "flower", ("flower", "far"): "herb",
    ("ball", "near"): "ball sphere.5", ("ball", "far"): "edible_fruit planet.1 star.1 moon.1",
    ("mountain road", "near"): "road path.2", ("mountain road", "far"): "bridge",
    ("meadow", "near"): "grassland field.1 garden farm meadow park.2 plain hill valley",
    ("beach", "near"): "shore seashore ocean sea island bay coast", ("beach", "far"): "harbor pier.1",
    ("forest", "near"): "forest jungle.3 grove wood.2",
    ("snowy mountains", "near"): "mountain snow.1 snow.2 glacier ice mountain_peak range.5",
    ("city", "near"): "city town village city.2 urban_area",
    ("desert", "near"): "desert dune", ("lake", "near"): "lake river stream pond waterfall canal",
    ("red", "near"): "red", ("golden", "near"): "orange.2 yellow", ("green", "near"): "green",
    ("blue", "near"): "blue", ("purple", "near"): "purple", ("pink", "near"): "pink", ("white", "near"): "white.2",
    ("black", "near"): "black", ("brown", "near"): "brown",
    ("", "near"): "person group.1 act.2 communication.2 body_part attribute.2 state.2 feeling.1 clothing food.1 "
                  "furniture musical_instrument location event.1",
}
PROTOTYPES: dict[str, str] = {  # meaning: words whose neighbourhood in GloVe takes it
    "sports car": "ferrari porsche lamborghini maserati bugatti corvette roadster",
    "car": "toyota honda sedan jeep taxi suv volkswagen", "truck": "trucks lorry pickup van trailer",
    "bus": "buses tram minibus trolley", "boat": "boats yacht canoe sailboat ferry ship",
    "house": "cottage bungalow mansion farmhouse villa", "cabin": "hut shack shed barn", "castle": "palace fortress",
    "cat": "kitten feline cats", "dog": "puppy terrier dogs hound", "lion": "tiger leopard lions",
    "rabbit": "bunny hare rabbits", "tree": "oak pine trees maple", "flower": "rose tulip flowers daisy",
    "red": "crimson scarlet maroon", "golden": "yellow orange gold", "blue": "navy azure turquoise",
    "green": "olive emerald", "purple": "violet lavender magenta", "white": "ivory cream", "brown": "beige tan",
    "black": "grey dark", "meadow": "meadows pasture grassland prairie", "beach": "seaside shore sands coastline",
    "forest": "jungle woodland rainforest", "desert": "sahara dunes arid", "lake": "lakes river pond",
    "snowy mountains": "alps snowy glacier peaks himalaya", "city": "downtown town london tokyo paris",
    "big": "huge enormous giant massive", "small": "tiny little miniature",
    "cozy": "cosy snug comfy homely", "majestic": "regal imposing stately", "magical": "enchanted mystical fairy",
}
NOTHING = ("", "teacher driver man woman king doctor music book idea love war money company law bread meat wine chair "
               "table shirt dress hat gun film computer phone machine speed engine wheel power team game run walk eat "
               "sing said beautiful old new young strange happy sad loud hot cold wet dry soft hard leg hand eye face "
               "nice lovely charming brave dangerous fast slow early wooden metal glass stone paper plastic")

BY_HAND: dict[str, str] = {  # word: meaning
    "sunny": "day", "morning": "day", "noon": "day", "afternoon": "day", "midday": "day", "daytime": "day",
    "evening": "sunset", "sundown": "sunset", "sunrise": "twilight", "daybreak": "twilight", "nightfall": "twilight",
    "moonlit": "night", "moonlight": "night", "starry": "night", "starlit": "night", "nighttime": "night",
    "dark": "night", "darkness": "night", "star": "night", "moon": "night",
    "ferrari": "sports car", "porsche": "sports car", "lamborghini": "sports car", "racecar": "sports car",
    "airplane": "balloon", "plane": "balloon", "helicopter": "balloon",
    "ocean": "beach", "sea": "beach", "coast": "beach", "shore": "beach", "island": "beach", "river": "lake",
    "pond": "lake", "waterfall": "lake", "stream": "lake", "sand": "desert", "dune": "desert", "grass": "meadow",
    "garden": "meadow", "park": "meadow", "hill": "meadow", "farm": "meadow", "field": "meadow", "jungle": "forest",
    "woodland": "forest", "rainforest": "forest", "wood": "forest", "snow": "snowy mountains",
    "snowy": "snowy mountains", "snowfall": "snowy mountains", "mountain": "snowy mountains",
    "mountains": "snowy mountains", "peak": "snowy mountains", "alps": "snowy mountains", "winter": "snowy mountains",
    "glacier": "snowy mountains", "road": "mountain road", "street": "city", "highway": "mountain road",
    "path": "mountain road", "village": "city", "downtown": "city", "sky": "", "suburb": "city",
    "orange": "golden", "scarlet": "red", "maroon": "red", "ruby": "red", "gold": "golden", "amber": "golden",
    "blond": "golden", "blonde": "golden", "cyan": "turquoise", "teal": "turquoise", "aqua": "turquoise",
    "navy": "blue", "azure": "blue", "indigo": "blue", "lilac": "purple", "lavender": "purple", "magenta": "pink",
    "silver": "white", "cream": "white", "ivory": "white", "grey": "black", "gray": "black", "lime": "green",
    "olive": "green", "emerald": "green", "beige": "brown", "tan": "brown", "bronze": "brown", "chartreuse": "green",
    "mini": "small", "miniature": "small", "short": "small", "giant": "big", "enormous": "big", "great": "big",
    "tall": "big", "gigantic": "big", "massive": "big", "enchanted": "magical", "mystical": "magical",
    "fairy": "magical", "fantasy": "magical", "grand": "majestic", "noble": "majestic", "royal": "majestic",
    "proud": "majestic", "cosy": "cozy", "warm": "cozy", "snug": "cozy",
    "church": "castle", "temple": "castle", "tower": "castle", "cathedral": "castle", "mansion": "house",
    "skyscraper": "house", "building": "house", "barn": "cabin", "hut": "cabin", "shed": "cabin", "tent": "cabin",
    "villa": "house", "apartment": "house", "farmhouse": "house",
    "rose": "flower", "tulip": "flower", "daisy": "flower", "sunflower": "flower", "lily": "flower",
    "palm": "tree", "oak": "tree", "pine": "tree", "bush": "tree",
    "van": "truck", "tractor": "truck", "ambulance": "truck", "train": "bus", "tram": "bus",
    "ship": "boat", "yacht": "boat", "canoe": "boat", "ferry": "boat", "vessel": "boat", "submarine": "boat",
    "taxi": "car", "jeep": "car", "vehicle": "car", "motorcycle": "car", "motorbike": "car", "racer": "sports car",
    "pup": "dog", "hound": "dog", "poodle": "dog", "labrador": "dog", "fox": "dog", "wolf": "dog", "coyote": "dog",
    "kitty": "cat", "feline": "cat", "hare": "rabbit", "tiger": "lion", "leopard": "lion", "cheetah": "lion",
    "circle": "ball", "sphere": "ball", "globe": "ball", "football": "ball", "basketball": "ball",
    "airship": "balloon", "zeppelin": "balloon", "kite": "balloon",
}
FAR_BY_HAND: dict[str, str] = {  # only for a caption that would otherwise have no thing
    "elephant": "lion", "bear": "lion", "horse": "dog", "cow": "dog", "bull": "dog", "giraffe": "lion", "zebra": "dog",
    "deer": "dog", "animal": "dog", "monkey": "cat", "camel": "dog", "donkey": "dog", "pet": "dog", "beast": "lion",
    "mouse": "rabbit", "rat": "rabbit", "squirrel": "rabbit", "hamster": "rabbit", "hedgehog": "rabbit",
    "pig": "dog", "goat": "dog", "sheep": "dog", "lamb": "rabbit", "bird": "rabbit", "duck": "rabbit",
    "chicken": "rabbit", "owl": "rabbit", "frog": "rabbit", "turtle": "rabbit", "fish": "cat", "whale": "boat",
    "dolphin": "boat", "shark": "boat", "bike": "car", "bicycle": "car", "scooter": "car", "rocket": "balloon",
    "apple": "ball", "plant": "tree", "room": "house",
}
PHRASES: dict[str, str] = {  # several words: one word, known or in the tables
    "hot air balloon": "balloon", "race car": "sports car", "racing car": "sports car", "sport car": "sports car",
    "fire truck": "truck", "fire engine": "truck", "pickup truck": "truck", "pick up truck": "truck",
    "palm tree": "tree", "apple tree": "tree", "christmas tree": "tree", "rose garden": "garden",
    "sailing boat": "sailboat", "sail boat": "sailboat", "rowing boat": "boat", "log cabin": "cabin",
    "school bus": "bus", "double decker bus": "bus", "golden hour": "sunset", "full moon": "night",
    "blue hour": "twilight", "tree house": "house", "country road": "mountain road", "winding road": "mountain road",
    "mountain path": "mountain road", "mountain pass": "mountain road", "skyline": "city", "big city": "city",
    "light blue": "turquoise", "dark blue": "blue", "light green": "green", "dark green": "green", "dark red": "red",
    "no one": "", "hot dog": "", "polar bear": "bear", "teddy bear": "bear", "rubber duck": "duck",
    "star wars": "", "big ben": "", "light bulb": "",
}
