// Boxes and polygons as integers: what keys do to them. Every function returns a new region, or null where it can't be.

export const corners = (region) => region.points ?? [[region.box[0], region.box[1]], [region.box[2], region.box[3]]];

const within = (value, scale) => Math.max(0, Math.min(scale, value));

/** A fifth of the image, in its middle. */
export function started(shape, scale) {
  const [low, middle, high] = [0.4, 0.5, 0.6].map((share) => Math.round(share * scale));
  return shape === 'box' ? { box: [low, low, high, high] } : { points: [[middle, low], [high, middle], [middle, high], [low, middle]] };
}

/** Moves one corner, or (-1) the whole as far as it stays inside. */
export function moved(region, corner, right, down, scale) {
  const points = corners(region);
  let changed;
  if (corner >= 0) {
    changed = points.map(([x, y], at) => (at === corner ? [within(x + right, scale), within(y + down, scale)] : [x, y]));
  } else {
    const room = (values, step) => Math.max(-Math.min(...values), Math.min(scale - Math.max(...values), step));
    const [dx, dy] = [room(points.map(([x]) => x), right), room(points.map(([, y]) => y), down)];
    changed = points.map(([x, y]) => [x + dx, y + dy]);
  }
  return cleaned(region.points ? { ...region, points: changed } : { ...region, box: changed.flat() });
}

export function insertedPoint(region, corner) {
  const { points } = region;
  if (corner < 0 || points.length >= 100) return null;
  const [[x, y], [u, v]] = [points[corner], points[(corner + 1) % points.length]];
  const middle = [Math.round((x + u) / 2), Math.round((y + v) / 2)];
  return cleaned({ ...region, points: [...points.slice(0, corner + 1), middle, ...points.slice(corner + 1)] });
}

export function withoutPoint(region, corner) {
  const { points } = region;
  return corner < 0 || points.length <= 3 ? null : cleaned({ ...region, points: points.filter((_, at) => at !== corner) });
}

/** The region with its box upright, null where it has no area: no answer could hold it. */
export function cleaned(region) {
  if (region.box) {
    const [a, b, c, d] = region.box;
    const box = [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
    return box[0] < box[2] && box[1] < box[3] ? { ...region, box } : null;
  }
  const { points } = region;
  const doubled = points.reduce((sum, [x, y], at) => {
    const [u, v] = points[(at + 1) % points.length];
    return sum + x * v - u * y;
  }, 0);
  return points.length >= 3 && doubled ? region : null;
}
