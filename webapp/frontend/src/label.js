// The labeling panel: one picture, one key. Shows what `Work` holds and turns keys and buttons into its answers.

import { ApiError, isTemporary } from './api.js';
import { SKIP_REASONS } from './entries.js';
import { build, complain, element, focusHeading, notify, sentence, show, speak, whileBusy } from './page.js';
import { unixNow } from './work.js';

const HURRY_SECONDS = 60;
const RETRY_SECONDS = 5;

export class LabelView {
  constructor(work, { onSignedOut }) {
    this.work = work;
    this.onSignedOut = onSignedOut;
    this.panel = null;
    this.waiting = null;
    this.interrupted = false;
    this.drawing = false;
    this.keys = keysFor(work.campaign.task.classes);
    this.buildButtons();
    this.listeners = new AbortController();
    const on = (target, event, handler) => target.addEventListener(event, handler, { signal: this.listeners.signal });
    on(document, 'keydown', (event) => this.onKey(event));
    on(element('undo'), 'click', () => this.undo());
    on(element('review-undo'), 'click', () => this.undo());
    on(element('skip'), 'click', () => this.skip());
    on(element('submit'), 'click', () => this.submit(element('submit')));
    on(element('submit-early'), 'click', () => this.submit(element('submit-early')));
    on(element('item-image'), 'error', () => this.imageFailed());
    this.clock = setInterval(() => this.showTimeLeft(), 1000);
  }

  stop() {
    this.listeners.abort();
    clearInterval(this.clock);
    clearTimeout(this.waiting);
    this.panel = null;
  }

  /** Sends what is left from before, resumes the lease, and shows the next thing to do. */
  async start() {
    if ((await this.attempt(() => this.work.flush())) !== 'stopped') await this.draw();
  }

  async draw() {
    clearTimeout(this.waiting);
    this.drawing = true;
    const outcome = await this.attempt(async () => {
      const { lost, ...nothing } = await this.work.draw();
      if (lost) complain(new Error(`Time ran out before you submitted: ${lost} of your answers went unused`));
      if (nothing.reason) this.wait(nothing.reason, nothing.waitSeconds);
      else if (!this.work.items.length) this.wait('Your last answers are being logged.', RETRY_SECONDS);
      else this.next();
    });
    this.drawing = false;
    if (outcome === 'declined') this.wait('The gateway gives out nothing at the moment.', RETRY_SECONDS);
  }

  /**
   * Runs an action and shows its error. Returns 'done'; 'declined' where the gateway refused this one thing; 'stopped' where
   * nothing more can be done now: signed out, a lying gateway, or no connection, after which it starts again by itself.
   */
  async attempt(action) {
    try {
      await action();
    } catch (error) {
      complain(error);
      if (error.status === 401) this.onSignedOut();
      else if (isTemporary(error)) {
        this.interrupted = true;
        this.wait('Your answers are kept in this browser.', RETRY_SECONDS);
      } else if (error instanceof ApiError) return 'declined';
      else this.wait('Labeling has stopped on this page.', 0);
      return 'stopped';
    }
    if (this.interrupted) notify('Connected again.');
    this.interrupted = false;
    return 'done';
  }

  next() {
    const item = this.work.current();
    if (item) this.showItem(item);
    else this.showReview();
  }

  showItem(item) {
    const { items } = this.work;
    const place = items.indexOf(item) + 1;
    this.enter('label');
    this.shown = item;
    const image = element('item-image');
    image.src = this.mediaUrl(item);
    image.alt = `Item ${place} of ${items.length}. Look at it and choose an answer.`;
    element('batch-place').textContent = `Item ${place} of ${items.length}`;
    element('batch-progress').max = items.length;
    element('batch-progress').value = this.work.answered.length;
    element('undo').disabled = !this.work.answered.length;
    for (const other of items) new Image().src = this.mediaUrl(other); // so that the next one is there at once
    this.showTimeLeft();
  }

  showReview() {
    const entering = this.panel !== 'review';
    this.enter('review');
    this.shown = null;
    const labels = this.work.answered.filter((item) => 'choice' in item.answer).length;
    element('review-title').textContent = `All ${this.work.items.length} answered: check and submit`;
    element('submit').firstChild.textContent = labels ? `Submit ${labels} ${labels === 1 ? 'label' : 'labels'} ` : 'Hand back and go on ';
    element('review').replaceChildren(
      ...this.work.items.map((item, at) => {
        const text = answerText(item.answer);
        const button = build('button', { type: 'button' });
        button.setAttribute('aria-label', `Item ${at + 1}: ${text}. Change`);
        const skipped = 'skip' in item.answer;
        const caption = build('span', { className: skipped ? 'skipped' : '' }, skipped ? 'skip' : text);
        button.append(build('img', { src: this.mediaUrl(item), alt: '' }), caption);
        button.addEventListener('click', () => this.undo(item.number));
        return build('li', {}, button);
      }),
    );
    this.showTimeLeft();
    if (entering) element('submit').focus();
  }

