// Boxes and polygons on an image: Annotorious draws for mouse and finger, keys and buttons do the same without them.
// A bundle of its own, loaded where a task needs it.

import { createImageAnnotator } from '@annotorious/annotorious';
import { build } from '../page.js';
import { History, StatefulEditor } from './history.js';
import { cleaned, corners, insertedPoint, moved, started, withoutPoint } from './shapes.js';

// Annotorious styles shapes by their style attribute, which the page's policy refuses to any script; the same words through the
// object model are the page's own doing, and pass. Its handles are buttons without a name, and get one.
const { setAttribute } = SVGElement.prototype;
SVGElement.prototype.setAttribute = function (name, value) {
  if (name === 'style') this.style.cssText = value;
  else setAttribute.call(this, name, value);
  if (name === 'role' && value === 'button') this.ariaLabel = 'Handle';
};

const COLOURS = ['#e6007a', '#0a84ff', '#e67e00', '#00a86b', '#9b51e0', '#d7263d', '#00a3c4', '#8c6d1f'];
const STEP = 0.02; // of the image, by a press of an arrow key

export class RegionEditor extends StatefulEditor {
  constructor(root, task, { changed, say }) {
    super();
    Object.assign(this, { task, changed, say, chosen: -1, corner: -1 });
    this.shape = task.type === 'boxes' ? 'box' : 'points';
    this.name = task.type === 'boxes' ? 'box' : 'polygon';
    this.klass = task.classes[0];
    this.classes = build('div', { className: 'classes named', id: 'classes' });
    this.classes.setAttribute('role', 'group');
    this.classes.setAttribute('aria-label', `Class of the ${this.name}`);
    task.classes.forEach((name, at) => {
      const button = build('button', { type: 'button', className: `of-class c${at % 8}`, value: name }, name);
      if (at < 9) button.append(' ', build('kbd', {}, String(at + 1)));
      button.addEventListener('click', () => this.setClass(name));
      this.classes.append(button);
    });
    const add = build('button', { type: 'button', id: 'add-region' }, `Add ${this.name} `, build('kbd', {}, 'N'));
    add.addEventListener('click', () => this.add());
    this.list = build('ul', { className: 'marks', id: 'marks' });
    this.finish = build('button', { type: 'button', id: 'close-outline', hidden: true }, 'Close the outline');
    this.finish.addEventListener('click', () => this.closeOutline());
    this.hint = build('p', { className: 'small' }, hintOf(this.name));
    root.append(this.hint, this.classes, build('div', { className: 'tools' }, add, this.finish), this.list);
  }

  /** Before its image goes: Annotorious can't reckon with one that has no size. */
  leave() {
    this.tapping?.abort();
    this.tapping = new AbortController();
    this.finish.hidden = true;
    this.annotator?.destroy();
    this.annotator = null;
  }

  async open(item, draft, stage) {
    this.leave();
    this.chosen = -1;
    this.corner = -1;
    this.history = new History(draft ?? []);
    this.image = stage.querySelector('img');
    this.dot = build('span', { className: 'corner-dot', hidden: true });
    await this.image.decode().catch(() => {}); // what is broken says so by itself
    if (!this.image.isConnected || !this.image.naturalWidth) return;
    this.annotator = createImageAnnotator(this.image, {
      drawingEnabled: true,
      drawingMode: this.shape === 'box' ? 'drag' : 'click',
      autoSave: true,
      style: (annotation) => this.style(annotation),
    });
    this.annotator.setDrawingTool(this.shape === 'box' ? 'rectangle' : 'polygon');
    this.annotator.on('createAnnotation', (annotation) => this.drawn(annotation));
    this.annotator.on('updateAnnotation', (annotation) => this.dragged(annotation));
    this.annotator.on('selectionChanged', ([annotation]) => {
      const at = annotation ? this.place(annotation.id) : -1;
      if (at >= 0 && at !== this.chosen) this.choose(at, false);
    });
    this.image.parentElement.append(this.dot);
    this.outlineByTaps();
    this.show();
  }

  // --- outlines by taps: Annotorious follows a pointer that hovers, which a finger doesn't ---

  outlineByTaps() {
    const frame = this.image.closest('.frame');
    this.taps = [];
    this.showTaps();
    const mine = (event) => this.shape === 'points' && event.pointerType === 'touch' && this.chosen < 0;
    const options = { capture: true, signal: this.tapping.signal };
    frame.addEventListener('pointerdown', (event) => mine(event) && event.stopPropagation(), options);
    frame.addEventListener(
      'pointerup',
      (event) => {
        if (!mine(event)) return;
        event.stopPropagation();
        const box = this.image.getBoundingClientRect();
        const share = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
        this.taps.push(this.fromImage(share[0] * this.image.naturalWidth, share[1] * this.image.naturalHeight));
        this.showTaps();
        this.say(`Corner ${this.taps.length}`);
      },
      options,
    );
  }

