"""From noun phrases to the parts of a caption: which things are drawn, and in which relation.

What is negated ("no cars"), a likeness ("shaped like a castle") or without a counterpart is not drawn, and neither is
what describes it: the red of "a woman in a red dress" is not given to anything else.
"""

from __future__ import annotations

from .function_words import COUNTS, DEPICTIONS, GROUPS, PARTS, RELATIVES
from .phrases import Phrase, drawn, noun_phrases
from .scene_parts import Parts, Thing
from .setting import choose_mood_of_place, choose_place, choose_time
from .words import ADJECTIVES, SAME_PLURAL, Item, singulars

SYMMETRIC = {"left of": "right of", "right of": "left of", "in front of": "behind", "behind": "in front of"}


def gather(items: list[Item]) -> Parts:
    """Return the parts of a caption from the items of a text."""
    phrases = noun_phrases(items)
    gatherer = _Gatherer(phrases)
    gatherer.join_of()
    gatherer.join_groups()
    gatherer.attach_adjectives()
    gatherer.choose_things()
    parts = gatherer.parts
    for choose in (choose_place, choose_time, choose_mood_of_place):
        choose(phrases, parts)
    if not parts.things and not parts.place:
        parts.add_place()
    return parts


class _Gatherer:
    def __init__(self, phrases: list[Phrase]):
        self.phrases = phrases
        self.parts = Parts()
        self.chosen: list[Phrase] = []  # the phrases of parts.things

    # ---- which phrases belong together ------------------------------------------------------------------------------

    def before(self, phrase: Phrase) -> Phrase | None:
        """Return the phrase before, without those that have no head or for which another one stands."""
        some = self.phrases[: self.phrases.index(phrase)]
        return next((p for p in reversed(some) if p.head and not p.replaced), None)

    def join_of(self) -> None:
        """Resolve "X of Y": a number or group of Y, a picture or part of Y, or X itself."""
        for phrase, following in zip(self.phrases, self.phrases[1:], strict=False):
            if not following.link or following.link.role != "of":
                continue
            last = phrase.items[-1]
            if last.role == "count" or not GROUPS.isdisjoint(singulars(last.text.lower())):
                following.count = last if last.role == "count" else _group(last)
                phrase.replaced = True
            elif phrase.head is None or phrase.head.role not in ("noun", "time"):
                if phrase.head and phrase.head.role == "thing" and following.head and following.head.role != "place":
                    following.replaced = True
                continue
            following.link, following.begins = phrase.link, phrase.begins
            following.negation = following.negation or phrase.negation
            if phrase.head is None or phrase.head.role == "noun":
                phrase.replaced = True

    def join_groups(self) -> None:
        """Read "a lion family" as several lions."""
        for phrase in self.phrases:
            thing = next((i for i in phrase.items[:-1] if i.role == "thing"), None)
            if phrase.head and thing and phrase.head.text.lower() in GROUPS:
                phrase.count, phrase.head = _group(phrase.head), thing

    def attach_adjectives(self) -> None:
        """Give adjectives without a noun of their own to the noun before ("the car is red")."""
        for phrase in self.phrases:
            target = self.before(phrase) if phrase.head else self.subject(phrase)
            if phrase.head is None and target and not phrase.negation and not phrase.has_determiner:
                target.after += [i for i in phrase.items if i.role in ADJECTIVES]
            elif phrase.head and phrase.head.role in ("side", "depth"):
                following = self.phrases[self.phrases.index(phrase) + 1 :]
                target = next((p for p in following if p.head), target) if phrase.begins else target
                if target:
                    target.after.append(phrase.head)

    def subject(self, phrase: Phrase) -> Phrase | None:
        """Return what adjectives after a noun describe: the noun before, or after "is" the one that leads to it."""
        found = self.before(phrase)
        while found and phrase.link and phrase.link.role == "copula" and phrase.link.text.lower() not in RELATIVES:
            if not (found.link and found.link.role in ("relation", "with", "of") and self.before(found)):
                break
            found = self.before(found)
        return found

    # ---- things and their relation ----------------------------------------------------------------------------------

    def choose_things(self) -> None:
        phrases = drawn(self.phrases, "thing") or self.last_resort()
        accessories = [p for p in phrases if p.link and p.link.role == "with"]  # only if there is room for them
        for phrase in [p for p in phrases if p not in accessories] + accessories:
            self.add_thing(phrase)
        order = sorted(range(len(self.chosen)), key=lambda k: self.chosen[k].items[0].at)
        self.chosen = [self.chosen[k] for k in order]
        self.parts.things = [self.parts.things[k] for k in order]
        if len(self.chosen) < 2:
            self.add_flowers_of_places()
        if len(self.chosen) == 2:
            self.relate()

    def last_resort(self) -> list[Phrase]:
        """Return what stands for a text without things of its own: "a tiger face" is of a tiger."""
        for phrase in self.phrases:
            things = [i for i in phrase.modifiers if i.role == "thing"]
            names = singulars(phrase.head.text.lower()) if phrase.head else []
            if things and not phrase.negation and not (PARTS | DEPICTIONS).isdisjoint(names):
                return [Phrase(phrase.items[: phrase.items.index(things[-1]) + 1], things[-1], phrase.link)]
        return []

    def add_thing(self, phrase: Phrase) -> None:
        assert phrase.head
        count = phrase.count or next((i for i in phrase.items if i.role == "count"), None)
        several = phrase.count or (phrase.head.text.lower() in SAME_PLURAL and not phrase.has_determiner)
        thing = Thing.of(phrase.head._replace(plural=True) if several else phrase.head, count)
        for item in phrase.modifiers:
            if item.role in ADJECTIVES:
                self.describe(thing, item)
            elif item.meaning == thing.item.meaning and item.role == "thing" and item.near:
                thing.others.append(item)
            elif item.role == "side" and thing.number == 1 and not thing.side:
                thing.side = item
        same = next((t for t in self.parts.things if t.item.meaning == thing.item.meaning), None)
        if same and (same.item.base == thing.item.base or (same.item.near and thing.item.near)):
            _merge(same, thing)
        elif not same and len(self.chosen) < 2:
            self.parts.things.append(thing)
            self.chosen.append(phrase)

    def describe(self, thing: Thing, item: Item) -> None:
        taken = thing.described.get(item.role)
        if taken is None and not (item.role == "mood" and any("mood" in t.described for t in self.parts.things)):
            thing.described[item.role] = [item]
        elif taken and taken[0].meaning == item.meaning:
            taken.append(item)

    def add_flowers_of_places(self) -> None:
        """Draw the flowers of "a tulip field"."""
        for phrase in drawn(self.phrases, "place"):
            for item in phrase.modifiers:
                if item.meaning == "flower" and not any(t.item.meaning == "flower" for t in self.parts.things):
                    self.parts.things.append(Thing(item, number=2))
                    self.chosen.append(Phrase([item], item, phrase.link))
                    return

    def relate(self) -> None:
        """Find the relation of the two things; the one that is related to the other comes first."""
        first, second = self.chosen
        by_depth = self.relation_by_side_or_depth()
        if first.link and first.link.role == "relation" and first is self.phrases[0]:  # "behind the house a tree"
            self.set_relation(first.link, swap=True)
        elif by_depth:
            pass
        elif (pronoun := self.pronoun_after(second)) and pronoun.link:  # "a house with a tree behind it"
            self.set_relation(pronoun.link, swap=True)
        elif second.link and second.link.role == "relation" and self.governor(second) is first:
            self.set_relation(second.link)

    def set_relation(self, link: Item, swap: bool = False) -> None:
        swap = swap and link.meaning != "and"
        if swap:
            self.parts.things.reverse()
        self.parts.relation = link.meaning
        self.parts.same[link.at] = self.parts.relation_words

    def relation_by_side_or_depth(self) -> bool:
        """Relate two things by their sides ("a dog on the left and a cat") or depths ("a house in the background")."""
        for thing, phrase, turn in zip(self.parts.things, self.chosen, (False, True), strict=True):
            side = thing.side or next((i for i in phrase.after if i.role == "depth"), None)
            if side:
                relation = f"{side.meaning} of" if side.role == "side" else side.meaning
                self.parts.relation = SYMMETRIC[relation] if turn else relation
                for other, its in zip(self.parts.things, self.chosen, strict=True):
                    for item in [i for i in its.after if i.role == side.role]:
                        if other is thing or item.meaning != side.meaning:
                            self.parts.same[item.at] = self.parts.relation_words
                    other.side = None
                return True
        return False

    def pronoun_after(self, phrase: Phrase) -> Phrase | None:
        """Return the pronoun to which a phrase is related: "in front of it"."""
        following = self.phrases[self.phrases.index(phrase) + 1 :] if phrase in self.phrases else []
        found = next((p for p in following if p.head), None)
        return found if found and found.head and found.head.role == "pronoun" and found.link and (
            found.link.role == "relation") else None

    def governor(self, phrase: Phrase) -> Phrase | None:
        """Return the phrase to which a preposition attaches: the thing before, past what is not drawn around it."""
        found = self.before(phrase) if phrase in self.phrases else None
        while found and found not in self.chosen:
            if found.link is None or found.link.role not in ("relation", "with", "of", "copula"):
                return None
            found = self.before(found)
        return found


def _group(item: Item) -> Item:
    """Return the noun of a group ("herd", "pair") as a number."""
    return Item(item.text, "count", str(COUNTS.get(item.text.lower(), 3)), at=item.at)


def _merge(thing: Thing, other: Thing) -> None:
    """Let a thing stand for another of its kind: "a black cat and a white cat" are two cats."""
    thing.number = min(3, thing.number + other.number)
    thing.others += [other.item, *other.others]
    thing.side = None
    for role in ADJECTIVES:
        if role in thing.described and (role not in other.described
                                        or other.described[role][0].meaning != thing.described[role][0].meaning):
            del thing.described[role]
        elif role in thing.described:
            thing.described[role] += other.described[role]
