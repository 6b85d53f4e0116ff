"""What the widget tests share: a pipeline that can be held up, and ways to see what a Studio shows."""

from __future__ import annotations

from explorable.pipeline import Pipeline
from explorable.widgets.core.explorable import Explorable
from explorable.widgets.core.layout import descendants
from explorable.widgets.studio.widget import Studio


class CountingPipeline(Pipeline):
    """A pipeline that remembers what it was asked for, what it finished, and can be held up at a step."""

    def __call__(self, prompt, *args, progress=None, **settings):
        self.requests.append((prompt, settings))

        def held_up(done, of):
            self.reached.set()
            assert self.go_on.wait(20)
            if progress:
                progress(done, of)

        run = super().__call__(prompt, *args, progress=held_up, **settings)
        self.finished.append(run.settings)
        return run


def status(studio: Studio) -> str:
    return studio.status_area.status.value


def controls_of(w: Explorable) -> dict:
    """The controls of an explorable by their descriptions."""
    return {part.description: part for part in descendants(w) if getattr(part, "description", "")}


def settle(studio: Studio) -> None:
    """Wait until Studio and what it has opened rest; each may make the other compute."""
    for _ in range(3):
        studio.wait()
        if studio.opened_explorable is not None:
            studio.opened_explorable.wait()


def shown_nodes(studio: Studio) -> dict[str, dict]:
    """The nodes on Studio's map by name."""
    return {node["name"]: node for node in studio._navigation.map.nodes}