  showTaps() {
    const frame = this.image.closest('.frame');
    for (const old of frame.querySelectorAll('.tapped')) old.remove();
    for (const [x, y] of this.taps) {
      const dot = build('span', { className: 'corner-dot tapped' });
      dot.style.left = `${(100 * x) / this.task.scale}%`;
      dot.style.top = `${(100 * y) / this.task.scale}%`;
      frame.append(dot);
    }
    this.finish.hidden = this.taps.length < 3;
  }

  closeOutline() {
    const region = cleaned({ class: this.klass, points: this.taps });
    this.taps = [];
    this.showTaps();
    if (region) this.put([...this.history.state, region], -1);
    else this.say('These corners have no area between them.');
  }

  // --- between Annotorious and the answer's integers ---

  style(annotation) {
    const at = this.task.classes.indexOf(annotation.bodies?.[0]?.value ?? this.klass);
    const colour = COLOURS[at % COLOURS.length];
    return { stroke: colour, strokeWidth: 3, fill: colour, fillOpacity: 0.15 };
  }

  fromImage(x, y) {
    const { scale } = this.task;
    const within = (value, size) => Math.max(0, Math.min(scale, Math.round((value * scale) / size)));
    return [within(x, this.image.naturalWidth), within(y, this.image.naturalHeight)];
  }

  toImage([x, y]) {
    const { scale } = this.task;
    return [(x * this.image.naturalWidth) / scale, (y * this.image.naturalHeight) / scale];
  }

  read(annotation) {
    const { geometry } = annotation.target.selector;
    if (this.shape === 'points') return { points: geometry.points.map(([x, y]) => this.fromImage(x, y)) };
    const { x, y, w, h } = geometry;
    return { box: [...this.fromImage(x, y), ...this.fromImage(x + w, y + h)] };
  }

  annotation(region, at) {
    const points = corners(region).map((point) => this.toImage(point));
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
    const bounds = { minX: Math.min(...xs), minY: Math.min(...ys), maxX: Math.max(...xs), maxY: Math.max(...ys) };
    const box = { x: bounds.minX, y: bounds.minY, w: bounds.maxX - bounds.minX, h: bounds.maxY - bounds.minY };
    const id = `region-${at}`;
    const selector =
      this.shape === 'box'
        ? { type: 'RECTANGLE', geometry: { ...box, bounds } }
        : { type: 'POLYGON', geometry: { points, bounds } };
    const body = { id: `class-${at}`, annotation: id, purpose: 'tagging', value: region.class };
    return { id, bodies: [body], target: { annotation: id, selector } };
  }

  place(id) {
    return Number(/^region-(\d+)$/.exec(id)?.[1] ?? -1);
  }

  drawn(annotation) {
    const region = cleaned({ class: this.klass, ...this.read(annotation) });
    const regions = region ? [...this.history.state, region] : this.history.state;
    this.put(regions, -1); // so that the class chosen next is the next one's
  }

  dragged(annotation) {
    const at = this.place(annotation.id);
    const regions = structuredClone(this.history.state);
    const region = regions[at] && cleaned({ class: regions[at].class, ...this.read(annotation) });
    if (region) regions[at] = region;
    this.put(regions, at);
  }

  // --- what is shown ---

  show() {
    const regions = this.history.state;
    if (this.chosen >= regions.length) this.chosen = regions.length - 1;
    this.annotator?.setAnnotations(regions.map((region, at) => this.annotation(region, at)));
    if (this.chosen >= 0) this.annotator?.setSelected(`region-${this.chosen}`, true);
    else this.annotator?.cancelSelected();
    this.showCorner();
    this.list.replaceChildren(...regions.map((region, at) => this.row(region, at)));
    const shown = regions[this.chosen]?.class ?? this.klass;
    for (const button of this.classes.children) button.setAttribute('aria-pressed', String(button.value === shown));
  }

  showCorner() {
    const region = this.history.state[this.chosen];
    this.dot.hidden = !region || this.corner < 0;
    if (this.dot.hidden) return;
    const [x, y] = corners(region)[this.corner];
    this.dot.style.left = `${(100 * x) / this.task.scale}%`;
    this.dot.style.top = `${(100 * y) / this.task.scale}%`;
  }

  row(region, at) {
    const choose = build('button', { type: 'button', className: 'quiet' }, `${at + 1}`);
    choose.setAttribute('aria-label', `Choose ${this.name} ${at + 1}, ${region.class}`);
    choose.setAttribute('aria-pressed', String(at === this.chosen));
    choose.addEventListener('click', () => this.choose(at));
    const remove = build('button', { type: 'button', className: 'quiet' }, 'Remove');
    remove.setAttribute('aria-label', `Remove ${this.name} ${at + 1}, ${region.class}`);
    remove.addEventListener('click', () => this.remove(at));
    const name = build('span', { className: `tag c${this.task.classes.indexOf(region.class) % 8}` }, region.class);
    return build('li', {}, choose, name, build('span', { className: 'quote' }, corners(region).map((one) => one.join(' ')).join(' – ')), remove);
  }

