import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keysFor as keysForTask } from '../src/editors/choice.js';
import { about, sentence, tokens } from '../src/page.js';

const network = { decimals: 18, symbol: 'LABEL' };
const keysFor = (classes) => keysForTask({ classes });

test('amounts are cut to six decimals, never rounded up', () => {
  assert.equal(tokens('0', network), '0 LABEL');
  assert.equal(tokens('1', network), '0 LABEL');
  assert.equal(tokens('50000000000000000', network), '0.05 LABEL');
  assert.equal(tokens('1234567999999999999999999', network), '1,234,567.999999 LABEL');
  assert.equal(tokens('1200', { decimals: 0, symbol: 'X' }), '1,200 X');
});

test('estimates have two significant digits', () => {
  assert.equal(about('42006000000000000', network), 'about 0.042 LABEL');
  assert.equal(about('0', network), 'about 0 LABEL');
});

test('reasons become sentences', () => {
  assert.equal(sentence('wait a little: 2 more'), 'Wait a little: 2 more.');
  assert.equal(sentence('Thank you!'), 'Thank you!');
  assert.equal(sentence(''), '');
  assert.equal(sentence(undefined), undefined);
});

test('digits are their own keys; other classes get 1 to 9 and 0 by place', () => {
  assert.deepEqual([...keysFor(['0', '7'])], [['0', '0'], ['7', '7']]);
  assert.deepEqual([...keysFor(['cat', 'dog'])], [['1', 'cat'], ['2', 'dog']]);
  const many = Array.from({ length: 12 }, (_, at) => `class ${at + 1}`);
  assert.equal(keysFor(many).size, 10);
  assert.equal(keysFor(many).get('0'), 'class 10');
});
