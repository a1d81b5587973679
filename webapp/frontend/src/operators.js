// What operators tell anybody, whatever the gateway says: which leases they confirm, which submissions they hold, and that they
// took one that the gateway doesn't log (docs/FORMATS.md, section 9). What they sign is checked, so that it doesn't matter who
// answers at their address.

import { concat, fromHex, hex, keccak256, uint } from './bytes.js';
import { digest, domainOf } from './eip712.js';
import { recover } from './signing.js';

const ANSWER_MS = 10_000;

/** An operator declines by a rule; `isFinal` says that asking again later won't help. */
export class Refusal extends Error {
  constructor({ message, waitSeconds }) {
    super(message);
    this.isFinal = waitSeconds === null;
  }
}

const pack = (...parts) => concat(...parts.flatMap((part) => [uint(part.length, 4), part]));

/** A lease's place in the log. */
export function placeBody(position, entryHash) {
  return pack(uint(position, 8), entryHash);
}

/** A lease as the gateway logged it, with a quorum's confirmations. */
export function certificateBody({ position, entry, head, signature }, confirmations) {
  const data = fromHex(entry);
  const row = pack(uint(position, 8), fromHex(head), fromHex(signature), uint(data.length, 4), data);
  return pack(row, concat(...confirmations));
}

/** A submission with its sealed opening. */
export function filingBody(entry, opening) {
  return pack(entry, opening);
}

export class Operators {
  /** `known` is what the page says of the operators; `ask(url, body)` is fetch but in tests. */
  constructor(network, campaign, known, ask = request) {
    Object.assign(this, { ...known, campaign: String(campaign), ask });
    this.domain = domainOf(network, known.board);
  }

  /** How many acknowledgements include one of an honest operator at least. */
  get enough() {
    return this.count - this.threshold + 1;
  }

  /** Asks every operator but those of `done`; returns [address, answer or error] of each. */
  all(path, body, check, done = []) {
    return Promise.all(
      this.reached.filter(({ address }) => !done.includes(address)).map(async ({ address, url }) => {
        try {
          return [address, check(await this.ask(`${url}/v1/public/campaigns/${this.campaign}/${path}`, body), address)];
        } catch (error) {
          return [address, error];
        }
      }),
    );
  }

  /** Has a lease, as logged, confirmed. */
  confirm({ position, entry, head }, done) {
    const entryHash = keccak256(fromHex(entry));
    const signed = digest(this.domain, 'Confirmation', { campaign: this.campaign, position, entry: hex(entryHash), head });
    return this.all('confirm', placeBody(position, entryHash), (answer, address) => this.signedBy(address, answer, signed), done);
  }

  certify(logged, confirmations, done) {
    return this.all('certify', certificateBody(logged, confirmations.map(fromHex)), () => true, done);
  }

  /** Asks which of these entries (hashes, hex) operators hold, logged or filed. */
  holds(hashes) {
    return this.all('holds', concat(...hashes.map(fromHex)), (answer) => {
      const found = Array.from({ length: answer.length / 32 }, (_, at) => hex(answer.slice(32 * at, 32 * at + 32)));
      return hashes.filter((one) => found.includes(one));
    });
  }

  /** Brings a submission whose lease ends at `expiry`, which is within the epoch that it counts for. */
  file(entry, opening, expiry, done) {
    const data = fromHex(entry);
    const epoch = Math.floor((expiry - 1 - this.begun) / this.epochSeconds) + 1;
    const signed = digest(this.domain, 'Acknowledgement', { campaign: this.campaign, entry: hex(keccak256(data)), epoch });
    return this.all('file', filingBody(data, fromHex(opening)), (answer, address) => this.signedBy(address, answer, signed), done);
  }

  signedBy(address, signature, signed) {
    if (recover(signed, signature) !== address) throw new Error(`${address} answers with another signature than its own`);
    return hex(signature);
  }
}

async function request(url, body) {
  const answer = await fetch(url, { method: 'POST', body, credentials: 'omit', signal: AbortSignal.timeout(ANSWER_MS) });
  // Without a type that browsers send unasked: what operators answer is bytes, or JSON where they decline.
  if (answer.status === 409) throw new Refusal(await answer.json());
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}
