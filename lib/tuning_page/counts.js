// Exact scores of threshold rules, from the pixel counts of maps. Nothing here touches the document.
//
// A rule is {top, minArea, bottom, classMin}: top and bottom are 8-bit levels, and a pixel passes
// level t if its value is above t. An image with fewer than minArea pixels above top, or with
// p(positive) below classMin, is empty. Otherwise its mask is every pixel above bottom.
"use strict";

const VALUES = 256;
const LEVELS = 255; // t = 0..254
const HALF_DIGIT = 0.0005; // half a unit of the last digit that texts print of a threshold
const NORMAL_95 = 1.959964; // standard errors from the mean to the end of a 95 % interval
const MAX_AREAS = 240; // of the grid; less than 256, so that a byte holds an index

// Return the counts of a sample from the packed arrays of page.py.
//   n          images
//   above      (255, n) pixels that pass each level, by level first
//   overlap    (255, n) those of them that are in the truth
//   truth      (n) area of the truth
//   groups     [{name, images}]: all images, then those of each fold
//   saved      {predicted, dice} of the saved rule, (n) each
async function readCounts(packed) {
  const numbers = async (name) => new Uint32Array(await unpack(packed[name], 4));
  const ids = new TextDecoder().decode(await unpack(packed.ids, 1)).split("\n");
  const [pixels, inside] = [await numbers("pixels"), await numbers("inside")];
  const n = ids.length;
  const truth = new Uint32Array(n);
  for (let k = 0; k < inside.length; k++) truth[(k / VALUES) | 0] += inside[k];
  const predicted = await numbers("savedPredicted");
  const overlap = await numbers("savedOverlap");
  const folds = await numbers("folds");
  return {
    n, ids, truth, folds,
    above: sumAbove(pixels, n),
    overlap: sumAbove(inside, n),
    patients: await numbers("patients"),
    pPositive: packed.pPositive && new Float64Array(await unpack(packed.pPositive, 8)),
    groups: groupByFold(folds),
    saved: { predicted, dice: diceOf(predicted, truth, overlap) },
  };
}

// Undo _pack of page.py: base64, deflate, then the bytes of each number, lowest first.
async function unpack(text, itemSize) {
  const binary = atob(text);
  const packed = new Uint8Array(binary.length);
  for (let k = 0; k < packed.length; k++) packed[k] = binary.charCodeAt(k);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const count = planes.length / itemSize;
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < itemSize; plane++) {
    for (let k = 0; k < count; k++) bytes[k * itemSize + plane] = planes[plane * count + k];
  }
  return bytes.buffer;
}

// Return (255, n) sums over the values above each level, of (n, 256) counts.
function sumAbove(counts, n) {
  const above = new Uint32Array(LEVELS * n);
  for (let image = 0; image < n; image++) {
    let sum = 0;
    for (let level = LEVELS - 1; level >= 0; level--) {
      sum += counts[image * VALUES + level + 1];
      above[level * n + image] = sum;
    }
  }
  return above;
}

function groupByFold(folds) {
  const everything = folds.map((_, image) => image);
  const names = [...new Set(folds)].sort((a, b) => a - b);
  const parts = names.map((fold) => ({
    name: `fold ${fold}`, images: everything.filter((image) => folds[image] === fold),
  }));
  return [{ name: "all", images: everything }, ...parts];
}

// Return the Dice of each image: 1 if both masks are empty.
function diceOf(predicted, truth, overlap) {
  const dice = new Float64Array(truth.length);
  for (let image = 0; image < dice.length; image++) {
    const total = predicted[image] + truth[image];
    dice[image] = total === 0 ? 1 : (2 * overlap[image]) / total;
  }
  return dice;
}

// Return the masks of a rule: {predicted: area of each, dice}.
function applyRule(counts, rule) {
  const { n, above, overlap, truth } = counts;
  const predicted = new Uint32Array(n), common = new Uint32Array(n);
  for (let image = 0; image < n; image++) {
    if (above[rule.top * n + image] >= rule.minArea && passesGate(counts, rule, image)) {
      predicted[image] = above[rule.bottom * n + image];
      common[image] = overlap[rule.bottom * n + image];
    }
  }
  return { predicted, dice: diceOf(predicted, truth, common) };
}

function passesGate({ pPositive }, rule, image) {
  return !pPositive || pPositive[image] >= rule.classMin;
}

