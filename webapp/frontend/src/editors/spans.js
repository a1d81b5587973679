// Spans of a text: select with mouse, finger or arrow keys, then choose a class. All places count Unicode code points.

import { build } from '../page.js';
import { History, StatefulEditor } from './history.js';

export class SpanEditor extends StatefulEditor {
  constructor(root, task, { changed, say }) {
    super();
    Object.assign(this, { task, changed, say });
    this.root = root;
    this.selected = null; // {start, end}
    this.list = build('ul', { className: 'marks', id: 'marks' });
    this.classes = build('div', { className: 'classes named', id: 'classes' });
    this.classes.setAttribute('role', 'group');
    this.classes.setAttribute('aria-label', 'Mark the selection as');
    task.classes.forEach((name, at) => {
      const button = build('button', { type: 'button', className: `of-class c${at % 8}` }, name);
      if (at < 9) button.append(' ', build('kbd', {}, String(at + 1)));
      // The button must not take the selection away before it is read.
      button.addEventListener('pointerdown', (event) => event.preventDefault());
      button.addEventListener('click', () => this.mark(name));
      this.classes.append(button);
    });
    root.append(this.classes, this.list);
    this.listeners = new AbortController();
    document.addEventListener('selectionchange', () => this.readSelection(), { signal: this.listeners.signal });
  }

  close() {
    this.listeners.abort();
  }

  open(item, draft, stage) {
    this.place = stage.querySelector('.item-text');
    this.place.tabIndex = 0;
    this.place.setAttribute('role', 'application');
    this.place.setAttribute('aria-label', 'Text to mark. Arrow keys choose words, Shift and arrow keys more of them, digits mark them.');
    this.place.onclick = (event) => this.tapped(event);
    this.characters = [...item.first.text];
    this.words = wordsOf(item.first.text);
    this.selected = null;
    this.history = new History(draft ?? []);
    this.show();
  }

  show() {
    const cuts = new Set([0, this.characters.length]);
    const spans = this.history.state;
    for (const one of [...spans, ...(this.selected ? [this.selected] : [])]) cuts.add(one.start).add(one.end);
    const ends = [...cuts].sort((a, b) => a - b);
    this.place.replaceChildren(
      ...ends.slice(1).map((end, at) => {
        const start = ends[at];
        const marks = spans.filter((one) => one.start <= start && end <= one.end);
        const part = build(marks.length ? 'mark' : 'span', {}, this.characters.slice(start, end).join(''));
        part.dataset.start = start;
        if (marks.length) part.classList.add(`c${this.task.classes.indexOf(marks.at(-1).class) % 8}`);
        if (marks.length > 1) part.classList.add('several');
        if (this.selected && this.selected.start <= start && end <= this.selected.end) part.classList.add('selected');
        return part;
      }),
    );
    this.list.replaceChildren(...spans.map((one, at) => this.row(one, at)));
    for (const button of this.classes.children) button.disabled = !this.selected;
  }

  row(one, at) {
    const words = this.characters.slice(one.start, one.end).join('');
    const remove = build('button', { type: 'button', className: 'quiet' }, 'Remove');
    remove.setAttribute('aria-label', `Remove ${one.class}: ${words}`);
    remove.addEventListener('click', () => this.put(this.history.state.filter((_, place) => place !== at)));
    const name = build('span', { className: `tag c${this.task.classes.indexOf(one.class) % 8}` }, one.class);
    return build('li', {}, name, build('span', { className: 'quote' }, words), remove);
  }

  // --- choosing ---

  readSelection() {
    const selection = document.getSelection();
    if (!this.place?.isConnected || selection.isCollapsed || !selection.rangeCount) return;
    const range = selection.getRangeAt(0);
    if (!this.place.contains(range.commonAncestorContainer)) return;
    const [start, end] = [this.offset(range.startContainer, range.startOffset), this.offset(range.endContainer, range.endOffset)];
    this.chosen = this.trimmed(start, end);
    for (const button of this.classes.children) button.disabled = !this.chosen;
  }

  offset(node, at) {
    if (node === this.place) return Number(this.place.children[at]?.dataset.start ?? this.characters.length);
    const part = node.nodeType === Node.TEXT_NODE ? node.parentElement : node;
    const before = node.nodeType === Node.TEXT_NODE ? [...node.data.slice(0, at)].length : at ? [...part.textContent].length : 0;
    return Number(part.dataset.start) + before;
  }

