// A contributor's work in one campaign: the lease, answers not yet sent, submissions on their way, and what was logged.
// Everything is written to storage before anything is sent: a reload or a lost connection loses nothing.

import { post, isTemporary } from './api.js';
import { fromHex, hex, randomBytes } from './bytes.js';
import { canonicalJson } from './canonical.js';
import { digest, domainOf, typedData } from './eip712.js';
import { checkHead, delegationEntry, GatewayFault, label, readLease, skipEntry, submissionEntry } from './entries.js';
import { sealOpening } from './opening.js';
import { addressOf, newPrivateKey, sign } from './signing.js';
import { signTypedData } from './wallet.js';

const DELEGATION_SECONDS = 30 * 24 * 3600;
const BATCH = 10;

export const unixNow = () => Math.floor(Date.now() / 1000);

export class Work {
  constructor({ network, campaign, contributor, storage }) {
    Object.assign(this, { network, campaign, contributor, storage });
    this.path = `/api/campaigns/${campaign.number}`;
    this.domain = domainOf(network);
    this.items = storage.get('items', []); // leased and not yet handed in: {number, item, answer}
    this.lease = storage.get('lease');
    this.order = storage.get('order', []); // item numbers in the order answered, for undo
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
  async draw() {
    const reply = await post(`${this.path}/leases`, { count: BATCH });
    const answers = new Map(this.items.map((item) => [item.number, item.answer]));
    const lost = this.answered.filter((item) => !reply.items.some(({ number }) => number === item.number)).length;
    if (reply.lease) {
      this.keepHead(reply.lease);
      this.lease = readLease(fromHex(reply.lease.entry));
      if (this.lease.contributor !== this.contributor) {
        throw new GatewayFault("The gateway handed out somebody else's lease. Don't go on labeling here; tell the operators.");
      }
      this.lease = { expiry: this.lease.expiry, reward: String(this.lease.reward) };
    } else {
      this.lease = null;
    }
    this.items = reply.items.map(({ number, item }) => ({ number, item, answer: answers.get(number) ?? null }));
    this.order = this.order.filter((number) => this.items.some((item) => item.number === number && item.answer));
    this.save();
    return { lost, reason: reply.reason, waitSeconds: reply.waitSeconds };
  }

  current() {
    return this.items.find((item) => item.answer === null) ?? null;
  }

  get answered() {
    return this.items.filter((item) => item.answer !== null);
  }

  /** `answer` is {choice: class name} or {skip: reason}. */
  answer(item, answer) {
    item.answer = answer;
    this.order = [...this.order.filter((number) => number !== item.number), item.number];
    this.save();
  }

  /** Takes back the latest answer, or that of `number`; returns whether there was one. */
  undo(number = this.order.at(-1)) {
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
    const done = this.answered;
    const labels = done.filter((item) => 'choice' in item.answer);
    const parcels = done
      .filter((item) => 'skip' in item.answer)
      .map((item) => ({ kind: 'skips', body: { item: item.number, reason: item.answer.skip } }));
    if (labels.length) parcels.push(await this.pack(labels));
    this.storage.set('outbox', [...this.outbox(), ...parcels]);
    this.items = this.items.filter((item) => item.answer === null);
    this.order = [];
    this.save();
    await this.flush();
    return { labels: labels.length, skips: done.length - labels.length };
  }

  async pack(labels) {
    const key = this.sessionKey();
    const seed = randomBytes(32);
    const answers = labels.map((item) => item.answer.choice);
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

  /**
   * Sends the outbox in order. What the gateway declines for good is set aside and reported by one error at the end; a
   * temporary failure leaves the rest in place and is thrown.
   */
  async flush() {
    let declined = null;
    while (this.outbox().length) {
      const [parcel, ...rest] = this.outbox();
      try {
        const logged = await post(`${this.path}/${parcel.kind}`, parcel.body);
        const { body } = parcel;
        const expected = parcel.kind === 'skips' ? skipEntry(this.contributor, body.item, body.reason) : fromHex(body.entry);
        this.keepHead(logged, expected, body);
      } catch (error) {
        if (isTemporary(error) || error.status === 401) throw error;
        this.storage.set('declined', [...this.storage.get('declined', []), { ...parcel, why: error.message }]);
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

  save() {
    this.storage.set('items', this.items);
    this.storage.set('lease', this.lease);
    this.storage.set('order', this.order);
  }
}
