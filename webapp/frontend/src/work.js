// A contributor's work in one campaign: the lease, answers not yet sent, submissions on their way, and what was logged.
// Everything is written to storage before anything is sent: a reload or a lost connection loses nothing.

import { isTemporary, Offline, post } from './api.js';
import { fromHex, hex, randomBytes } from './bytes.js';
import { canonicalJson } from './canonical.js';
import { unixNow } from './clock.js';
import { digest, domainOf, typedData } from './eip712.js';
import { checkHead, delegationEntry, GatewayFault, label, readLease, skipEntry, submissionEntry } from './entries.js';
import { addressOf, newPrivateKey, sign } from './signing.js';
import { NotKept } from './storage.js';
import { Vouching } from './vouching.js';
import { signTypedData } from './wallet.js';

const DELEGATION_SECONDS = 30 * 24 * 3600;
const BATCH = 10;
const KEPT = 50; // what the gateway declined, the newest

export class Work {
  constructor({ network, campaign, contributor, storage, operators }) {
    Object.assign(this, { network, campaign, contributor, storage });
    this.vouching = new Vouching(storage, operators);
    this.path = `/api/campaigns/${campaign.number}`;
    this.domain = domainOf(network);
    this.load();
  }

  /** Takes what storage holds: another tab may have written since. Every change below begins with it, and ends with `save`. */
  load() {
    // leased and not yet handed in: {number, item, first, second, answer}
    this.items = this.storage.get('items', []);
    this.lease = this.storage.get('lease');
    this.order = this.storage.get('order', []); // item numbers in the order answered, for undo
  }

  /** Calls `changed` after another tab of this browser changed the work. */
  onChangedElsewhere(changed, signal) {
    const listen = (event) => {
      if (!this.storage.holds(event.key, ['items', 'order', 'drafts'])) return;
      this.load();
      changed();
    };
    window.addEventListener('storage', listen, { signal });
  }

  // --- drafts: what is begun and not answered yet, by item ---

  draft(number) {
    return this.storage.get('drafts', {})[number] ?? null;
  }

  keepDraft(number, draft) {
    this.storage.set('drafts', { ...this.storage.get('drafts', {}), [number]: draft });
  }

  /** Forgets the drafts of items that are gone. */
  sweepDrafts() {
    const drafts = Object.entries(this.storage.get('drafts', {}));
    const held = drafts.filter(([number]) => this.items.some((item) => item.number === Number(number)));
    if (held.length < drafts.length) this.storage.set('drafts', Object.fromEntries(held));
  }

  // --- the session key ---

  sessionKey() {
    const text = this.storage.get('session-key');
    return text && fromHex(text);
  }

  /** Whether this browser may label without asking the wallet again. */
  isDelegated(status) {
    const key = this.sessionKey();
    return Boolean(key) && status.sessionKeys.includes(addressOf(key));
  }

  /**
   * The wallet's one signature: it lets a new key in this browser label in this campaign. With `alone` it also ends all keys
   * before it, by a higher generation.
   */
  async delegate(wallet, status, alone = false) {
    const key = newPrivateKey();
    const delegation = {
      contributor: this.contributor,
      sessionKey: addressOf(key),
      campaign: String(this.campaign.number),
      generation: String(Math.max(status.generation + (alone ? 1 : 0), 1)),
      validUntil: String(unixNow() + DELEGATION_SECONDS),
      consent: this.campaign.consent,
    };
    const typed = typedData(this.domain, 'Delegation', delegation);
    const signature = await signTypedData(wallet, this.network, this.contributor, typed);
    const entry = delegationEntry(delegation, signature);
    this.storage.set('session-key', hex(key));
    this.keepHead(await post(`${this.path}/delegations`, { entry: hex(entry) }), entry);
  }

  // --- the lease ---

  /**
   * Resumes or draws a lease. Returns {lost, reason, waitSeconds}: how many unsubmitted answers lapsed with an older lease,
   * and why there is no new one (empty where there is).
   */
  draw() {
    // Not while another tab sends: the reply would still name what has just been handed in.
    return this.alone(() => this.drawNow());
  }

