// What the choices along an axis amount to in a region of the image: computed here, so that brushing sends nothing.
import { indexAt } from "./layers.js";

export const MIN_SIDE = 1 / 16; // of a region, in parts of the image: one position of a map

/** Two opposite corners [x0, y0, x1, y1] as [left, top, right, bottom], within the image and at least MIN_SIDE apart. */
export function toBox([x0, y0, x1, y1]) {
  const [[left, right], [top, bottom]] = [toInterval(x0, x1), toInterval(y0, y1)];
  return [left, top, right, bottom];
}

function toInterval(...ends) {
  const [from, to] = ends.map((v) => Math.max(0, Math.min(1, v))).sort((a, b) => a - b);
  const missing = Math.max(MIN_SIDE - (to - from), 0);
  const low = Math.min(Math.max(from - missing / 2, 0), 1 - MIN_SIDE);
  return [low, Math.max(to, low + MIN_SIDE)];
}

/** The mean of a heatmap's frame k over a box; without one, over the whole image. */
export function meanIn(layer, k, [left, top, right, bottom] = [0, 0, 1, 1]) {
  const [columns, lines] = [overlaps(left, right, layer.width), overlaps(top, bottom, layer.height)];
  let [sum, area] = [0, 0];
  for (const [line, height] of lines) {
    for (const [column, width] of columns) {
      sum += layer.value(k, column, line) * width * height;
      area += width * height;
    }
  }
  return sum / area;
}

/** [index, overlap] of each of `count` positions on a line that an interval of it, from 0 to 1, overlaps. */
function overlaps(low, high, count) {
  const [from, to] = [low * count, high * count];
  const found = [];
  for (let i = Math.floor(from); i < to; i += 1) found.push([i, Math.min(to, i + 1) - Math.max(from, i)]);
  return found;
}

/**
 * For each choice along an axis the mean of the axis's share layer over a box, at the present position along all other
 * axes. The owner has: layers (opened, by name), specs, positions().
 */
export function sharesOf(owner, axis, box) {
  const [spec, layer] = [owner.specs.get(axis.share_layer), owner.layers.get(axis.share_layer)];
  return axis.labels.map((_, k) => {
    const positions = { ...owner.positions(), [axis.name]: k };
    const peak = spec.peaks ? spec.peaks[indexAt({ axes: spec.axes, shape: spec.peak_shape }, positions)] : 1;
    return peak * meanIn(layer, indexAt(spec, positions), box);
  });
}

/** The choices with the largest shares in a box, the largest first: {label, share}. Only those that the axis ranks. */
export function ranking(owner, axis, box, count = 3) {
  const shares = sharesOf(owner, axis, box);
  const ranked = axis.ranked?.length ? axis.ranked : axis.labels.map((_, k) => k);
  return ranked.map((k) => ({ label: axis.labels[k], share: shares[k] })).sort((a, b) => b.share - a.share).slice(0, count);
}

/** A share of 1 as per cent: two significant digits below 10. */
export function percent(share) {
  const value = 100 * share;
  return `${value >= 9.95 || value < 0.05 ? Math.round(value) : value.toFixed(1)}%`;
}