// Return the mean of some images and its standard error, clustered by patient: the root of the sum
// over patients of (sum of the patient's deviations) squared, over the number of images.
function meanAndError(values, images, patients) {
  let sum = 0;
  for (const image of images) sum += values[image];
  const mean = sum / images.length;
  const deviations = new Float64Array(values.length); // by patient, of whom there are no more
  for (const image of images) deviations[patients[image]] += values[image] - mean;
  let squares = 0;
  for (const deviation of deviations) squares += deviation * deviation;
  return { mean, error: Math.sqrt(squares) / images.length };
}

// Return the scores of masks on some images; positiveDice is NaN without positives.
function summarize(counts, masks, images) {
  const { truth, saved } = counts;
  let positives = 0, positiveSum = 0, found = 0, missed = 0, wrong = 0;
  for (const image of images) {
    const hasMask = masks.predicted[image] > 0;
    if (truth[image] > 0) {
      positives++;
      positiveSum += masks.dice[image];
      if (hasMask) found++; else missed++;
    } else if (hasMask) wrong++;
  }
  const { mean, error } = meanAndError(masks.dice, images, counts.patients);
  const gain = meanAndError(
    masks.dice.map((dice, image) => dice - saved.dice[image]), images, counts.patients
  );
  const total = images.length;
  return {
    images: total, dice: mean, gain: gain.mean, gainError: NORMAL_95 * gain.error,
    low: Math.max(0, mean - NORMAL_95 * error), high: Math.min(1, mean + NORMAL_95 * error),
    allEmpty: (total - positives) / total, positiveDice: positiveSum / positives,
    found, missed, wrong, maskRate: (found + wrong) / total, positiveRate: positives / total,
  };
}

// Return the images whose mask appears or disappears against the saved rule, the largest change of
// Dice first.
function changedImages({ n, saved }, masks) {
  const change = (image) => Math.abs(masks.dice[image] - saved.dice[image]);
  const changed = [];
  for (let image = 0; image < n; image++) {
    if (masks.predicted[image] > 0 !== saved.predicted[image] > 0) changed.push(image);
  }
  return changed.sort((a, b) => change(b) - change(a) || a - b);
}

// Return ascending minimum areas from 0 to one that no image reaches: every pixel at first, then
// evenly in the logarithm.
function areaGrid({ above }) {
  let largest = 1;
  for (const count of above) if (count > largest) largest = count;
  const areas = new Set([0]);
  for (let k = 0; k < MAX_AREAS; k++) {
    areas.add(Math.round(Math.exp((Math.log(largest) * k) / (MAX_AREAS - 1))));
  }
  return [...areas, largest + 1];
}

// Return the index of the last area that each count reaches, (255, n) bytes by level first.
function reachedAreas({ above }, areas) {
  const ofCount = new Uint8Array(areas.at(-1) + 1);
  areas.forEach((area, index) => ofCount.fill(index, area));
  const reached = new Uint8Array(above.length);
  for (let k = 0; k < above.length; k++) reached[k] = ofCount[above[k]];
  return reached;
}

// Return the mean Dice of every top and minimum area of the grid, at the bottom and class gate of a
// rule: (255, areas) by top first, NaN where top is below bottom.
function scoreSurface(counts, reached, areas, rule) {
  const { n, truth } = counts;
  const masks = applyRule(counts, { ...rule, top: rule.bottom, minArea: 0 });
  const masked = [], gains = [];
  let empty = 0;
  for (let image = 0; image < n; image++) {
    if (truth[image] === 0) empty++;
    if (masks.predicted[image] > 0) {
      masked.push(image);
      gains.push(truth[image] > 0 ? masks.dice[image] : -1);
    }
  }
  const score = new Float64Array(LEVELS * areas.length).fill(NaN);
  const gained = new Float64Array(areas.length);
  for (let top = rule.bottom; top < LEVELS; top++) {
    gained.fill(0);
    for (let k = 0; k < masked.length; k++) gained[reached[top * n + masked[k]]] += gains[k];
    let sum = empty;
    for (let area = areas.length - 1; area >= 0; area--) {
      sum += gained[area];
      score[top * areas.length + area] = sum / n;
    }
  }
  return score;
}

// Return the level of a probability, as to_level of lib/decision/rules.py.
function toLevel(p) {
  return Math.min(Math.max(Math.floor(LEVELS * (p + HALF_DIGIT) + 1e-9), 0), LEVELS - 1);
}

// Return a level as a probability of three digits, which toLevel reads back.
function probability(level) {
  return (level / LEVELS).toFixed(3);
}

// Return a rule as the words of --params. With a class gate it is always stated, 0 for none.
function paramsOf(rule, hasGate) {
  const words = [
    `top=${probability(rule.top)}`, `min_area=${rule.minArea}`, `bottom=${probability(rule.bottom)}`,
  ];
  return hasGate ? [...words, `class_min=${rule.classMin}`] : words;
}
