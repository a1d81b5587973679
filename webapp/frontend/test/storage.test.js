// What a browser keeps, and what it does where nothing more fits.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { concat, fromHex, hex, keccak256, utf8 } from '../src/bytes.js';
import { digest, domainOf } from '../src/eip712.js';
import { addressOf, sign } from '../src/signing.js';
import { NotKept, workStorage } from '../src/storage.js';
import { Work } from '../src/work.js';

const network = { chainId: 31337, escrow: '0x' + '5f'.repeat(20), genesis: '0x' + '6e'.repeat(32) };
const gatewayKey = keccak256(utf8('gateway'));
const contributor = '0x' + 'c0'.repeat(20);
const campaign = { number: 7, gateway: addressOf(gatewayKey), guideline: '0x' + '61'.repeat(32), operatorKeys: [] };
const operators = { reached: [{}], threshold: 1, count: 1, enough: 1 };

/** A localStorage that holds `most` characters. */
class Limited {
  constructor(most) {
    Object.assign(this, { most, kept: new Map() });
  }

  getItem(name) {
    return this.kept.get(name) ?? null;
  }

  setItem(name, text) {
    const others = [...this.kept].filter(([one]) => one !== name);
    const size = others.reduce((sum, [one, value]) => sum + one.length + value.length, name.length + text.length);
    if (size > this.most) throw new DOMException('full', 'QuotaExceededError');
    this.kept.set(name, text);
  }

  removeItem(name) {
    this.kept.delete(name);
  }
}

/** A gateway that logs whatever it is sent, the same again at the same place. */
class Gateway {
  constructor() {
    Object.assign(this, { log: [], head: '0x' + '00'.repeat(32) });
  }

  take(entry) {
    const known = this.log.find((one) => one.entry === entry);
    if (known) return known;
    const before = this.head;
    const entryHash = keccak256(fromHex(entry));
    this.head = hex(keccak256(concat(fromHex(before), entryHash)));
    const message = { campaign: '7', position: this.log.length + 1, entry: hex(entryHash), head: this.head };
    const signature = hex(sign(gatewayKey, digest(domainOf(network), 'Head', message)));
    this.log.push({ position: message.position, entry, before, head: this.head, signature });
    return this.log.at(-1);
  }
}

let gateway;
let work;

beforeEach(() => {
  gateway = new Gateway();
  globalThis.navigator ??= {}; // without locks
  globalThis.localStorage = new Limited(5_000_000);
  globalThis.fetch = async (path, { body }) => Response.json(gateway.take(JSON.parse(body).entry), { status: 201 });
  work = new Work({ network, campaign, contributor, storage: workStorage(network, 7, contributor), operators });
  work.storage.set('session-key', hex(keccak256(utf8('session'))));
  work.sealing = async () => ({ sealOpening: async () => ({ digest: '0x' + '0d'.repeat(32), block: new Uint8Array(900) }) });
});

function answer(...numbers) {
  work.load();
  work.items = numbers.map((number) => ({ number, item: '0x' + '17'.repeat(32), answer: { choice: 'yes' } }));
  work.save();
}

const heads = () => Object.keys(work.storage.get('heads', {})).map(Number);
const settle = (place, changes) => work.vouching.change(work.vouching.submissions()[place].hash, changes);

test('what a final receipt covers is forgotten, but for what may have to be filed or was refused', async () => {
  for (const number of [1, 2, 3, 4]) {
    answer(number);
    await work.handIn();
  }
  assert.deepEqual(heads(), [1, 2, 3, 4]);
  settle(0, { state: 'stands', entry: null });
  settle(1, { state: 'refused' });
  settle(3, { state: 'stands', entry: null });
  work.forgetCovered(0);
  assert.deepEqual(heads(), [1, 2, 3, 4]);
  work.forgetCovered(3);
  assert.deepEqual(heads(), [2, 3, 4]); // refused, not known to stand, not covered
  settle(2, { state: 'filed', entry: null });
  work.forgetCovered(3);
  assert.deepEqual(heads(), [2, 4]);
});

test('two heads for one place are still found after others were forgotten', async () => {
  answer(1);
  await work.handIn();
  settle(0, { state: 'stands', entry: null });
  work.forgetCovered(1);
  answer(2);
  await work.handIn();
  const known = gateway.log[1];
  gateway.log.length = 1;
  gateway.head = '0x' + '77'.repeat(32);
  const other = gateway.take(known.entry);
  assert.throws(() => work.keepHead(other), /two different logs/);
  assert.equal(work.storage.get('fork')[0].head, known.head);
});

test('where nothing more fits, answers stay with their items or wait to be sent, and the page says what to do', async () => {
  answer(1, 2);
  const size = [...localStorage.kept].reduce((sum, [name, text]) => sum + name.length + text.length, 0);
  const full = (error) => error instanceof NotKept && /full.*Nothing of yours is lost.*another browser/.test(error.message);
  const seen = new Set();
  for (let room = 0; work.storage.get('items').length || work.outbox().length; room += 250) {
    localStorage.most = size + room;
    let failed = false;
    await work.handIn().catch((error) => {
      assert.ok(full(error), error.stack);
      failed = true;
    });
    const items = work.storage.get('items').length;
    const waiting = work.outbox().flatMap(({ body }) => body.items).length;
    // Still to be packed, or signed, sealed and waiting: never both, and neither only once it is done.
    assert.equal(items + waiting, failed ? 2 : 0);
    assert.deepEqual(work.storage.get('declined', []), []);
    seen.add(failed ? (items ? 'to be packed' : 'waiting') : 'done');
  }
  assert.deepEqual([...seen], ['to be packed', 'waiting', 'done']);
  assert.equal(gateway.log.length, 1); // however often it was sent
  assert.deepEqual(heads(), [1]);
  assert.equal(work.vouching.submissions().length, 1);
});

test('what the gateway declines is kept, the newest of it', async () => {
  globalThis.fetch = async () => Response.json({ code: 'no', detail: 'Declined.' }, { status: 409 });
  for (let number = 0; number < 60; number += 1) {
    answer(number);
    await assert.rejects(work.handIn(), /Declined/);
  }
  const declined = work.storage.get('declined');
  assert.deepEqual(declined.map(({ body }) => body.items[0]), Array.from({ length: 50 }, (_, at) => at + 10));
  assert.equal(declined[0].why, 'Declined.');
  assert.deepEqual(work.outbox(), []);
});

test('a browser that forbids storage is told apart from one whose storage is full', () => {
  localStorage.setItem = () => {
    throw new DOMException('no', 'SecurityError');
  };
  assert.throws(() => work.storage.set('items', []), /allow storage for this site/);
});
