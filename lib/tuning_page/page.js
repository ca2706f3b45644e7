// The tuning page: sliders, figures, plots and tables over the exact scores of counts.js.
"use strict";

const CHANGED_SHOWN = 200; // rows of the list of images
const REST_MS = 150; // the list follows when the rule has rested: its rows take longer than the rest
const SHOWN_ERRORS = 10; // standard errors below the best score that the colours show
const MIN_RANGE = 0.01; // of the colours, in Dice
const PALETTE = palette([[240, 244, 248], [111, 155, 196], [16, 44, 74]]); // lowest to highest score
const [INK, SOFT, LINE, BLUE, ORANGE] = ["#1b1d21", "#565b63", "#d9dce1", "#1f4e79", "#e68200"];
const MARGIN = { left: 46, right: 12, top: 20, bottom: 34 };
const element = (id) => document.getElementById(id);
const fixed = (value, digits = 4) => (Number.isFinite(value) ? value.toFixed(digits) : "–");
const signed = (value) => (value < 0 ? "−" : "+") + fixed(Math.abs(value));
const percent = (value) => `${fixed(100 * value, 1)} %`;
const { format: whole } = new Intl.NumberFormat("en");

const content = JSON.parse(element("data").textContent);
const { frame, rules, best, standardError } = content;
let counts, areas, reached; // see counts.js
let allEmpty; // Dice of the all-empty baseline
let lowest; // score of the palest colour
let rule = { ...content.start };
let masks; // of the rule
let surface; // {key, score, picture, outline}: at the rule's bottom and class gate
let isWaiting = false; // a frame is requested already
let restTimer;

