// Draw the two images of a pair: veiled or not, whole or zoomed to the edit, and how they differ.

const TINY = 14; // pixels of a veiled image's longer side: a canvas never holds more of an image that is veiled
const LARGEST = 1024; // pixels of the longer side at which a difference is worked out
const SEEN = 12; // of 255: a smaller difference of a pixel is not marked

/** Fetch and decode both images of a pair; `left` and `right` are bitmaps. */
export async function loadPair(reviewer, pairId) {
  const one = async (side) => {
    const answer = await fetch(`pictures/${encodeURIComponent(reviewer)}/${pairId}/${side}`);
    if (!answer.ok) throw new Error((await answer.json()).error);
    return createImageBitmap(await answer.blob());
  };
  const [left, right] = await Promise.all([one("left"), one("right")]);
  return { left, right, difference: null };
}

/** Free the memory of a pair that is not shown any more. */
export function release(pair) {
  for (const image of [pair.left, pair.right]) image.close();
}

/** The part of an image around an edit, [x, y, width, height], with some of what surrounds it. */
export function around(box, image) {
  const [x0, y0, x1, y1] = box;
  const room = 0.35;
  const width = Math.min(image.width, Math.max((x1 - x0) * (1 + 2 * room), image.width / 16));
  const height = Math.min(image.height, Math.max((y1 - y0) * (1 + 2 * room), image.height / 16));
  const x = Math.min(Math.max((x0 + x1 - width) / 2, 0), image.width - width);
  const y = Math.min(Math.max((y0 + y1 - height) / 2, 0), image.height - height);
  return [x, y, width, height];
}

export const whole = (image) => [0, 0, image.width, image.height];

/** Give a canvas the largest size at which a part of an image fits its frame, and return a context of that size. */
export function fitted(canvas, part) {
  const frame = canvas.parentElement;
  const ratio = window.devicePixelRatio || 1;
  const scale = Math.min(frame.clientWidth / part[2], frame.clientHeight / part[3]);
  const [width, height] = [part[2] * scale, part[3] * scale].map((side) => Math.max(1, Math.floor(side)));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = scale * ratio < 0.75 ? "high" : "low"; // a larger image has no more to show
  context.imageSmoothingEnabled = scale * ratio < 3; // single pixels are to be seen as such
  return context;
}

/** Draw a part of an image over the whole canvas, or over its share `from` to `to` of the width; `veil`: see `veilOf`. */
export function draw(context, image, part, veil, from = 0, to = 1) {
  const { width, height } = context.canvas;
  context.save();
  context.beginPath();
  context.rect(from * width, 0, (to - from) * width, height);
  context.clip();
  if (veil) {
    context.imageSmoothingEnabled = true;
    context.drawImage(veilOf(image, part, veil), 0, 0, width, height);
  } else {
    context.drawImage(image, ...part, 0, 0, width, height);
  }
  context.restore();
}

/** An image of so few pixels that nothing can be made out in it, smooth; `veil` is "grey" or "colour". */
function veilOf(image, part, veil) {
  const longer = Math.max(part[2], part[3]);
  const scaled = (source, from, side) => {
    const made = offscreen(Math.round((part[2] * side) / longer), Math.round((part[3] * side) / longer));
    made.getContext("2d").drawImage(source, ...from, 0, 0, made.width, made.height);
    return made;
  };
  let found = image;
  let from = part;
  // Halved step by step, and doubled again: one step down would pick out pixels, and one step up would show them.
  for (let side = longer / 2; side > 2 * TINY; side /= 2) {
    found = scaled(found, from, side);
    from = whole(found);
  }
  found = scaled(found, from, TINY);
  if (veil === "grey") grey(found);
  for (let side = 2 * TINY; side <= 16 * TINY; side *= 2) found = scaled(found, whole(found), side);
  return found;
}

function grey(canvas) {
  const context = canvas.getContext("2d");
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < pixels.data.length; at += 4) pixels.data.fill(luminance(pixels.data, at), at, at + 3);
  context.putImageData(pixels, 0, 0);
}

const luminance = (data, at) => 0.3 * data[at] + 0.59 * data[at + 1] + 0.11 * data[at + 2];

function offscreen(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, width);
  canvas.height = Math.max(1, height);
  return canvas;
}

/** What differs, in colour over the dimmed outlines of the safe image, and its share of the pixels. Worked out once. */
export function difference(pair, safe) {
  if (pair.difference) return pair.difference;
  const scale = Math.min(1, LARGEST / Math.max(safe.width, safe.height));
  const [width, height] = [safe.width, safe.height].map((side) => Math.max(1, Math.round(side * scale)));
  const pixels = (image) => {
    const context = offscreen(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0, width, height);
    return context.getImageData(0, 0, width, height).data;
  };
  const [one, other] = [pixels(safe === pair.left ? pair.right : pair.left), pixels(safe)];
  const canvas = offscreen(width, height);
  const context = canvas.getContext("2d");
  const result = context.createImageData(width, height);
  let changed = 0;
  for (let at = 0; at < one.length; at += 4) {
    const apart = Math.max(
      Math.abs(one[at] - other[at]), Math.abs(one[at + 1] - other[at + 1]), Math.abs(one[at + 2] - other[at + 2]),
    );
    const dim = 24 + 0.2 * luminance(other, at);
    if (apart > 0) changed += 1;
    const strength = apart < SEEN ? 0 : 0.45 + 0.55 * (apart / 255);
    result.data[at] = dim + (255 - dim) * strength;
    result.data[at + 1] = dim + (176 - dim) * strength;
    result.data[at + 2] = dim + (32 - dim) * strength;
    result.data[at + 3] = 255;
  }
  context.putImageData(result, 0, 0);
  pair.difference = { canvas, scale, share: changed / (width * height) };
  return pair.difference;
}

/** Outline the edit box on a canvas that shows a part of the image. */
export function outline(context, box, part) {
  const scale = context.canvas.width / part[2];
  const [x0, y0, x1, y1] = box;
  const ratio = window.devicePixelRatio || 1;
  context.lineWidth = 1.5 * ratio;
  context.setLineDash([5 * ratio, 4 * ratio]);
  context.strokeStyle = "#ffffff";
  context.strokeRect((x0 - part[0]) * scale, (y0 - part[1]) * scale, (x1 - x0) * scale, (y1 - y0) * scale);
}