  // --- changing it ---

  put(regions, chosen) {
    this.chosen = chosen;
    if (this.history.push(regions)) this.changed();
    this.show();
  }

  add() {
    if (this.history.state.length >= this.task.most) return this.say(`At most ${this.task.most}.`);
    const region = { class: this.klass, ...started(this.shape, this.task.scale) };
    this.corner = -1;
    this.put([...this.history.state, region], this.history.state.length);
    this.say(`New ${this.name}. Arrow keys move it, C chooses a corner.`);
  }

  choose(at, redraw = true) {
    this.chosen = at;
    this.corner = -1;
    if (redraw) this.show();
    const region = this.history.state[at];
    for (const [place, row] of [...this.list.children].entries()) row.firstChild.setAttribute('aria-pressed', String(place === at));
    if (region) this.say(`${this.name} ${at + 1}, ${region.class}`);
  }

  remove(at) {
    this.corner = -1;
    this.put(this.history.state.filter((_, place) => place !== at), Math.min(at, this.history.state.length - 2));
    this.say('Removed.');
  }

  setClass(name) {
    this.klass = name;
    const regions = structuredClone(this.history.state);
    if (regions[this.chosen]) regions[this.chosen].class = name;
    this.put(regions, this.chosen);
  }

  change(make) {
    const regions = structuredClone(this.history.state);
    const region = make(regions[this.chosen]);
    if (!region) return;
    regions[this.chosen] = region;
    this.put(regions, this.chosen);
  }

  /** Ascending by the class's place and the coordinates, none twice. */
  answer() {
    const place = (one) => this.task.classes.indexOf(one.class);
    const flat = (one) => one[this.shape].flat();
    const compare = (a, b) => {
      if (place(a) !== place(b)) return place(a) - place(b);
      const [left, right] = [flat(a), flat(b)];
      const at = left.findIndex((value, index) => value !== right[index]);
      return at < 0 ? left.length - right.length : at >= right.length ? 1 : left[at] - right[at];
    };
    const sorted = structuredClone(this.history.state).sort(compare);
    return sorted.filter((one, at) => !at || compare(sorted[at - 1], one));
  }

  problem() {
    const { length } = this.history.state;
    return length > this.task.most ? `Keep at most ${this.task.most}: there are ${length}.` : '';
  }

  step(moved) {
    if (moved) this.corner = -1;
    return super.step(moved);
  }

  // --- keys ---

  key(event) {
    const { length } = this.history.state;
    const key = event.key.toLowerCase();
    const arrows = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] };
    const name = this.task.classes[Number(key) - 1];
    if (key === 'escape' && this.chosen >= 0) {
      this.choose(-1);
    } else if (key === 'n') this.add();
    else if (/^[1-9]$/.test(key) && name !== undefined) this.setClass(name);
    else if (!length) return false;
    else if (key === '.' || key === ',') this.choose((this.chosen + (key === '.' ? 1 : length - 1) + length) % length);
    else if (this.chosen < 0) return false;
    else if (key in arrows) {
      const step = event.shiftKey ? 1 : Math.max(1, Math.round(STEP * this.task.scale));
      const [right, down] = arrows[key];
      this.change((region) => moved(region, this.corner, right * step, down * step, this.task.scale));
    } else if (key === 'c') {
      const count = corners(this.history.state[this.chosen]).length;
      this.corner = this.corner + 1 >= count ? -1 : this.corner + 1;
      this.showCorner();
      this.say(this.corner < 0 ? 'The whole' : `Corner ${this.corner + 1}`);
    } else if (key === 'i' && this.shape === 'points') this.change((region) => insertedPoint(region, this.corner));
    else if (key === 'x' && this.shape === 'points') {
      this.change((region) => withoutPoint(region, this.corner));
      this.corner = -1;
      this.showCorner();
    } else if (key === 'delete') this.remove(this.chosen);
    else return false;
    return true;
  }

  keys() {
    const points = [
      ['I', 'a point more after the corner'],
      ['X', 'take the corner away'],
    ];
    return [
      ['N', `a new ${this.name}`],
      [`1 – ${Math.min(9, this.task.classes.length)}`, `its class: ${this.task.classes.slice(0, 9).join(', ')}`],
      ['← → ↑ ↓', 'move it; with Shift a little'],
      ['C', 'the next corner, and then the whole again'],
      ...(this.shape === 'points' ? points : []),
      [', .', `the ${this.name} before, the next one`],
      ['Del', 'remove it'],
      ['Esc', 'choose none'],
    ];
  }
}

const hintOf = (name) =>
  name === 'box'
    ? 'Drag a box around each, or press N and move it with the arrow keys. None there? Go on without any.'
    : 'Click or tap the corners of each outline and close it at the first one, or press N and shape it with the keys. None there? Go on without any.';
