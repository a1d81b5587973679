import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, fromHex, hex, keccak256, utf8 } from '../src/bytes.js';
import { digest, domainOf } from '../src/eip712.js';
import { certificateBody, filingBody, Operators, placeBody, Refusal } from '../src/operators.js';
import { addressOf, sign } from '../src/signing.js';
import { standing, Vouching } from '../src/vouching.js';
import { golden, named } from './golden.js';

const [lease, submission] = [golden.entries[3].bytes, golden.entries[5].bytes];
const expected = Object.fromEntries(golden.desk.map(({ name, body }) => [name, body]));
const [{ fields: { head } }] = named(golden.structs, 'Confirmation');

test('what an operator is asked has the bytes of the golden vectors', () => {
  const entryHash = keccak256(fromHex(lease));
  assert.equal(hex(placeBody(42, entryHash)), expected.confirm);
  const logged = { position: 42, entry: lease, head, signature: '0x' + '1b'.repeat(65) };
  assert.equal(hex(certificateBody(logged, [1, 2, 3].map((one) => new Uint8Array(65).fill(one)))), expected.certify);
  assert.equal(hex(concat(entryHash, keccak256(fromHex(submission)))), expected.holds);
  assert.equal(hex(filingBody(fromHex(submission), fromHex(golden.openings[0].bytes))), expected.file);
});

// --- three operators in memory ---

const network = { chainId: 31337, escrow: '0x' + '5f'.repeat(20) };
const board = '0x' + 'b0'.repeat(20);
const logged = { position: 42, entry: lease, head, signature: '0x' + '1b'.repeat(65) };
const opening = '0x' + '0a'.repeat(40);
const entryHash = (entry) => hex(keccak256(fromHex(entry)));

class Double {
  constructor(name) {
    Object.assign(this, { key: keccak256(utf8(name)), leases: true, log: [], filed: [], certified: 0, down: false, refuses: null });
  }

  sign(struct, message) {
    return sign(this.key, digest(domainOf(network, board), struct, { campaign: '7', ...message }));
  }

  answer(path, body) {
    if (this.down) throw new TypeError('Failed to fetch');
    if (this.refuses?.[path]) throw new Refusal(this.refuses[path]);
    if (path === 'holds') {
      return concat(...[...this.log, ...this.filed].filter((one) => hex(body).includes(one.slice(2))).map(fromHex));
    }
    if (path === 'certify') this.certified += 1;
    if (path === 'certify') return new Uint8Array();
    if (path === 'file') {
      const entry = hex(body.slice(4, 4 + Number(hex(body.slice(0, 4)))));
      this.filed.push(entryHash(entry));
      return this.sign('Acknowledgement', { entry: entryHash(entry), epoch: 3 });
    }
    if (!this.leases) throw new Refusal({ message: 'ask again', waitSeconds: 10 });
    return this.sign('Confirmation', { position: 42, entry: entryHash(lease), head });
  }
}

function scene({ reached = 3 } = {}) {
  const doubles = ['one', 'two', 'three'].map((name) => new Double(name));
  const at = (number) => ({ address: addressOf(doubles[number].key), url: `http://operator${number}` });
  const known = { board, count: 3, threshold: 2, begun: 1000, epochSeconds: 100, reached: doubles.slice(0, reached).map((_, number) => at(number)) };
  const asked = [];
  const ask = async (url, body) => {
    const [, number, path] = url.match(/^http:\/\/operator(\d)\/v1\/public\/campaigns\/7\/(\w+)$/);
    asked.push(`${number} ${path}`);
    return doubles[number].answer(path, body);
  };
  const kept = new Map();
  const storage = { get: (name, fallback = null) => structuredClone(kept.get(name) ?? fallback), set: (name, value) => kept.set(name, structuredClone(value)) };
  return { doubles, asked, storage, vouching: new Vouching(storage, new Operators(network, 7, known, ask)) };
}

const handIn = ({ vouching }, at = Math.floor(Date.now() / 1000)) => {
  vouching.keep(submission, opening, [4, 5], 1250); // the epoch from 1200 to 1300 is the third
  vouching.change(entryHash(submission), { at });
};

test('a lease is backed once a quorum has confirmed it and keeps the certificate', async () => {
  const one = scene();
  one.doubles[1].leases = false;
  one.doubles[2].down = true;
  assert.equal(one.vouching.lease(logged).state, 'asking');
  await one.vouching.askAbout(logged);
  assert.deepEqual([one.vouching.lease(logged).state, one.vouching.lease(logged).vouched], ['asking', 1]);
  assert.equal(one.doubles[0].certified, 0);
  one.doubles[1].leases = true;
  await one.vouching.askAbout(logged);
  assert.deepEqual([one.vouching.lease(logged).state, one.vouching.lease(logged).vouched], ['backed', 2]);
  assert.deepEqual(one.doubles.map(({ certified }) => certified), [1, 1, 0]);
  assert.equal(one.asked.filter((what) => what === '0 confirm').length, 1); // whoever confirmed isn't asked again
  const before = one.asked.length;
  await one.vouching.askAbout(logged); // nor anybody, once it is backed, as after a reload
  assert.equal(one.asked.length, before);
  const other = '0x' + 'ff'.repeat(32);
  assert.equal(one.vouching.lease({ ...logged, head: other }).state, 'asking'); // of the other branch nothing is known
});

