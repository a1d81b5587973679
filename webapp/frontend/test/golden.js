// The golden vectors that Python wrote (tests/evidence/golden).

import { readFileSync } from 'node:fs';

const path = new URL('../../../tests/evidence/golden/vectors.json', import.meta.url);

export const golden = JSON.parse(readFileSync(path, 'utf8'));
export const named = (list, name) => list.filter((vector) => vector.name === name);
