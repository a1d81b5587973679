// The labeling panel: shows what `Work` holds, item by item, and hands an editor's answers back to it.

import { ApiError, isTemporary } from './api.js';
import { unixNow } from './clock.js';
import { editorFor } from './editors/index.js';
import { SKIP_REASONS } from './entries.js';
import { build, complain, element, focusHeading, notify, sentence, show, speak, whileBusy } from './page.js';
import { Stage } from './stage.js';
import { standing } from './vouching.js';

const HURRY_SECONDS = 60;
const RETRY_SECONDS = 5;
// A second tap so soon and so near is the first one's echo: nobody has seen the next item by then.
const TWICE_MS = 300;
const TWICE_PIXELS = 24;

export class LabelView {
  constructor(work, { onSignedOut }) {
    this.work = work;
    this.onSignedOut = onSignedOut;
    this.panel = null;
    this.waiting = null;
    this.interrupted = false;
    this.drawing = false;
    this.stage = new Stage(element('stage'), { failed: () => this.mediaFailed() });
    this.listeners = new AbortController();
    const on = (target, event, handler) => target.addEventListener(event, handler, { signal: this.listeners.signal });
    on(document, 'keydown', (event) => this.onKey(event));
    document.addEventListener('click', (event) => this.onTap(event), { capture: true, signal: this.listeners.signal });
    on(element('undo'), 'click', () => this.undo());
    on(element('redo'), 'click', () => this.redo());
    on(element('review-undo'), 'click', () => this.takeBack());
    on(element('skip'), 'click', () => this.skip());
    on(element('done'), 'click', () => this.finish());
    on(element('zoom-in'), 'click', () => this.zoom(1));
    on(element('zoom-out'), 'click', () => this.zoom(-1));
    on(element('help'), 'click', () => this.help());
    on(element('comment'), 'submit', (event) => this.comment(event));
    on(element('submit'), 'click', () => this.submit(element('submit')));
    on(element('submit-early'), 'click', () => this.submit(element('submit-early')));
    on(window, 'online', () => this.interrupted && this.start());
    this.work.onChangedElsewhere(() => this.changedElsewhere(), this.listeners.signal);
    on(element('start-anyway'), 'click', () => this.startAnyway());
    this.unfollow = this.work.vouching.follow(() => this.showVouching());
    this.clock = setInterval(() => this.showTimeLeft(), 1000);
  }

  stop() {
    this.listeners.abort();
    this.editor?.leave?.();
    this.editor?.close?.();
    this.unfollow();
    clearInterval(this.clock);
    clearTimeout(this.waiting);
    // Whoever signs in next at this browser must find nothing of it.
    for (const id of ['editor', 'stage', 'review', 'spoken', 'vouched', 'handed-in']) element(id).replaceChildren();
    element('comment-text').value = '';
    this.panel = null;
  }