  async drawNow() {
    const reply = await post(`${this.path}/leases`, { count: BATCH });
    this.load();
    const answers = new Map(this.items.map((item) => [item.number, item.answer]));
    const lost = this.answered.filter((item) => !reply.items.some(({ number }) => number === item.number)).length;
    if (reply.lease) {
      this.keepHead(reply.lease);
      this.lease = readLease(fromHex(reply.lease.entry));
      if (this.lease.contributor !== this.contributor) {
        throw new GatewayFault("The gateway handed out somebody else's lease. Don't go on labeling here; tell the operators.");
      }
      this.lease = { expiry: this.lease.expiry, reward: String(this.lease.reward), logged: reply.lease };
    } else {
      this.lease = null;
    }
    void this.sealing().catch(() => {}); // asked for again when it is needed
    const leaving = this.numbersInOutbox();
    this.items = reply.items
      .filter(({ number }) => !leaving.has(number))
      .map((item) => ({ ...item, answer: answers.get(item.number) ?? null }));
    this.order = this.order.filter((number) => this.items.some((item) => item.number === number && item.answer));
    this.save();
    this.sweepDrafts();
    return { lost, reason: reply.reason, waitSeconds: reply.waitSeconds };
  }

  current() {
    return this.items.find((item) => item.answer === null) ?? null;
  }

  get answered() {
    return this.items.filter((item) => item.answer !== null);
  }

  /**
   * `answer` is {choice: the answer's JSON value} or {skip: reason}; `draft` is kept with it, for whoever takes it back. Returns
   * whether it was taken: an item that another tab has answered meanwhile keeps that answer.
   */
  answer(number, answer, draft) {
    this.load();
    const item = this.items.find((one) => one.number === number);
    if (!item || item.answer !== null) return false;
    item.answer = answer;
    this.order = [...this.order.filter((other) => other !== number), number];
    if (draft !== undefined) this.keepDraft(number, draft);
    this.save();
    return true;
  }

  /** Takes back the latest answer, or that of `number`; returns whether there was one. */
  undo(chosen) {
    this.load();
    const number = chosen ?? this.order.at(-1);
    const item = this.items.find((candidate) => candidate.number === number);
    if (!item || item.answer === null) return false;
    item.answer = null;
    this.order = this.order.filter((other) => other !== number);
    this.save();
    return true;
  }

  // --- handing in ---

  /** Moves what is answered to the outbox, signed and sealed, and sends it. */
  async handIn() {
    const moved = await this.alone(() => this.packAll());
    await this.flush();
    return moved;
  }

  /** Runs an action that no other tab of this browser runs at the same time: nothing is packed or sent twice. */
  alone(action) {
    // Browsers have locks on secure pages only, which all but a test in one's own network are.
    return navigator.locks ? navigator.locks.request(this.storage.prefix, action) : action();
  }

  /** What seals openings is large: it comes while the first item is looked at, and is then there without a connection too. */
  sealing() {
    this.loading ??= import('/static/sealing.js').catch((error) => {
      this.loading = null;
      throw new Offline({ cause: error });
    });
    return this.loading;
  }

  async packAll() {
    this.load();
    const done = this.answered;
    const expiry = this.lease?.expiry ?? unixNow();
    const labels = done.filter((item) => 'choice' in item.answer);
    const parcels = done
      .filter((item) => 'skip' in item.answer)
      .map((item) => ({ kind: 'skips', body: { item: item.number, reason: item.answer.skip } }));
    if (labels.length) parcels.push(await this.pack(labels));
    this.load(); // sealing takes a moment, in which another tab may have answered more
    const before = this.outbox();
    this.storage.set('outbox', [...before, ...parcels]);
    try {
      for (const { kind, body } of parcels) {
        if (kind === 'submissions') this.vouching.keep(body.entry, body.opening, body.items, expiry);
      }
    } catch (error) {
      this.storage.set('outbox', before); // the answers are still with their items
      throw error;
    }
    this.items = this.items.filter((item) => !done.some(({ number }) => number === item.number));
    this.order = this.order.filter((number) => this.items.some((item) => item.number === number));
    this.save();
    this.sweepDrafts();
    return { labels: labels.length, skips: done.length - labels.length };
  }

