// Log entries as fixed-width bytes, label commitments, and the check of a signed head
// (docs/FORMATS.md, sections 2 and 4).

import { concat, equal, fromHex, hex, keccak256, toBigInt, uint } from './bytes.js';
import { answerDigest } from './canonical.js';
import { digest } from './eip712.js';
import { recover } from './signing.js';

/** The gateway did what an honest one never does: labeling must stop. */
export class GatewayFault extends Error {}

export const SKIP_REASONS = ['no reason', 'unclear', 'broken', 'unsafe'];

export function delegationEntry(delegation, signature) {
  return concat(
    Uint8Array.of(1, 0),
    fromHex(delegation.contributor),
    fromHex(delegation.sessionKey),
    uint(delegation.generation, 8),
    uint(delegation.validUntil, 8),
    fromHex(delegation.consent),
    signature,
  );
}

export function submissionEntry(submission, signature) {
  return concat(
    Uint8Array.of(3),
    fromHex(submission.contributor),
    uint(submission.sequence, 8),
    fromHex(submission.guideline),
    fromHex(submission.opening),
    uint(submission.submittedAt, 8),
    uint(submission.labels.length, 2),
    ...submission.labels.map(fromHex),
    ...submission.items.map((item) => uint(item, 4)),
    signature,
  );
}

export function skipEntry(contributor, item, reason) {
  return concat(Uint8Array.of(4), fromHex(contributor), uint(item, 4), uint(reason, 1));
}

export function readLease(entry) {
  const number = (from, to) => toBigInt(entry.slice(from, to));
  const count = Number(number(45, 47));
  if (entry[0] !== 2 || entry.length !== 47 + 4 * count) throw new TypeError('this entry is no lease');
  return {
    contributor: hex(entry.slice(1, 21)),
    reward: number(21, 37),
    expiry: Number(number(37, 45)),
    items: Array.from({ length: count }, (_, at) => Number(number(47 + 4 * at, 51 + 4 * at))),
  };
}

/** Commits to one answer: `seed` is the submission's, `place` the label's in it. */
export function label(itemId, answer, seed, place) {
  return keccak256(concat(itemId, answerDigest(answer), keccak256(concat(seed, uint(place, 32)))));
}

/**
 * Checks what the gateway returned for one entry: that the head follows from the one before and the entry, and that the
 * gateway signed it. Throws with a sentence for the contributor.
 */
export function checkHead(logged, { domain, campaign, gateway, expected = null }) {
  const entry = fromHex(logged.entry);
  if (expected && !equal(entry, expected)) {
    throw new GatewayFault('The gateway logged something else than you sent. Keep this page open and tell the operators.');
  }
  const entryHash = keccak256(entry);
  const head = keccak256(concat(fromHex(logged.before), entryHash));
  const message = { campaign, position: logged.position, entry: hex(entryHash), head: hex(head) };
  let signer = '';
  try {
    signer = recover(digest(domain, 'Head', message), fromHex(logged.signature));
  } catch {
    // No key at all signed this: reported like a wrong one.
  }
  if (!equal(head, fromHex(logged.head)) || signer !== gateway.toLowerCase()) {
    throw new GatewayFault("The gateway's receipt for your work doesn't verify. Don't go on labeling here; tell the operators.");
  }
  return message;
}
