"""The command line: `python -m explorable train|measure|draw|paint|export|notebooks`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup


class Plain(TyperGroup):
    """Our own errors in plain words, without a traceback."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except (ValueError, ModuleNotFoundError) as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None


PATIENCE = 600  # seconds that an explorable to be exported may take


app = typer.Typer(cls=Plain, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Text-to-image diffusion, opened up.")


@app.command()
def train(name: Annotated[str, typer.Argument(help="vae, text, examiner, unet-flow, …; a wrong one names them all")],
          steps: Annotated[int | None, typer.Option(min=1, help="steps in all; default: as shipped")] = None) -> None:
    """Train a model, write its weights and card into the zoo, and measure it onto the card.

    Goes on where it was stopped. Ctrl-C ends it after the present step and ships what there is.
    """
    from .measure import CARD_MODELS, SLOW, measure
    from .training.recipes import train_to_zoo
    from .zoo import update_card

    shipped = train_to_zoo(name, steps)
    if shipped is None:
        return
    typer.echo(f"{shipped} is in the zoo")
    for claim in (m for m, model in CARD_MODELS.items() if model == shipped):
        if claim in SLOW:
            typer.echo(f"this takes some ten minutes more: python -m explorable measure {claim} --card")
            continue
        table = measure(claim)
        update_card(shipped, **table.card_facts)
        _print(table)


@app.command()
def measure(name: Annotated[str, typer.Argument(help="a measure's name; 'list' names them all")],
            as_json: Annotated[bool, typer.Option("--json", help="print JSON for machines")] = False,
            markdown: Annotated[bool, typer.Option(help="print a Markdown table, as in the README")] = False,
            on_card: Annotated[bool, typer.Option("--card", help="write the table onto the model's card")] = False,
            quick: Annotated[bool, typer.Option("--quick", help="a small version, for a first look")] = False,
            model: Annotated[str | None, typer.Option(help="which denoiser; where several are compared: 'all', or "
                                                           "names with commas between")] = None,
            steps: Annotated[int | None, typer.Option(help="sampling steps")] = None,
            guidance: Annotated[float | None, typer.Option(help="guidance (exam, lesson)")] = None,
            sampler: Annotated[str | None, typer.Option(help="which sampler (steps)")] = None,
            prompts: Annotated[int | None, typer.Option(help="prompts a task (exam, steps, guidance, "
                                                             "straightness)")] = None) -> None:
    """Measure a claim, and print the table. An option that a measure does not have is refused."""
    from .measure import CARD_MODELS, MEASURES, measure
    from .zoo import update_card

    if name == "list":
        for known, (_, claim) in MEASURES.items():
            typer.echo(f"{known:{max(map(len, MEASURES))}} {claim}")
        return
    special = [option for option, value in (("quick", quick or None), ("steps", steps), ("guidance", guidance),
                                            ("sampler", sampler), ("prompts", prompts)) if value is not None]
    if on_card and (name not in CARD_MODELS or special):
        given = f", as it stands: leave out --{', --'.join(special)}" if special else ""
        raise ValueError(f"--card is for the whole of {', '.join(CARD_MODELS)}{given}")
    asked = {"quick": quick or None, "model": model, "steps": steps, "guidance": guidance, "sampler": sampler,
             "prompts": prompts}
    table = measure(name, **{option: value for option, value in asked.items() if value is not None})
    if on_card:
        update_card(model or CARD_MODELS[name], **table.card_facts)
    if as_json:
        typer.echo(json.dumps(table.as_dict(), indent=2))
    elif markdown:
        typer.echo(table.as_markdown())
    else:
        _print(table)


def _print(table) -> None:
    from rich.console import Console
    from rich.table import Table as Grid

    grid = Grid(title=table.title, title_justify="left")
    for column in table.rows[0]:
        grid.add_column(column, justify="left" if isinstance(table.rows[0][column], str) else "right")
    for cells in table.as_text():
        grid.add_row(*cells)
    console = Console(width=None if Console().is_terminal else 120)
    console.print(grid)
    for note in table.notes:
        console.print(f"  {note}", highlight=False)


@app.command()
def draw(path: Annotated[Path, typer.Argument(help="where to write the PNG")],
         caption: Annotated[str | None, typer.Argument(help="a caption; without one, a sheet of 64")] = None,
         seed: Annotated[int, typer.Option(help="which of the many pictures")] = 0) -> None:
    """Draw a caption with the picture world (no network), or a contact sheet of 64 captioned pictures."""
    from .world.sheet import contact_sheet, draw_caption

    image = contact_sheet(seed=seed) if caption is None else draw_caption(caption, seed)
    image.save(path)
    typer.echo(f"wrote {path}")


@app.command()
def paint(path: Annotated[Path, typer.Argument(help="where to write the PNG")],
          prompt: Annotated[str | None, typer.Argument(help="a prompt; without one, the lesson's five")] = None,
          seeds: Annotated[int, typer.Option(min=1, help="how many seeds, side by side")] = 4,
          steps: Annotated[int, typer.Option()] = 20,
          guidance: Annotated[float | None, typer.Option(help="default: what the model is meant for")] = None) -> None:
    """Let the model paint: one row a prompt, one column a seed."""
    import numpy as np
    from PIL import Image

    from .measure.exam import LESSON_PROMPTS
    from .pipeline import load

    pipe = load()
    rows = [np.concatenate([pipe(p, steps=steps, guidance=guidance, seed=s).image for s in range(seeds)], axis=1)
            for p in ([prompt] if prompt else LESSON_PROMPTS)]
    page = Image.fromarray(np.concatenate(rows))
    page.resize((page.width * 3 // 2, page.height * 3 // 2), Image.Resampling.LANCZOS).save(path)
    typer.echo(f"wrote {path}")


@app.command()
def export(name: Annotated[str, typer.Argument(help="Studio, TokenAttention, …; a wrong one names them all")],
           path: Annotated[Path, typer.Argument(help="where to write the HTML")],
           settings: Annotated[list[str] | None, typer.Argument(
               help='its settings, as in: prompt="a red car" seed=3')] = None) -> None:
    """Write an explorable to one file that opens without a kernel or a network, and still scrubs."""
    import explorable as ex

    from . import EXPLORABLES

    if name not in EXPLORABLES:
        raise ValueError(f"no explorable is called {name!r}; there are: {', '.join(EXPLORABLES)}")
    kind, values = getattr(ex, name), {}
    for said in settings or ():
        trait, sign, value = said.partition("=")
        if not sign or trait not in kind.class_trait_names():
            raise ValueError(f"{said!r} is no setting of {name}: write name=value; it has {', '.join(kind.inputs)}")
        values[trait] = getattr(kind, trait).from_string(value)
    made = kind(**values)
    made.wait(PATIENCE)
    typer.echo(f"wrote {made.save_html(path)}")
    made.close()


@app.command()
def notebooks(folder: Annotated[Path, typer.Argument(help="a folder of yours")]) -> None:
    """Copy the notebooks to a folder of yours, to play in. Files that are there already are left alone."""
    here = Path(__file__).resolve().parent
    source = next((p for p in (here / "notebooks", here.parent / "notebooks") if p.is_dir()), here)
    if source == here:
        raise ValueError("this installation came without its notebooks: clone the project to get them")
    folder.mkdir(parents=True, exist_ok=True)
    for notebook in sorted(source.glob("*.ipynb")):
        target = folder / notebook.name
        if target.exists():
            typer.echo(f"left alone {target}")
        else:
            shutil.copy(notebook, target)
            typer.echo(f"copied {target}")


if __name__ == "__main__":
    app(prog_name="python -m explorable")