  async pack(labels) {
    const key = this.sessionKey();
    const seed = randomBytes(32);
    const answers = labels.map((item) => item.answer.choice);
    const { sealOpening } = await this.sealing();
    const opening = await sealOpening(answers, seed, this.campaign.operatorKeys);
    const submission = {
      contributor: this.contributor,
      campaign: String(this.campaign.number),
      sequence: String(this.nextSequence()),
      guideline: this.campaign.guideline,
      items: labels.map((item) => String(item.number)),
      labels: labels.map((item, place) => hex(label(fromHex(item.item), item.answer.choice, seed, place))),
      opening: opening.digest,
      submittedAt: String(unixNow()),
    };
    const signature = sign(key, digest(this.domain, 'Submission', submission));
    return {
      kind: 'submissions',
      body: {
        entry: hex(submissionEntry(submission, signature)),
        answers: answers.map(canonicalJson),
        seed: hex(seed),
        opening: hex(opening.block),
        items: labels.map((item) => item.number), // for this browser: what is on its way
      },
    };
  }

  // The clock in milliseconds, pushed past the last one used: unique without asking anybody, also after a lost reply.
  nextSequence() {
    const sequence = Math.max(Date.now(), this.storage.get('sequence', 0) + 1);
    this.storage.set('sequence', sequence);
    return sequence;
  }

  outbox() {
    return this.storage.get('outbox', []);
  }

  /** The items of what is on its way: the gateway may still call them leased. */
  numbersInOutbox() {
    return new Set(this.outbox().flatMap(({ body }) => body.items ?? [body.item]));
  }

  /**
   * Sends the outbox in order. What the gateway declines for good is set aside and reported by one error at the end; a
   * temporary failure leaves the rest in place and is thrown.
   */
  flush() {
    return this.alone(() => this.sendAll());
  }

  async sendAll() {
    let declined = null;
    while (this.outbox().length) {
      const [parcel, ...rest] = this.outbox();
      try {
        const logged = await post(`${this.path}/${parcel.kind}`, parcel.body);
        const { body } = parcel;
        const expected = parcel.kind === 'skips' ? skipEntry(this.contributor, body.item, body.reason) : fromHex(body.entry);
        this.keepHead(logged, expected, body);
      } catch (error) {
        // Logged, but its head isn't kept: the same again is answered by the same head.
        if (isTemporary(error) || error.status === 401 || error instanceof NotKept) throw error;
        if (parcel.kind === 'submissions') this.vouching.declined(parcel.body.entry);
        this.storage.set('declined', [...this.storage.get('declined', []), { ...parcel, why: error.message }].slice(-KEPT));
        if (error instanceof GatewayFault) {
          this.storage.set('outbox', rest);
          throw error;
        }
        declined = error;
      }
      this.storage.set('outbox', rest);
    }
    if (declined) throw declined;
  }

  /** Checks a signed head and keeps it, with the opening of one's own submission. Two heads for one position are a fork. */
  keepHead(logged, expected = null, body = null) {
    const { number, gateway } = this.campaign;
    checkHead(logged, { domain: this.domain, campaign: String(number), gateway, expected });
    const heads = this.storage.get('heads', {});
    const known = heads[logged.position];
    if (known && known.head !== logged.head) {
      this.storage.set('fork', [known, logged]);
      throw new GatewayFault('The gateway signed two different logs. Stop labeling here and tell the operators: this browser keeps the proof.');
    }
    heads[logged.position] = { ...known, ...logged, ...(body?.seed && { opening: body }) };
    this.storage.set('heads', heads);
  }

  /**
   * Forgets what the newest final receipt covers, the log up to `position`: a quorum has signed for it, and history and appeals
   * take it from there. What operators haven't said to have stays, since it may have to be filed.
   */
  forgetCovered(position) {
    const heads = Object.entries(this.storage.get('heads', {}));
    const needed = this.vouching.needed();
    const kept = heads.filter(([at, { entry }]) => Number(at) > position || needed.has(entry));
    if (kept.length < heads.length) this.storage.set('heads', Object.fromEntries(kept));
  }

  save() {
    this.storage.set('items', this.items);
    this.storage.set('lease', this.lease);
    this.storage.set('order', this.order);
  }
}