  wait(reason, seconds) {
    const entering = this.panel !== 'wait';
    this.enter('wait');
    element('wait-reason').textContent = sentence(reason);
    element('wait-again').textContent = seconds ? 'This page goes on by itself; you can leave it open.' : '';
    clearTimeout(this.waiting);
    if (seconds) {
      // Asked a little more often than told: estimates of block times are rough.
      this.waiting = setTimeout(() => this.start(), 1000 * Math.min(seconds, RETRY_SECONDS));
    }
    if (entering) focusHeading('wait');
  }

  enter(panel) {
    if (this.listeners.signal.aborted) return; // an answer arrived after signing out
    this.panel = panel;
    show(panel);
  }

  // --- answers ---

  answer(answer) {
    const item = this.shown;
    if (!item) return;
    notify('');
    this.work.answer(item, answer);
    speak(`${answerText(answer)}. ${this.work.items.length - this.work.answered.length} left.`);
    this.next();
  }

  skip() {
    this.answer({ skip: Number(element('skip-reason').value) });
    element('skip-reason').value = '0';
  }

  undo(number) {
    if (!this.work.undo(number)) return;
    speak('Answer taken back.');
    this.next();
  }

  async submit(button) {
    await whileBusy(button, async () => {
      const outcome = await this.attempt(async () => {
        const { labels } = await this.work.handIn();
        const what = labels === 1 ? '1 label' : `${labels} labels`;
        notify(labels ? `${what} submitted. Their pay is pending until the round is checked.` : 'Items handed back.');
      });
      if (outcome !== 'stopped') await this.draw();
    });
  }

  onKey(event) {
    const editing = event.target.closest?.('input, select, textarea, [contenteditable]');
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || editing) return;
    const labeling = this.panel === 'label';
    if (event.key === 'Backspace' && (labeling || this.panel === 'review')) this.undo();
    else if (event.key === 'Enter' && this.panel === 'review' && !event.target.closest?.('button, a, summary')) element('submit').click();
    else if (labeling && event.key.toLowerCase() === 's') this.skip();
    else if (labeling && this.keys.has(event.key)) this.pick(this.keys.get(event.key));
    else return;
    event.preventDefault();
  }

  pick(choice) {
    const button = [...element('classes').children].find((one) => one.value === choice);
    button.classList.add('picked');
    setTimeout(() => button.classList.remove('picked'), 150);
    this.answer({ choice });
  }

  buildButtons() {
    const { classes } = this.work.campaign.task;
    const plain = [...this.keys].every(([key, choice]) => key === choice) && this.keys.size === classes.length;
    const keyOf = new Map([...this.keys].map(([key, choice]) => [choice, key]));
    element('classes').classList.toggle('named', !plain);
    element('classes').replaceChildren(
      ...classes.map((choice) => {
        const key = keyOf.get(choice);
        const button = build('button', { type: 'button', value: choice }, choice);
        if (key) button.setAttribute('aria-keyshortcuts', key);
        if (key && !plain) button.append(' ', build('kbd', {}, key));
        button.addEventListener('click', () => this.answer({ choice }));
        return button;
      }),
    );
  }

  // --- the lease's time ---

  secondsLeft() {
    return this.work.lease ? this.work.lease.expiry - unixNow() : 0;
  }

  showTimeLeft() {
    if (this.panel !== 'label' && this.panel !== 'review') return;
    const left = Math.max(0, this.secondsLeft());
    const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
    element('lease-left').textContent = left ? `${clock} left` : 'Time is up';
    element('review-left').textContent = left ? `${clock} left to submit.` : 'Time is up: these items go to others.';
    const { length } = this.work.answered;
    element('submit-early').hidden = !(this.panel === 'label' && length && left && left <= HURRY_SECONDS);
    element('submit-early').textContent = `Submit these ${length} now`;
    if (left === HURRY_SECONDS && length) speak('One minute left to submit.');
    if (!left && !length && !this.drawing) this.draw();
  }

  imageFailed() {
    complain(new Error("This picture didn't load. Check your connection and reload, or skip it as broken."));
    element('skip-reason').value = '2';
  }

  mediaUrl(item) {
    return `/campaigns/${this.work.campaign.number}/items/${item.number}`;
  }
}

const answerText = (answer) => ('skip' in answer ? `skip, ${SKIP_REASONS[answer.skip]}` : answer.choice);

/** Which key gives which class: a digit that is the class's own name, else 1 to 9 and 0 by place. */
export function keysFor(classes) {
  const digits = classes.every((name) => /^[0-9]$/.test(name));
  return new Map(classes.slice(0, 10).map((name, at) => [digits ? name : String((at + 1) % 10), name]));
}
