// Free text, and transcription of audio.

import { build } from '../page.js';

const STEP_SECONDS = 3;

export class TextEditor {
  constructor(root, task, { changed, done }) {
    Object.assign(this, { task, changed });
    const audio = task.type === 'transcription';
    const id = 'answer-text';
    this.field = build('textarea', { id, rows: 4, spellcheck: true, dir: 'auto' });
    this.left = build('p', { className: 'small', id: 'answer-left' });
    this.field.setAttribute('aria-describedby', 'answer-left');
    this.field.addEventListener('input', () => {
      this.count();
      changed();
    });
    const label = build('label', { htmlFor: id }, audio ? 'What is said' : 'Your answer');
    root.append(build('div', { className: 'fields' }, label, this.field, this.left));
    this.field.addEventListener('keydown', (event) => {
      const command = event.ctrlKey || event.metaKey;
      if (command && event.key === 'Enter') done();
      else if (!(command && this.play(event))) return;
      event.preventDefault();
    });
  }

  open(item, draft, stage) {
    this.audio = stage.querySelector('audio');
    this.field.value = draft ?? '';
    this.count();
    this.field.focus();
  }

  /** What is sent: in Unicode's composed form, without blanks at the ends. */
  answer() {
    return this.field.value.replaceAll('\r\n', '\n').normalize('NFC').trim();
  }

  draft() {
    return this.field.value;
  }

  problem() {
    const { length } = [...this.answer()];
    if (!this.answer().isWellFormed()) return 'The text holds half a character: delete it and type it again.';
    if (length > this.task.maxLength) return `Shorten it to ${this.task.maxLength} characters: it has ${length}.`;
    if (!length && this.task.type === 'text') return 'Write something first, or skip the item.';
    return '';
  }

  count() {
    const left = this.task.maxLength - [...this.answer()].length;
    const none = this.task.type === 'transcription' ? ' Leave it empty if nothing is said.' : '';
    this.left.textContent = `${left} characters left.${none}`;
  }

  // The browser's own undo works while the text has the focus; the buttons ask it to.
  undo() {
    this.field.focus();
    return document.execCommand('undo');
  }

  redo() {
    this.field.focus();
    return document.execCommand('redo');
  }

  play(event) {
    if (!this.audio) return false;
    if (event.key === ' ') {
      if (this.audio.paused) void this.audio.play();
      else this.audio.pause();
    } else if (event.key === 'ArrowLeft') this.audio.currentTime = Math.max(0, this.audio.currentTime - STEP_SECONDS);
    else if (event.key === 'ArrowRight') this.audio.currentTime += STEP_SECONDS;
    else return false;
    return true;
  }

  key(event) {
    return event.key === ' ' && !event.target.closest('button, audio, summary') ? this.play(event) : false;
  }

  keys() {
    const audio = [
      ['Ctrl Space', 'play or pause'],
      ['Ctrl ← →', `back or on by ${STEP_SECONDS} seconds`],
    ];
    return [...(this.task.type === 'transcription' ? audio : []), ['Ctrl ↵', 'done with the text']];
  }
}
