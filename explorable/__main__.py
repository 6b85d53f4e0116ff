"""The command line: `python -m explorable train | measure | draw | paint | export | cheatsheet | notebooks`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option
from typer.core import TyperGroup

from .files import check_target, write_files

if TYPE_CHECKING:
    from PIL import Image

MAX_EXPORT_SECONDS = 600


class PlainErrors(TyperGroup):
    """Prints this package's errors as one line, without a traceback."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (ValueError, ModuleNotFoundError, OSError) as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(cls=PlainErrors, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Train, measure and try the models of explorable, and export its explorables and notebooks.")


@app.command()
def train(name: Annotated[str, Argument(help="vae, text, unet-flow, …; an unknown name lists all models")],
          steps: Annotated[int | None, Option(min=1, help="number of steps; default: as shipped")] = None) -> None:
    """Train a model, write its weights and card into the zoo, and add measurements to the card.

    An interrupted training resumes where it stopped. Ctrl-C ends it after the current step and ships the result.
    """
    from .measure import CARD_MODELS, SLOW, measure
    from .training.recipes import train_to_zoo
    from .zoo import update_card

    shipped = train_to_zoo(name, steps)
    if shipped is None:
        return
    typer.echo(f"{shipped} is in the zoo")
    for measured in (m for m, model in CARD_MODELS.items() if model == shipped):
        if measured in SLOW:
            typer.echo(f"run this too, it takes about ten minutes: python -m explorable measure {measured} --card")
            continue
        table = measure(measured)
        update_card(shipped, **table.card_facts)
        _print_table(table)


@app.command()
def measure(name: Annotated[str, Argument(help="name of a measurement; 'list' lists all")],
            as_json: Annotated[bool, Option("--json", help="print JSON")] = False,
            markdown: Annotated[bool, Option(help="print Markdown")] = False,
            on_card: Annotated[bool, Option("--card", help="write the table onto the model's card")] = False,
            save: Annotated[bool, Option("--save", help="store the table in the package, for the explorables")] = False,
            quick: Annotated[bool, Option("--quick", help="measure less, for a first impression")] = False,
            model: Annotated[str | None, Option(help="a denoiser; 'all' or a list separated by commas where several "
                                                     "are compared")] = None,
            steps: Annotated[int | None, Option(help="number of sampling steps")] = None,
            guidance: Annotated[float | None, Option(help="guidance scale (exam, lesson, branching, settling)")] = None,
            sampler: Annotated[str | None, Option(help="sampler (steps)")] = None,
            prompts: Annotated[int | None, Option(help="prompts per task (exam, steps, guidance, straightness), "
                                                       "or in all (unet-ablation)")] = None) -> None:
    """Measure a claim and print the table. Options that a measurement does not have are refused."""
    from .measure import CARD_MODELS, MEASURES, measure, save_table
    from .zoo import update_card

    if name == "list":
        for known, (_, claim) in MEASURES.items():
            typer.echo(f"{known:{max(map(len, MEASURES))}}  {claim}")
        return
    options = {"quick": quick or None, "steps": steps, "guidance": guidance, "sampler": sampler, "prompts": prompts}
    given = {option: value for option, value in options.items() if value is not None}
    if on_card and (name not in CARD_MODELS or given):
        leave_out = f": leave out --{', --'.join(given)}" if given else ""
        raise ValueError(f"--card needs a full measurement of {', '.join(CARD_MODELS)}{leave_out}")
    if save and given:
        raise ValueError(f"--save needs a full measurement: leave out --{', --'.join(given)}")
    table = measure(name, **({"model": model} if model else {}), **given)
    if on_card:
        update_card(model or CARD_MODELS[name], **table.card_facts)
    if save:
        typer.echo(f"saved in {save_table(name, table, model)}", err=True)
    if as_json:
        typer.echo(json.dumps(table.as_dict(), indent=2))
    elif markdown:
        typer.echo(table.as_markdown())
    else:
        _print_table(table)


def _print_table(table) -> None:
    from rich.console import Console
    from rich.table import Table as Grid

    grid = Grid(title=table.title, title_justify="left")
    for column, value in table.rows[0].items():
        grid.add_column(column, justify="left" if isinstance(value, str) else "right")
    for cells in table.as_text():
        grid.add_row(*cells)
    console = Console(width=None if Console().is_terminal else 120)
    console.print(grid)
    for note in table.notes:
        console.print(f"  {note}", highlight=False)