// Return 256 colours from a pale one over a middle one to a dark one, as pixels of ImageData.
function palette([pale, middle, dark]) {
  return Uint32Array.from({ length: 256 }, (_, index) => {
    const [from, to, position] =
      index < 128 ? [pale, middle, index / 128] : [middle, dark, (index - 128) / 127];
    const [red, green, blue] = from.map((part, k) => Math.round(part + (to[k] - part) * position));
    return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}

// Take some values of a rule, and draw with the next frame. Bottom stays at or below top: the value
// that moves takes the other along.
function setRule(change) {
  rule = { ...rule, ...change };
  if (rule.bottom > rule.top) {
    if ("bottom" in change && !("top" in change)) rule.top = rule.bottom;
    else rule.bottom = rule.top;
  }
  if (isWaiting) return;
  isWaiting = true;
  requestAnimationFrame(() => { isWaiting = false; draw(); });
}

function draw() {
  masks = applyRule(counts, rule);
  updateSurface();
  showControls();
  showFigures();
  showCommand();
  drawSurface();
  drawCurve();
  showChanged();
}

// Controls

// For each: the value of a number in the field, its text, the step of an arrow key and the largest
// value; and its position on the slider and back.
const LEVEL = {
  read: toLevel, text: probability, step: 1, max: LEVELS - 1,
  toPosition: Number, fromPosition: Number,
};
const SLIDERS = {
  top: LEVEL,
  bottom: LEVEL,
  minArea: {
    read: Math.round, text: String, step: 1, max: frame * frame,
    toPosition: (area) => Math.round(gridPosition(area)), fromPosition: (index) => areas[index],
  },
  classMin: {
    read: Number, text: String, step: 0.001, max: 1,
    toPosition: (p) => Math.round(1000 * p), fromPosition: (position) => position / 1000,
  },
};

function listenToControls() {
  element("minArea").max = areas.length - 1;
  element("gate").hidden = !counts.pPositive;
  for (const [name, { read, fromPosition, step, max }] of Object.entries(SLIDERS)) {
    const slider = element(name), field = element(`${name}-text`);
    const take = (value) => setRule({ [name]: Math.min(Math.max(value, 0), max) });
    slider.addEventListener("input", () => take(fromPosition(slider.valueAsNumber)));
    field.addEventListener("change", () => {
      const value = Number(field.value.replace(",", "."));
      take(field.value.trim() && Number.isFinite(value) ? read(value) : rule[name]);
    });
    field.addEventListener("keydown", (event) => {
      const direction = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (!direction) return;
      event.preventDefault();
      const moved = rule[name] + direction * step * (event.shiftKey ? 10 : 1);
      take(Number(moved.toFixed(6))); // steps of .001 would leave a tail of digits
    });
  }
  element("copy").addEventListener("click", copyCommand);
  listenToSurface();
  new ResizeObserver(() => setRule({})).observe(element("surface"));
}

function showControls() {
  for (const [name, { text, toPosition }] of Object.entries(SLIDERS)) {
    element(name).value = toPosition(rule[name]);
    element(name).setAttribute("aria-valuetext", text(rule[name]));
    element(`${name}-text`).value = text(rule[name]);
  }
}

// Return the position of an area on the grid, between two of its areas for one that it lacks.
function gridPosition(area) {
  const next = areas.findIndex((other) => other >= area);
  if (next < 0) return areas.length - 1;
  if (areas[next] === area) return next;
  return next - 1 + (area - areas[next - 1]) / (areas[next] - areas[next - 1]);
}

// Figures and command

function showFigures() {
  const rows = counts.groups.map(({ name, images }) => [name, summarize(counts, masks, images)]);
  const all = rows[0][1];
  element("dice").textContent = fixed(all.dice);
  element("interval").textContent = `${fixed(all.low)} to ${fixed(all.high)}`;
  const figures = {
    "against the saved rule": `${signed(all.gain)} ± ${fixed(all.gainError)}`,
    "all-empty baseline": fixed(all.allEmpty),
    "positive Dice": fixed(all.positiveDice),
    "found images": whole(all.found),
    "missed images": whole(all.missed),
    "false masks": whole(all.wrong),
    "images with a mask": percent(all.maskRate),
    "prior: images with a pneumothorax": percent(all.positiveRate),
  };
  element("figures").innerHTML = Object.entries(figures)
    .map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`).join("");
  const header = ["images of", "number", "mean Dice", "95 % interval", "all-empty", "positive Dice",
    "found", "missed", "false", "with a mask", "prior"];
  fillTable("folds", header, rows.map(([name, s]) => [
    name, whole(s.images), fixed(s.dice), `${fixed(s.low)} to ${fixed(s.high)}`,
    fixed(s.allEmpty), fixed(s.positiveDice), whole(s.found), whole(s.missed), whole(s.wrong),
    percent(s.maskRate), percent(s.positiveRate),
  ]));
}

function showCommand() {
  const params = paramsOf(rule, Boolean(counts.pPositive));
  const tag = params.join("-").replaceAll("=", "");
  element("command").textContent =
    `${content.command} --work ${workFolder()} --params ${params.join(" ")} --tag ${tag}`;
}

// Return WORK, quoted for a shell: the page lies in WORK/decisions/NAME-TAG.
function workFolder() {
  const path = location.protocol === "file:" ? decodeURIComponent(location.pathname) : "";
  const work = path.match(/^(.*)\/decisions\/[^/]+\/[^/]+$/)?.[1] ?? "WORK";
  return /^[\w@%+=:,./-]+$/.test(work) ? work : `'${work.replaceAll("'", `'"'"'`)}'`;
}

async function copyCommand() {
  getSelection().selectAllChildren(element("command"));
  try {
    await navigator.clipboard.writeText(element("command").textContent);
    element("copy").textContent = "Copied";
  } catch {
    element("copy").textContent = "Selected: press Ctrl C";
  }
  setTimeout(() => { element("copy").textContent = "Copy"; }, 2000);
}

// Tables

const escapeHtml = (text) => String(text).replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`);

// Fill a table; cells are text, or {html}.
function fillTable(id, header, rows) {
  const line = (tag, cells) => `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`;
  const html = (cell) => cell.html ?? escapeHtml(cell);
  const body = rows.map((row) => line("td", row.map(html))).join("");
  element(id).innerHTML = `<thead>${line("th", header)}</thead><tbody>${body}</tbody>`;
}

function showRules() {
  const rows = rules.map((other, index) => {
    const { mean } = meanAndError(applyRule(counts, other).dice, counts.groups[0].images, counts.patients);
    const name = `${symbol(other)}<button data-rule="${index}">${escapeHtml(other.name)}</button>`;
    const gate = counts.pPositive ? [other.classMin ? fixed(other.classMin, 3) : "–"] : [];
    return [{ html: name }, probability(other.top), whole(other.minArea), probability(other.bottom),
      ...gate, fixed(mean), other.note];
  });
  const gate = counts.pPositive ? ["class gate"] : [];
  fillTable("rules", ["rule", "top", "minimum area, px", "bottom", ...gate, "mean Dice", ""], rows);
  element("rules").addEventListener("click", ({ target }) => {
    const { top, minArea, bottom, classMin } = rules[target.dataset.rule] ?? {};
    if (top !== undefined) setRule({ top, minArea, bottom, classMin });
  });
}

function showChanged() {
  const changed = changedImages(counts, masks);
  const appeared = changed.filter((image) => masks.predicted[image] > 0).length;
  element("changed-title").textContent = `Images that change side: ${whole(changed.length)}`;
  element("changed-note").textContent =
    `Against the saved rule, ${whole(appeared)} get a mask and ` +
    `${whole(changed.length - appeared)} lose theirs. ` +
    (changed.length > CHANGED_SHOWN ? `The ${CHANGED_SHOWN} of the largest change of Dice are shown.` : "");
  clearTimeout(restTimer);
  restTimer = setTimeout(() => listChanged(changed), REST_MS);
}

function listChanged(changed) {
  const { predicted, dice } = counts.saved;
  const gain = (image) => {
    const value = masks.dice[image] - dice[image];
    return { html: `<span class="${value < 0 ? "down" : "up"}">${signed(value)}</span>` };
  };
  element("changed").hidden = !changed.length;
  const header = ["ImageId", "fold", "true area, px", "mask before", "mask now", "Dice before",
    "Dice now", "change"];
  fillTable("changed", header, changed.slice(0, CHANGED_SHOWN).map((image) => [
    counts.ids[image], counts.folds[image], whole(counts.truth[image]), whole(predicted[image]),
    whole(masks.predicted[image]), fixed(dice[image]), fixed(masks.dice[image]), gain(image),
  ]));
}

// Plots

// Return a canvas cleared at the resolution of the screen, and the rectangle of its plot.
function begin(id) {
  const canvas = element(id), scale = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.font = "12px system-ui, sans-serif";
  return { pen, plot: plotOf(canvas) };
}

function plotOf({ clientWidth, clientHeight }) {
  const { left, right, top, bottom } = MARGIN;
  return { left, top, width: clientWidth - left - right, height: clientHeight - top - bottom };
}

const xOf = (plot, area) => plot.left + ((gridPosition(area) + 0.5) / areas.length) * plot.width;
const yOfTop = (plot, top) => plot.top + (1 - (top + 0.5) / LEVELS) * plot.height;

function updateSurface() {
  const key = `${rule.bottom} ${rule.classMin}`;
  if (surface?.key === key) return;
  const score = scoreSurface(counts, reached, areas, rule);
  surface = { key, score, picture: paint(score), outline: outline(score) };
}

// Return the surface as a picture of a pixel for each top and area, top upwards.
function paint(score) {
  const picture = new OffscreenCanvas(areas.length, LEVELS);
  const pen = picture.getContext("2d"), image = pen.createImageData(areas.length, LEVELS);
  const pixels = new Uint32Array(image.data.buffer);
  for (let top = 0; top < LEVELS; top++) {
    for (let area = 0; area < areas.length; area++) {
      const position = (score[top * areas.length + area] - lowest) / (best - lowest);
      const colour = PALETTE[Math.round(255 * Math.min(Math.max(position, 0), 1))];
      pixels[(LEVELS - 1 - top) * areas.length + area] = colour; // none, and so white, for NaN
    }
  }
  pen.putImageData(image, 0, 0);
  return picture;
}

// Return the line around the scores within one standard error of the best, in pixels of the picture.
function outline(score) {
  const line = new Path2D(), floor = best - standardError, width = areas.length;
  const isInside = (top, area) => score[top * width + area] >= floor;
  for (let top = 0; top < LEVELS; top++) {
    for (let area = 0; area < width; area++) {
      const y = LEVELS - 1 - top;
      if (area && isInside(top, area) !== isInside(top, area - 1)) {
        line.moveTo(area, y); line.lineTo(area, y + 1);
      }
      if (top && isInside(top, area) !== isInside(top - 1, area)) {
        line.moveTo(area, y + 1); line.lineTo(area + 1, y + 1);
      }
    }
  }
  return line;
}

function drawSurface() {
  const { pen, plot } = begin("surface");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(surface.picture, plot.left, plot.top, plot.width, plot.height);
  const line = new Path2D();
  line.addPath(surface.outline, new DOMMatrix(
    [plot.width / areas.length, 0, 0, plot.height / LEVELS, plot.left, plot.top]
  ));
  pen.strokeStyle = "#fff";
  pen.lineWidth = 1.5;
  pen.stroke(line);
  if (rule.bottom > 40) {
    pen.fillStyle = SOFT;
    pen.textAlign = "center";
    pen.fillText("top below bottom", plot.left + plot.width / 2, yOfTop(plot, rule.bottom / 2));
  }
  drawAreaAxis(pen, plot);
  pen.textAlign = "right";
  for (const p of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
    pen.fillText(p.toFixed(1), plot.left - 8, yOfTop(plot, p * LEVELS - 0.5) + 4);
  }
  pen.textAlign = "left";
  pen.fillText(`mean Dice by top (upwards) at bottom ${probability(rule.bottom)}`, plot.left, 13);
  drawCross(pen, plot, yOfTop(plot, rule.top));
  for (const other of [...rules].reverse()) {
    drawSymbol(pen, other, xOf(plot, other.minArea), yOfTop(plot, other.top));
  }
}

function drawAreaAxis(pen, plot) {
  pen.strokeStyle = LINE;
  pen.strokeRect(plot.left, plot.top, plot.width, plot.height);
  pen.fillStyle = SOFT;
  pen.textAlign = "center";
  for (const area of [0, 10, 100, 1e3, 1e4, 1e5, 1e6].filter((value) => value <= areas.at(-1))) {
    pen.fillText(area >= 1000 ? `${area / 1000}k` : area, xOf(plot, area), plot.top + plot.height + 15);
  }
  pen.textAlign = "right";
  pen.fillText("minimum area, px", plot.left + plot.width, plot.top + plot.height + 30);
}

function drawCross(pen, plot, y) {
  const x = xOf(plot, rule.minArea);
  pen.strokeStyle = ORANGE;
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.moveTo(x, plot.top); pen.lineTo(x, plot.top + plot.height);
  pen.moveTo(plot.left, y); pen.lineTo(plot.left + plot.width, y);
  pen.stroke();
  pen.beginPath();
  pen.arc(x, y, 5, 0, 7);
  pen.fillStyle = ORANGE;
  pen.fill();
}

function drawCurve() {
  const { pen, plot } = begin("curve");
  const high = best + (best - lowest) / 12;
  const y = (value) => plot.top + ((high - value) / (high - lowest)) * plot.height;
  drawAreaAxis(pen, plot);
  pen.textAlign = "right";
  for (let k = 0; k <= 3; k++) {
    const value = lowest + ((best - lowest) * k) / 3;
    pen.fillText(fixed(value, 3), plot.left - 6, y(value) + 4);
  }
  pen.textAlign = "left";
  const title = `mean Dice at top ${probability(rule.top)}, bottom ${probability(rule.bottom)}`;
  pen.fillText(title, plot.left, 13);
  pen.save();
  pen.beginPath();
  pen.rect(plot.left, plot.top, plot.width, plot.height);
  pen.clip();
  drawLevel(pen, plot, y(best - standardError), [6, 4]);
  drawLevel(pen, plot, y(allEmpty), [2, 3]);
  pen.strokeStyle = BLUE;
  pen.lineWidth = 2;
  pen.setLineDash([]);
  pen.beginPath();
  areas.forEach((area, index) => {
    const value = y(surface.score[rule.top * areas.length + index]);
    pen.lineTo(plot.left + (index / areas.length) * plot.width, value);
    pen.lineTo(plot.left + ((index + 1) / areas.length) * plot.width, value);
  });
  pen.stroke();
  const { mean } = meanAndError(masks.dice, counts.groups[0].images, counts.patients);
  drawCross(pen, plot, y(mean));
  pen.restore();
}

function drawLevel(pen, plot, y, dashes) {
  pen.strokeStyle = SOFT;
  pen.lineWidth = 1;
  pen.setLineDash(dashes);
  pen.beginPath();
  pen.moveTo(plot.left, y);
  pen.lineTo(plot.left + plot.width, y);
  pen.stroke();
}

// Draw the mark of a rule: star best, disc plateau, ring saved, square with its number for a fold,
// diamond published.
function drawSymbol(pen, { kind, name }, x, y) {
  const corners = { best: 10, fold: 4, published: 4 }[kind];
  const radius = { best: 10, plateau: 6, saved: 10, fold: 9, published: 6 }[kind];
  pen.beginPath();
  if (!corners) pen.arc(x, y, radius, 0, 7);
  for (let k = 0; k < corners; k++) {
    const angle = (2 * Math.PI * (k + (kind === "fold" ? 0.5 : 0))) / corners - Math.PI / 2;
    const length = kind === "best" && k % 2 ? radius * 0.45 : radius;
    pen.lineTo(x + length * Math.cos(angle), y + length * Math.sin(angle));
  }
  if (corners) pen.closePath();
  pen.lineWidth = kind === "saved" ? 5 : 1.2;
  pen.strokeStyle = INK;
  pen.stroke();
  if (kind === "saved") {
    pen.lineWidth = 2.5;
    pen.strokeStyle = "#fff";
    pen.stroke();
    return;
  }
  pen.fillStyle = kind === "published" ? "#f2c14e" : "#fff";
  pen.fill();
  if (kind === "fold") {
    pen.fillStyle = INK;
    pen.textAlign = "center";
    pen.fillText(name.split(" ").at(-1), x, y + 4);
  }
}

// Return the mark of a rule as a picture for tables.
function symbol(other) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 48;
  const pen = canvas.getContext("2d");
  pen.scale(2, 2);
  pen.font = "12px system-ui, sans-serif";
  drawSymbol(pen, other, 12, 12);
  return `<img src="${canvas.toDataURL()}" width="24" height="24" alt="">`;
}

const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function listenToSurface() {
  const canvas = element("surface");
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  // Move the cross-hair to an area of the grid and a top; bottom stays.
  const moveTo = (index = null, top = rule.top) => setRule({
    minArea: index === null ? rule.minArea : areas[clamp(index, 0, areas.length - 1)],
    top: clamp(top, rule.bottom, LEVELS - 1),
  });
  const move = ({ offsetX, offsetY }) => {
    const plot = plotOf(canvas);
    const index = Math.floor(((offsetX - plot.left) / plot.width) * areas.length);
    moveTo(index, Math.floor((1 - (offsetY - plot.top) / plot.height) * LEVELS));
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    move(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons) move(event); });
  canvas.addEventListener("keydown", (event) => {
    const [right, up] = ARROWS[event.key] ?? [0, 0];
    if (!right && !up) return;
    event.preventDefault();
    const step = event.shiftKey ? 10 : 1;
    if (up) moveTo(undefined, rule.top + up * step);
    else moveTo(Math.round(gridPosition(rule.minArea)) + right * step);
  });
}

function showLead() {
  const folds = counts.groups.slice(1).map(({ name }) => name.split(" ")[1]);
  element("lead").textContent =
    `${whole(counts.n)} labelled images with out-of-fold maps (folds ${folds.join(" ")}); saved rule ` +
    `${content.ruleName}: ${content.savedText}. Areas are pixels of ${frame} × ${frame}.`;
  const start = rules.find(({ kind }) => kind === "saved");
  if (!start || start.note) {
    element("lead").textContent += start ? ` The sliders begin at its thresholds, ${start.note}.`
      : " It has no thresholds: the sliders begin at the middle of the plateau.";
  }
  element("palest").textContent = fixed(lowest);
}

// Resolves when the first frame is drawn.
const ready = (async () => {
  counts = await readCounts(content.counts);
  areas = areaGrid(counts);
  reached = reachedAreas(counts, areas);
  allEmpty = counts.truth.filter((area) => area === 0).length / counts.n;
  lowest = Math.min(best - Math.max(SHOWN_ERRORS * standardError, MIN_RANGE), allEmpty - standardError);
  document.querySelector("main").hidden = false;
  showLead();
  showRules();
  listenToControls();
  draw();
})();