  /** Sends what is left from before, resumes the lease, and shows the next thing to do. */
  async start() {
    if (!this.editor) {
      try {
        const Editor = await editorFor(this.work.campaign.task);
        element('editor').replaceChildren();
        this.editor = new Editor(element('editor'), this.work.campaign.task, {
          changed: () => this.keepDraft(),
          done: (answer) => (answer === undefined ? this.finish() : this.answer({ choice: answer })),
          say: speak,
        });
      } catch (error) {
        console.error(error);
        this.interrupted = true;
        return this.wait("A part of this page didn't load. Your answers are kept in this browser.", RETRY_SECONDS);
      }
    }
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
      else if (await this.isBacked()) this.next();
    });
    this.drawing = false;
    if (outcome === 'declined') this.wait('The gateway gives out nothing at the moment.', RETRY_SECONDS);
  }

  /** Whether operators vouch for the lease; where they don't, or not yet, says so and waits. */
  async isBacked() {
    const { vouching, lease } = this.work;
    await vouching.askAbout(lease.logged);
    const { state, vouched, count, why } = vouching.lease(lease.logged);
    this.showVouching();
    if (state === 'backed' || state === 'alone' || this.startedAnyway === lease.logged.head) return true;
    if (state === 'refused') {
      this.wait(`Operators say that nobody would pay for these items: ${why}. Others come when their time is over.`, RETRY_SECONDS, "Don't label these");
      return false;
    }
    const so = `${vouched} of ${count} vouch for them so far. This takes some seconds; work begins once enough do.`;
    this.wait(`The operators are being asked whether the pay for your items is backed: ${so}`, RETRY_SECONDS, 'Asking the operators');
    element('start-anyway').hidden = false;
    return false;
  }

  startAnyway() {
    this.startedAnyway = this.work.lease?.logged.head;
    void this.start();
  }

  showVouching() {
    const { vouching, lease } = this.work;
    if (!vouching.asks) return;
    const { state, vouched, count } = lease ? vouching.lease(lease.logged) : {};
    const write = (id, text) => element(id).textContent !== text && (element(id).textContent = text);
    write('vouched', state === 'backed' ? `${vouched} of ${count} operators vouch for this lease: its pay is backed.` : '');
    const last = vouching.submissions().at(-1);
    write('handed-in', last ? `Your last submission: ${standing(last, vouching.operators)}` : '');
  }

  /**
   * Runs an action and shows its error. Returns 'done'; 'declined' where the gateway refused this one thing; 'stopped' where
   * nothing more can be done now: signed out, a lying gateway, or no connection, after which it starts again by itself.
   */
  async attempt(action) {
    try {
      await action();
    } catch (error) {
      if (error.code === 'unqualified') {
        notify('');
        this.enter('exam');
        focusHeading('exam');
        return 'stopped';
      }
      complain(error);
      if (error.status === 401) this.onSignedOut(error);
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
    const place = items.findIndex(({ number }) => number === item.number) + 1;
    this.enter('label');
    this.shown = item.number;
    this.problem('');
    this.editor.leave?.();
    this.stage.show(item, (one, side) => this.mediaUrl(one, side), `${place} of ${items.length}`);
    element('batch-place').textContent = `Item ${place} of ${items.length}`;
    element('batch-progress').max = items.length;
    element('batch-progress').value = this.work.answered.length;
    element('done').hidden = Boolean(this.editor.immediate);
    element('redo').hidden = !this.editor.redo;
    for (const id of ['zoom-in', 'zoom-out']) element(id).hidden = !this.stage.canZoom;
    // So that the next one is there at once, also where the connection goes.
    for (const other of items) {
      if (other.first.media?.startsWith('image/')) new Image().src = this.mediaUrl(other, '');
      if (other.first.media?.startsWith('audio/')) void fetch(this.mediaUrl(other, '')).catch(() => {});
      if (other.second?.media?.startsWith('image/')) new Image().src = this.mediaUrl(other, '/second');
    }
    void this.editor.open(item, this.work.draft(item.number), this.stage.root);
    this.showTools();
    this.showTimeLeft();
    // What stood here before may have been longer: on a phone the item would be off the screen.
    if (element('stage').getBoundingClientRect().top < 0) element('batch-place').scrollIntoView();
  }

  showTools() {
    const history = this.editor.history;
    element('undo').disabled = !(this.work.answered.length || !history || history.past.length);
    element('redo').disabled = Boolean(history && !history.future.length);
  }

  showReview() {
    const entering = this.panel !== 'review';
    this.enter('review');
    this.shown = null;
    const labels = this.work.answered.filter((item) => 'choice' in item.answer).length;
    element('review-title').textContent = `All ${this.work.items.length} answered: check and submit`;
    element('submit').firstChild.textContent = labels ? `Submit ${labels} ${labels === 1 ? 'label' : 'labels'} ` : 'Hand back and go on ';
    element('review').classList.toggle('lines', !this.editor.short);
    element('review').replaceChildren(
      ...this.work.items.map((item, at) => {
        const text = answerText(item.answer);
        const button = build('button', { type: 'button' });
        button.setAttribute('aria-label', `Item ${at + 1}: ${text}. Change`);
        const skipped = 'skip' in item.answer;
        const caption = build('span', { className: skipped ? 'skipped' : '' }, skipped ? 'skip' : text);
        if (item.first.media?.startsWith('image/')) button.append(build('img', { src: this.mediaUrl(item, ''), alt: '' }));
        else button.append(build('span', { className: 'excerpt' }, (item.first.text ?? 'audio').slice(0, 60)));
        button.append(caption);
        button.addEventListener('click', () => this.takeBack(item.number));
        return build('li', {}, button);
      }),
    );
    this.showTimeLeft();
    if (entering) element('submit').focus();
  }

  wait(reason, seconds, title = 'Nothing to label right now') {
    const entering = this.panel !== 'wait';
    this.enter('wait');
    element('wait-title').textContent = title;
    element('start-anyway').hidden = true;
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
    if (panel !== 'label') this.editor?.leave?.();
    this.panel = panel;
    show(panel);
  }

  // --- answers ---

  answer(answer) {
    if (this.shown === null) return;
    notify('');
    const taken = this.work.answer(this.shown, answer, this.editor.draft?.());
    speak(taken ? `${answerText(answer)}. ${this.work.items.length - this.work.answered.length} left.` : 'Answered already.');
    this.next();
  }

  /** Checks what the editor holds, and takes it as the answer or says what is wrong. */
  finish() {
    if (this.panel !== 'label' || this.editor.immediate) return;
    const problem = this.editor.problem();
    this.problem(problem);
    if (!problem) this.answer({ choice: this.editor.answer() });
  }

  problem(text) {
    element('problem').textContent = text;
  }

  keepDraft() {
    this.problem('');
    if (this.shown !== null) this.work.keepDraft(this.shown, this.editor.draft());
    this.showTools();
  }

  skip() {
    this.answer({ skip: Number(element('skip-reason').value) });
    element('skip-reason').value = '0';
  }

  undo() {
    if (!this.editor.undo?.()) this.takeBack();
    else this.showTools();
  }

  redo() {
    this.editor.redo?.();
    this.showTools();
  }

  takeBack(number) {
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

  /** Another tab answered, took back or submitted: shows what there is now, and keeps what is being typed here. */
  changedElsewhere() {
    if (this.drawing || !this.editor || !['label', 'review', 'wait'].includes(this.panel)) return;
    const item = this.work.items.find(({ number }) => number === this.shown);
    if (item && item.answer === null) {
      element('batch-progress').value = this.work.answered.length;
      const draft = this.work.draft(item.number);
      const same = JSON.stringify(draft) === JSON.stringify(this.editor.draft?.());
      if (draft !== null && !same && !document.hasFocus()) void this.editor.open(item, draft, this.stage.root);
    } else if (!this.work.items.length) void this.draw();
    else if (this.panel !== 'wait') this.next();
  }

  // --- keys, zoom, comments ---

  onKey(event) {
    if (element('keys').open) return;
    const field = event.target.closest?.('input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]');
    const command = event.ctrlKey || event.metaKey;
    const labeling = this.panel === 'label';
    if (field || event.altKey) return;
    if (command) {
      if (!labeling || !this.editor.history || event.key.toLowerCase() !== 'z') {
        if (!labeling || event.key !== 'Enter') return;
        this.finish();
      } else if (event.shiftKey) this.redo();
      else this.undo();
      event.preventDefault();
      return;
    }
    const pressing = event.target.closest?.('button, a, summary, audio, input');
    // A key held down answers once; what is moved by arrows goes on moving.
    if (event.repeat && (this.editor?.immediate || !event.key.startsWith('Arrow'))) {
      if (event.key === 'Enter' && pressing) event.preventDefault();
      return;
    }
    if (event.key === '?') this.help();
    else if (labeling && this.editor.key(event)) this.showTools();
    else if (event.key === 'Backspace' && labeling) this.undo();
    else if (event.key === 'Backspace' && this.panel === 'review') this.takeBack();
    else if (event.key === 'Enter' && this.panel === 'review' && !pressing) element('submit').click();
    else if (event.key === 'Enter' && labeling && !pressing && !this.editor.immediate) this.finish();
    else if (labeling && event.key.toLowerCase() === 's') this.skip();
    else if (labeling && (event.key === '+' || event.key === '-')) this.zoom(event.key === '+' ? 1 : -1);
    else return;
    event.preventDefault();
  }

  /** Lets no double tap answer the next item too, or send what has just been completed. */
  onTap(event) {
    if (!event.detail || !event.target.closest('#editor, #done, #skip, [data-panel="review"]')) return;
    const before = this.tapped;
    this.tapped = { at: performance.now(), x: event.clientX, y: event.clientY, shown: this.shown };
    if (!before || before.shown === this.shown || this.tapped.at - before.at > TWICE_MS) return;
    if (Math.hypot(event.clientX - before.x, event.clientY - before.y) > TWICE_PIXELS) return;
    event.preventDefault();
    event.stopPropagation();
  }

  zoom(step) {
    if (this.stage.canZoom) speak(this.stage.zoomBy(step));
  }

  help() {
    const zoom = this.stage.canZoom ? [['+ −', 'zoom']] : [];
    const done = this.editor.immediate ? [] : [['↵', 'check the answer and go on']];
    const history = this.editor.history ? [['Ctrl Z', 'undo; with Shift redo']] : [];
    const rows = [
      ...this.editor.keys(),
      ...done,
      ...history,
      ...zoom,
      ['S', 'skip the item, for the reason chosen'],
      ['⌫', 'take the last answer back, until the batch is submitted'],
      ['↵', 'submit when all is answered'],
      ['?', 'these keys'],
    ];
    element('key-list').replaceChildren(
      ...rows.map(([keys, what]) => build('div', {}, build('dt', {}, build('kbd', {}, keys)), build('dd', {}, what))),
    );
    element('keys').showModal();
  }

  async comment(event) {
    event.preventDefault();
    const field = element('comment-text');
    const place = this.work.items.findIndex(({ number }) => number === this.shown);
    if (place < 0) return;
    await whileBusy(element('comment-send'), async () => {
      const body = new URLSearchParams({ account: this.work.contributor, text: `Item ${this.shown}: ${field.value}` });
      let answer;
      try {
        answer = await fetch(`/campaigns/${this.work.campaign.number}/questions`, { method: 'POST', body, redirect: 'manual' });
      } catch {
        throw new Error("The server can't be reached: your comment is still in its field. Send it later.");
      }
      // A redirect means that it was taken; it isn't followed.
      if (answer.type !== 'opaqueredirect') throw new Error('The comment was not taken: write 10 to 2,000 characters, at most five in an hour');
      field.value = '';
      element('comment').closest('details').open = false;
      notify("Comment sent to the campaign's questions.");
    });
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
    const hurry = left <= HURRY_SECONDS || !this.editor?.immediate;
    element('submit-early').hidden = !(this.panel === 'label' && length && left && hurry);
    element('submit-early').textContent = `Submit these ${length} now`;
    if (left === HURRY_SECONDS && length) speak('One minute left to submit.');
    if (!left && !length && !this.drawing) this.draw();
  }

  mediaFailed() {
    complain(new Error("This item didn't load. Check your connection and reload, or skip it as broken."));
    element('skip-reason').value = '2';
  }

  mediaUrl(item, side) {
    return `/campaigns/${this.work.campaign.number}/items/${item.number}${side}`;
  }
}

/** An answer in a few words. */
export function answerText(answer) {
  if ('skip' in answer) return `skip, ${SKIP_REASONS[answer.skip]}`;
  const { choice } = answer;
  if (typeof choice === 'string') return choice || '(nothing)';
  if (!Array.isArray(choice)) return [...choice.labels, ...Object.values(choice.attributes)].join(', ') || 'none';
  const counts = new Map();
  for (const one of choice) counts.set(one.class, (counts.get(one.class) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${count} × ${name}`).join(', ') || 'none';
}