@app.command()
def draw(path: Annotated[Path, Argument(help="PNG file to write")],
         caption: Annotated[str | None, Argument(help="a caption; default: a contact sheet of 64 drawings")] = None,
         seed: Annotated[int, Option(help="which of the possible drawings")] = 0) -> None:
    """Draw a caption with the picture world, without any network."""
    from .world.sheet import contact_sheet, draw_caption

    check_target(path)
    _image_format(path)
    _write_image(path, contact_sheet(seed=seed) if caption is None else draw_caption(caption, seed))


def _image_format(path: Path) -> str:
    """Return Pillow's name of the format that a file's suffix stands for.

    Raises:
        ValueError: it stands for none that can be written.
    """
    from PIL import Image

    name = Image.registered_extensions().get(path.suffix.lower())  # registers all formats
    if name not in Image.SAVE:
        raise ValueError(f"{path.name}: no image format is written to {path.suffix or 'a name without a suffix'}; "
                         "choose .png, .webp or .jpg")
    return str(name)


def _write_image(path: Path, image: Image.Image) -> None:
    file = io.BytesIO()
    image.save(file, _image_format(path))
    write_files({path: file.getvalue()})
    typer.echo(f"wrote {path}")


@app.command()
def paint(path: Annotated[Path, Argument(help="PNG file to write")],
          prompt: Annotated[str | None, Argument(help="a prompt; default: the five of a popular lesson")] = None,
          seeds: Annotated[int, Option(min=1, help="number of seeds")] = 4,
          steps: Annotated[int, Option(help="number of sampling steps")] = 20,
          guidance: Annotated[float | None, Option(help="guidance scale; default: the model's")] = None) -> None:
    """Generate images: one row per prompt, one column per seed."""
    import numpy as np
    from PIL import Image

    from .measure.prompts import LESSON_PROMPTS
    from .pipeline import load

    check_target(path)
    _image_format(path)
    pipe = load()
    rows = [np.concatenate([pipe(p, steps=steps, guidance=guidance, seed=s).image for s in range(seeds)], axis=1)
            for p in ([prompt] if prompt else LESSON_PROMPTS)]
    grid = Image.fromarray(np.concatenate(rows))
    _write_image(path, grid.resize((grid.width * 3 // 2, grid.height * 3 // 2), Image.Resampling.LANCZOS))


@app.command()
def export(name: Annotated[str, Argument(help="Studio, TokenAttention, …; an unknown name lists all explorables")],
           path: Annotated[Path, Argument(help="HTML file to write")],
           settings: Annotated[list[str] | None, Argument(help='its settings: prompt="a red car" seed=3')] = None,
           ) -> None:
    """Write an explorable to one HTML file that works offline, without a kernel; its recording can be scrubbed."""
    import explorable as ex

    if name not in ex.EXPLORABLES:
        raise ValueError(f"no explorable is called {name!r}; there are: {', '.join(ex.EXPLORABLES)}")
    check_target(path)
    kind, values = getattr(ex, name), {}
    for setting in settings or ():
        trait, sign, value = setting.partition("=")
        if not sign or trait not in kind.class_trait_names():
            raise ValueError(f"{setting!r} is not a setting of {name}: write name=value, where name is one of "
                             f"{', '.join(kind.inputs)}")
        values[trait] = getattr(kind, trait).from_string(value)
    explorable = kind(**values)
    explorable.wait(MAX_EXPORT_SECONDS)
    typer.echo(f"wrote {explorable.save_html(path)}")
    explorable.close()


@app.command()
def cheatsheet(path: Annotated[Path, Argument(help="HTML or PDF file to write")]) -> None:
    """Write the cheat sheet: every idea on one printable page, with figures that were measured here."""
    from .measure.cheatsheet import write_cheatsheet

    typer.echo(f"wrote {write_cheatsheet(path)}")


@app.command()
def notebooks(folder: Annotated[Path, Argument(help="folder to copy to")]) -> None:
    """Copy the notebooks and the notes for teachers to a folder. Files that exist there are kept."""
    here = Path(__file__).resolve().parent
    source = next((p for p in (here / "notebooks", here.parent / "notebooks") if p.is_dir()), None)
    if source is None:
        raise ValueError("this installation has no notebooks: clone the project's repository to get them")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(f"{folder} is a file, or lies below one: choose another folder") from None
    for notebook in sorted((*source.glob("*.ipynb"), *source.glob("*.md"))):  # and the notes for teachers
        target = folder / notebook.name
        if target.exists():
            typer.echo(f"kept {target}")
        else:
            write_files({target: notebook.read_bytes()})
            typer.echo(f"copied {target}")


if __name__ == "__main__":
    app(prog_name="python -m explorable")