test('what an operator did not sign itself counts for nothing', async () => {
  const one = scene();
  one.doubles[0].key = keccak256(utf8('somebody else'));
  one.doubles[1].down = true;
  await one.vouching.askAbout(logged);
  assert.deepEqual([one.vouching.lease(logged).state, one.vouching.lease(logged).vouched], ['asking', 1]);
});

test('a lease that too many refuse is no work, one refusal stops nobody', async () => {
  const one = scene();
  const refuses = { confirm: { message: 'the gateway keeps two logs', waitSeconds: null } };
  one.doubles[0].refuses = refuses;
  await one.vouching.askAbout(logged);
  assert.equal(one.vouching.lease(logged).state, 'backed');
  const two = scene();
  two.doubles[0].refuses = two.doubles[1].refuses = refuses;
  await two.vouching.askAbout(logged);
  assert.deepEqual([two.vouching.lease(logged).state, two.vouching.lease(logged).why], ['refused', 'the gateway keeps two logs']);
  const three = scene();
  three.doubles[0].leases = three.doubles[1].leases = false;
  await three.vouching.askAbout(logged);
  assert.equal(three.vouching.lease(logged).state, 'asking'); // who asks to wait refuses nothing
});

test('where fewer operators than a quorum can be reached nothing is asked and nothing kept', async () => {
  const one = scene({ reached: 1 });
  assert.equal(one.vouching.lease(logged).state, 'alone');
  handIn(one);
  await one.vouching.look();
  assert.deepEqual([one.asked, one.vouching.submissions()], [[], []]);
});

test('a submission that a quorum holds stands, and its bytes are let go', async () => {
  const one = scene();
  handIn(one);
  one.doubles[0].log.push(entryHash(submission));
  await one.vouching.look();
  assert.equal(one.vouching.submissions()[0].state, 'sent');
  assert.equal(standing(one.vouching.submissions()[0], { count: 3 }), '1 of 3 operators have it so far.');
  one.doubles[2].log.push(entryHash(submission));
  await one.vouching.look();
  const [{ state, held, entry }] = one.vouching.submissions();
  assert.deepEqual([state, held.length, entry], ['stands', 2, null]);
  assert.ok(!one.asked.some((what) => what.endsWith('file')));
});

test('what the gateway hides is filed after a minute, until one honest operator has it', async () => {
  const one = scene();
  one.doubles[1].down = true;
  one.doubles[2].down = true;
  const minute = Math.floor(Date.now() / 1000) - 60;
  handIn(one, minute + 2);
  await one.vouching.look();
  assert.deepEqual(one.doubles[0].filed, []);
  one.vouching.change(entryHash(submission), { at: minute });
  await one.vouching.look();
  assert.deepEqual(one.doubles[0].filed, [entryHash(submission)]);
  assert.deepEqual([one.vouching.submissions()[0].state, one.vouching.submissions()[0].taken.length], ['sent', 1]);
  one.doubles[1].down = false;
  await one.vouching.look();
  const [{ state, taken }] = one.vouching.submissions();
  assert.deepEqual([state, taken.length, one.doubles[0].filed.length], ['filed', 2, 1]);
  assert.match(standing(one.vouching.submissions()[0], { count: 3 }), /this page filed it: 2 of 3/);
});

test('what the gateway declines is filed at once; what operators decline too is said', async () => {
  const one = scene();
  handIn(one);
  one.vouching.declined(submission);
  for (const double of one.doubles.slice(0, 2)) double.refuses = { file: { message: 'it is too late', waitSeconds: null } };
  await one.vouching.look();
  const [{ state, entry, taken }] = one.vouching.submissions();
  assert.deepEqual([state, entry, taken.length], ['refused', submission, 1]); // kept: it may be evidence
  assert.match(standing(one.vouching.submissions()[0], { count: 3 }), /it is too late/);
});

test('of settled submissions the newest are kept, of open ones all', () => {
  const one = scene();
  const settled = (number) => ({ hash: `0x${number}`, state: number % 7 ? 'stands' : 'sent', held: [], taken: [], at: 0, declined: false, items: [], why: '' });
  one.storage.set('filings', Array.from({ length: 300 }, (_, number) => settled(number)));
  one.vouching.change('0x1', { why: 'again' });
  const kept = one.vouching.submissions();
  assert.equal(kept.filter(({ state }) => state === 'sent').length, 43);
  assert.equal(kept.filter(({ state }) => state === 'stands').length, 200);
  assert.equal(kept.at(-1).hash, '0x299');
});
