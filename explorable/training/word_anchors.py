"""Where the picture world's meanings lie in WordNet and among word vectors; used to make the table of nearest words.

A meaning is a thing, colour, size, mood, place or time of the picture world, by its own name; "" is none.
"""

from __future__ import annotations

# (meaning, distance): senses in WordNet whose hyponyms take it; "dog.2" is the second sense. An anchor is "near" if its
# hyponyms are kinds of the meaning, "far" if they are only of the same category: a vehicle stands for a vehicle, a
# four-legged mammal for another, a building for a building, a plant for a plant. What has no anchor of its category,
# such as birds and fish, is left out.
ANCHORS: dict[tuple[str, str], str] = {
    ("car", "near"): "car", ("sports car", "near"): "sports_car race_car coupe roadster",
    ("car", "far"): "motorcycle bicycle motor_scooter",
    ("truck", "near"): "truck van.5 fire_engine ambulance", ("truck", "far"): "tractor forklift tank.1",
    ("bus", "near"): "bus minibus trolleybus", ("bus", "far"): "train streetcar",
    ("boat", "near"): "boat vessel.2 ship watercraft",
    ("balloon", "near"): "hot-air_balloon airship", ("balloon", "far"): "aircraft kite.3 parachute",
    ("cabin", "near"): "cabin.2 hut shed.1 log_cabin lodge.3 bungalow chalet barn outbuilding",
    ("cabin", "far"): "tent igloo",
    ("house", "near"): "house dwelling residence.2 apartment mansion farmhouse",
    ("house", "far"): "building windmill mill.4 shop hotel school.2 library.1 museum",
    ("castle", "near"): "castle.2 palace.1 palace.4 fortress",
    ("castle", "far"): "church.2 temple tower cathedral mosque place_of_worship",
    ("cat", "near"): "domestic_cat cat.1", ("cat", "far"): "procyonid viverrine",
    ("dog", "near"): "dog wolf fox.1 canine.2", ("dog", "far"): "ungulate mustelid domestic_animal",
    ("lion", "near"): "big_cat tiger.2", ("lion", "far"): "bear carnivore proboscidean",
    ("rabbit", "near"): "rabbit hare", ("rabbit", "far"): "rodent squirrel hedgehog insectivore marsupial",
    ("tree", "near"): "tree palm.3", ("tree", "far"): "shrub cactus bamboo.2",
    ("flower", "near"): "flower", ("ball", "near"): "ball",
    ("mountain road", "near"): "road path.2",
    ("meadow", "near"): "grassland field.1 garden farm meadow park.2 plain hill valley orchard vineyard lawn",
    ("beach", "near"): "shore seashore ocean sea island bay coast harbor", ("beach", "far"): "pier.1",
    ("forest", "near"): "forest jungle.3 grove wood.2",
    ("snowy mountains", "near"): "mountain glacier mountain_peak range.5 alp",
    ("city", "near"): "city town village city.2 urban_area street.1 street.2 plaza",
    ("desert", "near"): "desert dune", ("lake", "near"): "lake river stream pond waterfall canal.3",
    ("", "near"): "person group.1 act.2 communication.2 body_part attribute.2 state.2 feeling.1 clothing food.1 food.2 "
                  "furniture musical_instrument location event.1 aquatic_mammal primate whale.2 seal.9 vegetable "
                  "edible_fruit plaything volcano.2 spacecraft bat.1 container handcart structure possession measure "
                  "cognition relation.1 fluid bird fish reptile amphibian invertebrate bullet locomotive",
}
PROTOTYPES: dict[str, str] = {  # meaning: words whose neighbourhood in GloVe takes it
    "sports car": "ferrari porsche lamborghini maserati bugatti corvette roadster",
    "car": "toyota honda sedan jeep taxi suv volkswagen", "truck": "trucks lorry pickup van trailer",
    "bus": "buses tram minibus trolley", "boat": "boats yacht canoe sailboat ferry ship",
    "house": "cottage bungalow mansion farmhouse villa", "cabin": "hut shack shed barn", "castle": "palace fortress",
    "cat": "kitten feline cats", "dog": "puppy terrier dogs hound", "lion": "tiger leopard lions",
    "rabbit": "bunny hare rabbits", "tree": "oak pine trees maple", "flower": "rose tulip flowers daisy",
    "meadow": "meadows pasture grassland prairie", "beach": "seaside shore sands coastline",
    "forest": "jungle woodland rainforest", "desert": "sahara dunes arid", "lake": "lakes river pond",
    "snowy mountains": "alps snowy glacier peaks himalaya", "city": "downtown town london tokyo paris",
}
NOTHING = ("", "teacher driver man woman king doctor music book idea love war money company law bread meat wine chair "
               "table shirt dress hat gun film computer phone machine speed engine wheel power team game run walk eat "
               "sing said beautiful old new young strange happy sad loud hot cold wet dry soft hard leg hand eye face "
               "nice lovely charming brave dangerous fast slow early wooden metal glass stone paper plastic")