  /** Blanks at the ends of a selection are never meant. */
  trimmed(start, end) {
    while (start < end && !this.characters[start].trim()) start += 1;
    while (start < end && !this.characters[end - 1].trim()) end -= 1;
    return start < end ? { start, end } : null;
  }

  /** A click or tap chooses the word under it; one on the word next to what is chosen takes that along. */
  tapped(event) {
    if (!document.getSelection().isCollapsed) return;
    const range = document.caretRangeFromPoint?.(event.clientX, event.clientY);
    const found = document.caretPositionFromPoint?.(event.clientX, event.clientY);
    const [node, at] = range ? [range.startContainer, range.startOffset] : [found?.offsetNode, found?.offset];
    if (!node || !this.place.contains(node)) return;
    const offset = this.offset(node, at);
    const next = this.words.findIndex((word) => word.start <= offset && offset <= word.end);
    if (next < 0) return this.choose(null);
    const word = this.words[next];
    const along = this.selected && this.words[next - 1]?.end === this.selected.end;
    this.choose(along ? { start: this.selected.start, end: word.end } : word);
  }

  choose(selected) {
    this.chosen = null;
    document.getSelection().removeAllRanges();
    this.selected = selected;
    this.show();
    if (selected) this.say(this.characters.slice(selected.start, selected.end).join(''));
  }

  // --- marking ---

  mark(name) {
    const selected = this.chosen ?? this.selected;
    if (!selected) return;
    const others = this.history.state.filter((one) => one.class !== name || one.end <= selected.start || selected.end <= one.start);
    this.choose(null);
    this.put([...others, { class: name, ...selected }]);
    this.say(`Marked as ${name}`);
  }

  put(spans) {
    const place = (one) => this.task.classes.indexOf(one.class);
    spans.sort((a, b) => a.start - b.start || a.end - b.end || place(a) - place(b));
    if (this.history.push(spans)) this.changed();
    this.show();
  }

  answer() {
    return this.history.state;
  }

  problem() {
    const { length } = this.history.state;
    return length > this.task.most ? `Keep at most ${this.task.most} marks: there are ${length}.` : '';
  }

  key(event) {
    const digit = this.task.classes[Number(event.key) - 1];
    if (/^[1-9]$/.test(event.key) && digit !== undefined) this.mark(digit);
    else if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') this.move(event.key === 'ArrowRight' ? 1 : -1, event.shiftKey);
    else if (event.key === 'Delete' && this.selected) this.unmark();
    else if (event.key === 'Escape' && this.selected) this.choose(null);
    else return false;
    return true;
  }

  /** Moves to the next word, or makes the selection longer or shorter by one. */
  move(step, longer) {
    if (!this.words.length) return;
    const { selected, words } = this;
    if (!selected) this.choose(words[step > 0 ? 0 : words.length - 1]);
    else if (longer) {
      const last = words.findLastIndex((word) => word.end <= selected.end);
      const end = words[Math.min(words.length - 1, last + step)]?.end ?? selected.end;
      if (end > selected.start) this.choose({ start: selected.start, end });
    } else {
      const first = words.findIndex((word) => word.start >= selected.start);
      this.choose(words[Math.max(0, Math.min(words.length - 1, first + step))]);
    }
  }

  unmark() {
    const { start, end } = this.selected;
    this.put(this.history.state.filter((one) => one.end <= start || end <= one.start));
  }

  keys() {
    return [
      ['← →', 'the word before, the next word'],
      ['Shift ← →', 'fewer, more words'],
      [`1 – ${Math.min(9, this.task.classes.length)}`, `mark as ${this.task.classes.slice(0, 9).join(', ')}`],
      ['Del', 'remove the marks there'],
    ];
  }
}

/** The words of a text as {start, end} in code points. */
export function wordsOf(text) {
  const found = [];
  for (const { segment, index, isWordLike } of new Intl.Segmenter(undefined, { granularity: 'word' }).segment(text)) {
    if (!isWordLike) continue;
    const start = [...text.slice(0, index)].length;
    found.push({ start, end: start + [...segment].length });
  }
  return found;
}
