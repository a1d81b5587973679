// What this browser has operators vouch for: its lease before work starts, and its submissions afterwards. What a gateway hides
// is filed with them instead. Everything is kept by this browser, so that it survives reloads and the gateway's silence.

import { fromHex, hex, keccak256 } from './bytes.js';
import { unixNow } from './clock.js';
import { Refusal } from './operators.js';

export const FILE_AFTER_SECONDS = 60;
const LOOK_MS = 5000;
const KEPT = 200; // submissions that are settled, the newest

export class Vouching {
  /** `operators` is null where the page asks none. */
  constructor(storage, operators) {
    Object.assign(this, { storage, operators });
  }

  get asks() {
    // With fewer than a quorum nothing would ever be backed.
    return Boolean(this.operators && this.operators.reached.length >= this.operators.threshold);
  }

  // --- the lease ---

  /** What operators have said of a lease: {state, vouched, count, why}; `state` is backed, asking, refused or alone (nobody to ask). */
  lease(logged) {
    if (!this.asks) return { state: 'alone' };
    const said = this.said(logged);
    const { threshold, count } = this.operators;
    const vouched = Object.keys(said.confirmed).length;
    const refusals = Object.values(said.refused);
    let state = 'asking';
    if (Object.keys(said.certified).length >= threshold) state = 'backed';
    else if (refusals.length > count - threshold) state = 'refused';
    return { state, vouched, count, why: refusals[0] ?? '' };
  }

  said(logged) {
    const hash = hex(keccak256(fromHex(logged.entry)));
    const kept = this.storage.get('vouched');
    return kept?.hash === hash && kept.head === logged.head ? kept : { hash, head: logged.head, confirmed: {}, certified: {}, refused: {} };
  }

  /** Asks about a lease: confirmations first, and once there are enough, that all keep them. */
  async askAbout(logged) {
    const { operators } = this;
    if (this.lease(logged).state !== 'asking') return;
    const said = this.said(logged);
    for (const [address, answer] of await operators.confirm(logged, Object.keys(said.confirmed))) {
      delete said.refused[address];
      if (typeof answer === 'string') said.confirmed[address] = answer;
      // An operator that doesn't have it yet may have it in a moment: its log follows the gateway's.
      else if (answer instanceof Refusal && answer.isFinal) said.refused[address] = answer.message;
    }
    const confirmations = Object.values(said.confirmed);
    if (confirmations.length >= operators.threshold) {
      for (const [address, answer] of await operators.certify(logged, confirmations, Object.keys(said.certified))) {
        if (answer === true) said.certified[address] = true;
      }
    }
    this.storage.set('vouched', said);
  }

  // --- submissions ---

  /** Submissions handed in from this browser, the oldest first: {hash, items, at, expiry, held, taken, state, why}. */
  submissions() {
    return this.storage.get('filings', []);
  }

  /** The entries of submissions that may still have to be filed, or that operators refused. */
  needed() {
    return new Set(this.submissions().filter(({ state }) => state === 'sent' || state === 'refused').map(({ entry }) => entry));
  }

  /** Keeps a submission before it is sent anywhere. */
  keep(entry, opening, items, expiry) {
    if (!this.asks) return;
    const hash = hex(keccak256(fromHex(entry)));
    const one = { hash, entry, opening, items, expiry, at: unixNow(), declined: false, held: [], taken: [], state: 'sent', why: '' };
    this.storage.set('filings', [...this.submissions(), one]);
  }

  /** The gateway declined: operators are asked at once. */
  declined(entry) {
    this.change(hex(keccak256(fromHex(entry))), { declined: true });
  }

  change(hash, changes) {
    const changed = this.submissions().map((one) => (one.hash === hash ? { ...one, ...changes } : one));
    const settled = changed.filter(({ state }) => state !== 'sent').length;
    let over = settled - KEPT;
    this.storage.set('filings', changed.filter(({ state }) => state === 'sent' || over-- <= 0));
  }

  /** Asks where submissions stand, and files what too few operators have after a minute. */
  async look() {
    const open = this.submissions().filter(({ state }) => state === 'sent');
    if (!this.asks || !open.length) return;
    const hashes = open.map(({ hash }) => hash).slice(0, 256);
    const answers = await this.operators.holds(hashes);
    for (const one of open) {
      const held = answers.filter(([, found]) => Array.isArray(found) && found.includes(one.hash)).map(([address]) => address);
      if (held.length >= this.operators.threshold) this.settle(one, { held, state: 'stands' });
      else if (isDue(one)) await this.file({ ...one, held });
      else this.change(one.hash, { held });
    }
  }

  async file(one) {
    const answers = await this.operators.file(one.entry, one.opening, one.expiry, one.taken);
    const taken = [...one.taken, ...answers.filter(([, answer]) => typeof answer === 'string').map(([address]) => address)];
    const refusals = answers.map(([, answer]) => answer).filter((answer) => answer instanceof Refusal && answer.isFinal);
    const { enough, count } = this.operators;
    const changes = { held: one.held, taken };
    if (taken.length >= enough) this.settle(one, { ...changes, state: 'filed' });
    else if (refusals.length > count - enough) this.settle(one, { ...changes, state: 'refused', why: refusals[0].message });
    else this.change(one.hash, changes);
  }

  /** What is settled needs its bytes no more; those of what is refused stay, as evidence. */
  settle(one, changes) {
    this.change(one.hash, changes.state === 'refused' ? changes : { ...changes, entry: null, opening: null });
  }

  /** Looks again and again; `changed()` is called after each look. Returns what stops it. */
  follow(changed) {
    let timer = null;
    let stopped = false;
    const again = async () => {
      try {
        await this.look();
      } catch (error) {
        console.error(error); // an operator's nonsense must not stop the page
      }
      if (stopped) return;
      changed();
      timer = setTimeout(again, LOOK_MS);
    };
    timer = setTimeout(again, 0);
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }
}

function isDue({ at, declined }) {
  return declined || unixNow() - at >= FILE_AFTER_SECONDS;
}

/** Where a submission stands, in a sentence. */
export function standing(one, { count }) {
  const { state, held, taken, why } = one;
  if (state === 'stands') return `${held.length} of ${count} operators have it: it counts, whatever the gateway does.`;
  if (state === 'filed') return `The gateway kept it from the operators, so this page filed it: ${taken.length} of ${count} took it, and it counts.`;
  if (state === 'refused') return `Operators didn't take it: ${why}.`;
  if (isDue(one)) return `This page is filing it with the operators: ${taken.length} of ${count} took it so far.`;
  return `${held.length} of ${count} operators have it so far.`;
}
