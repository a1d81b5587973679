// Several labels, and one option of each attribute.

import { build } from '../page.js';
import { History, StatefulEditor } from './history.js';

const LETTERS = 'abdefghijklmno';

export class MultiLabelEditor extends StatefulEditor {
  constructor(root, task, { changed }) {
    super();
    Object.assign(this, { task, changed });
    this.names = Object.keys(task.attributes).sort();
    const labels = this.group('What applies?', task.labels, 'checkbox', 'labels', (at) => String(at + 1));
    const attributes = this.names.map((name, at) =>
      this.group(name, task.attributes[name], 'radio', `attribute ${name}`, (option) => (option === 0 ? LETTERS[at] : '')),
    );
    this.form = build('div', { className: 'fields-by-two' }, labels, ...attributes);
    this.form.addEventListener('change', () => this.take());
    root.append(this.form);
  }

  group(title, options, type, name, keyAt) {
    const choices = options.map((option, at) => {
      const input = build('input', { type, name, value: option });
      const key = keyAt(at);
      const words = build('span', {}, option);
      if (key) words.append(' ', build('kbd', {}, key.toUpperCase()));
      return build('label', { className: 'choice' }, input, words);
    });
    return build('fieldset', { className: 'question' }, build('legend', {}, title), build('div', { className: 'choices' }, ...choices));
  }

  open(item, draft) {
    this.history = new History(draft ?? { labels: [], attributes: {} });
    this.show();
  }

  inputs(name) {
    return [...this.form.querySelectorAll('input')].filter((input) => input.name === name);
  }

  show() {
    const { labels, attributes } = this.history.state;
    for (const input of this.inputs('labels')) input.checked = labels.includes(input.value);
    for (const name of this.names) {
      for (const input of this.inputs(`attribute ${name}`)) input.checked = attributes[name] === input.value;
    }
  }

  take() {
    const chosen = (name) => this.inputs(name).filter((input) => input.checked).map((input) => input.value);
    const attributes = {};
    for (const name of this.names) {
      const [option] = chosen(`attribute ${name}`);
      if (option !== undefined) attributes[name] = option;
    }
    if (this.history.push({ labels: chosen('labels'), attributes })) this.changed();
  }

  answer() {
    const { labels, attributes } = this.history.state;
    return { labels: this.task.labels.filter((one) => labels.includes(one)), attributes };
  }

  problem() {
    const open = this.names.filter((name) => !(name in this.history.state.attributes));
    return open.length ? `Choose an option for: ${open.join(', ')}.` : '';
  }

  key(event) {
    const label = this.inputs('labels')[Number(event.key) - 1];
    const attribute = this.names[LETTERS.indexOf(event.key.toLowerCase())];
    if (/^[1-9]$/.test(event.key) && label) label.checked = !label.checked;
    else if (event.key.length === 1 && attribute) {
      const options = this.inputs(`attribute ${attribute}`);
      const now = options.findIndex((input) => input.checked);
      options[(now + 1) % options.length].checked = true;
    } else return false;
    this.take();
    return true;
  }

  keys() {
    return [
      [`1 – ${this.task.labels.length}`, 'a label on or off'],
      ...this.names.map((name, at) => [LETTERS[at].toUpperCase(), `next option of ${name}`]),
    ];
  }
}
