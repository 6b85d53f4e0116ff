"""The U, from the parts alone: its shape, its bridges, and that nothing lies on anything else."""

from __future__ import annotations

from itertools import combinations

import pytest
from tiny_pipes import tiny

from explorable.analysis.unet_activations import UNetPart, unet_parts
from explorable.widgets.unet_xray.drawing import Drawing, draw_u


def stable_diffusion() -> dict[str, UNetPart]:
    """Stable Diffusion 1.x: four levels, each with two blocks down and three up, which have skips of their own."""
    parts = [UNetPart("conv_in", "conv_in", "conv_in", 0, 64, 320)]
    parts += [UNetPart(f"down.{k}.{i}", f"down.{k}.{i}.out", "down", k, 64 >> k, 320)
              for k in range(4) for i in range(2)]
    parts.append(UNetPart("middle", "middle.out", "middle", 4, 8, 1280))
    for k in (3, 2, 1, 0):
        for i in range(3):
            parts += [UNetPart(f"up.{k}.{i}.{kind}", f"up.{k}.{i}.{kind}", kind, k, 64 >> k, 640, i)
                      for kind in ("backbone", "skip")]
            parts.append(UNetPart(f"up.{k}.{i}", f"up.{k}.{i}.out", "up", k, 64 >> k, 640))
    parts.append(UNetPart("prediction", "prediction", "prediction", 0, 64, 4))
    return {part.name: part for part in parts}


@pytest.fixture(params=["shipped", "Stable Diffusion"])
def parts(request) -> dict[str, UNetPart]:
    return stable_diffusion() if request.param != "shipped" else unet_parts(tiny().points(optional=False))


@pytest.fixture
def drawing(parts) -> Drawing:
    return draw_u(parts)


def boxes(parts: dict[str, UNetPart], drawing: Drawing) -> dict[str, tuple[float, float, float, float]]:
    """Left, top, right and bottom of each part."""
    found = {}
    for name, element in zip(parts, drawing.elements, strict=True):
        left, top, width, height = element.box
        found[name] = (left, top, left + width, top + height)
    return found


def test_every_part_is_drawn_once_in_order_and_named_by_its_point(parts, drawing):
    assert [e.name for e in drawing.elements] == [part.point for part in parts.values()]
    for part, element in zip(parts.values(), drawing.elements, strict=True):
        assert bool(element.path) == (part.kind in ("skip", "backbone"))
        assert element.text == f"{part.channels} × {part.side} × {part.side}"
        assert element.tile == part.name


def test_it_has_the_shape_of_a_u(parts, drawing):
    at = boxes(parts, drawing)
    down = [at[n] for n, p in parts.items() if p.kind in ("conv_in", "down")]
    up = [at[n] for n, p in parts.items() if p.kind in ("up", "prediction")]
    assert len({box[0] for box in down}) == 1 and len({box[0] for box in up}) == 1, "one column each"
    assert [box[1] for box in down] == sorted(box[1] for box in down), "down"
    assert [box[1] for box in up] == sorted((box[1] for box in up), reverse=True), "and up"
    middle = at["middle"]
    assert down[0][2] < middle[0] and middle[2] < up[0][0]
    assert middle[1] > max(box[3] for box in down + up), "at the bottom"
    assert (middle[0] + middle[2]) / 2 == pytest.approx(0.5)


def test_each_skip_is_a_level_bridge_to_the_block_that_it_enters(parts, drawing):
    at = boxes(parts, drawing)
    for (name, part), element in zip(parts.items(), drawing.elements, strict=True):
        if part.kind != "skip":
            continue
        (x0, y0), (x1, y1) = element.path
        target = at[f"up.{part.level}.{part.block or 0}"]
        assert y0 == y1 == pytest.approx((target[1] + target[3]) / 2) and x1 == pytest.approx(target[0]), name
        left = next(box for n, box in at.items() if parts[n].kind == "conv_in")
        assert left[0] < x0 <= left[2] + 1e-9 and x1 - x0 > 0.4


def test_each_backbone_rises_to_its_block(parts, drawing):
    at = boxes(parts, drawing)
    for part, element in zip(parts.values(), drawing.elements, strict=True):
        if part.kind == "backbone":
            (x0, y0), (x1, y1) = element.path[-2:]
            target = at[f"up.{part.level}.{part.block or 0}"]
            assert x0 == x1 == pytest.approx((target[0] + target[2]) / 2) and y1 == pytest.approx(target[3]) and y0 > y1


def test_no_two_parts_lie_on_each_other_and_all_are_inside(parts, drawing):
    at = boxes(parts, drawing)
    for (one, a), (other, b) in combinations(at.items(), 2):
        apart = a[2] <= b[0] + 1e-9 or b[2] <= a[0] + 1e-9 or a[3] <= b[1] + 1e-9 or b[3] <= a[1] + 1e-9
        assert apart, (one, other)
    assert all(left >= 0 and top >= 0 and right <= 1 and bottom <= 1 for left, top, right, bottom in at.values())
    left, top, width, height = drawing.scale_box
    for name, box in at.items():
        assert box[1] >= top + height - 1e-9 or box[2] <= left or box[0] >= left + width, f"{name} is on the scale"
    corners = [corner for path in (*drawing.arrows, *(e.path for e in drawing.elements)) for corner in path]
    assert all(0 <= share <= 1 for corner in corners for share in corner)


def test_the_thickest_band_is_no_wider_than_what_it_enters(parts, drawing):
    block = drawing.elements[0].box
    assert drawing.thickness < block[3]


def test_arrows_join_the_blocks_from_the_latent_to_the_prediction(parts, drawing):
    blocks = sum(part.kind not in ("skip", "backbone") for part in parts.values())
    backbones = sum(part.kind == "backbone" for part in parts.values())
    assert len(drawing.arrows) + backbones == blocks, "one into each block"
