// One of the classes: single class, ordinal rating, pairwise comparison. A click or key is the answer.

import { build } from '../page.js';

export class ChoiceEditor {
  constructor(root, task, { done }) {
    this.task = task;
    this.done = done;
    this.immediate = true;
    this.keyOf = keysFor(task);
    this.root = build('div', { className: 'classes', id: 'classes' });
    this.root.setAttribute('role', 'group');
    this.root.setAttribute('aria-label', 'Answers');
    const plain = task.classes.every((name) => /^[0-9]$/.test(name));
    this.short = task.classes.every((name) => name.length < 8);
    this.root.classList.toggle('named', !plain);
    this.root.classList.toggle('ordinal', task.type === 'ordinal');
    this.root.append(...task.classes.map((name) => this.button(name, plain)));
    root.append(this.root);
  }

  button(name, plain) {
    const key = [...this.keyOf].find(([, choice]) => choice === name)?.[0];
    const button = build('button', { type: 'button', value: name }, name);
    if (key) button.setAttribute('aria-keyshortcuts', key);
    if (key && !plain) button.append(' ', build('kbd', {}, key));
    button.addEventListener('click', () => this.done(name));
    return button;
  }

  open() {}

  key(event) {
    const arrows = { ArrowLeft: 0, ArrowRight: 1 };
    const pairwise = this.task.type === 'pairwise' && event.key in arrows;
    const choice = pairwise ? this.task.classes[arrows[event.key]] : this.keyOf.get(event.key);
    if (choice === undefined) return false;
    const button = [...this.root.children].find((one) => one.value === choice);
    button.classList.add('picked');
    setTimeout(() => button.classList.remove('picked'), 150);
    this.done(choice);
    return true;
  }

  keys() {
    const numbers = [...this.keyOf].map(([key, choice]) => [key, choice]);
    return this.task.type === 'pairwise' ? [['← →', 'the left, the right one'], ...numbers] : numbers;
  }
}

/** Which key gives which class: a digit that is the class's own name, else 1 to 9 and 0 by place. */
export function keysFor({ classes }) {
  const digits = classes.every((name) => /^[0-9]$/.test(name));
  return new Map(classes.slice(0, 10).map((name, at) => [digits ? name : String((at + 1) % 10), name]));
}
