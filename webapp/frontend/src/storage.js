// What this browser keeps: session keys, unsent work, own submissions with their openings and heads.
// Names start with chain and escrow, so that a restarted development chain begins afresh.

const FULL =
  'The storage that this browser gives this site is full. Nothing of yours is lost: what you have handed in stays, and goes on being sent. ' +
  'Room comes with the next final receipt, which covers old submissions; until then go on in another browser.';
const FORBIDDEN = "This browser won't keep your work: allow storage for this site, and reload.";

/** Storage took nothing, and holds what it held before. */
export class NotKept extends Error {
  constructor(cause) {
    super(cause.name === 'QuotaExceededError' ? FULL : FORBIDDEN, { cause });
  }
}

export class Storage {
  constructor(...scope) {
    this.prefix = ['ddlp', ...scope].join('/');
  }

  get(name, fallback = null) {
    const text = localStorage.getItem(`${this.prefix}/${name}`);
    if (text === null) return fallback;
    try {
      return JSON.parse(text);
    } catch {
      return fallback; // Someone edited it by hand: start this entry afresh.
    }
  }

  set(name, value) {
    try {
      localStorage.setItem(`${this.prefix}/${name}`, JSON.stringify(value));
    } catch (error) {
      throw new NotKept(error);
    }
  }

  /** Whether a key of localStorage is one of these names here. */
  holds(key, names) {
    return names.some((name) => key === `${this.prefix}/${name}`);
  }

  remove(name) {
    localStorage.removeItem(`${this.prefix}/${name}`);
  }
}

/** What is kept of one person's work in one campaign; its name begins with the chain, so that a restarted one begins afresh. */
export const workStorage = ({ genesis, escrow }, campaign, contributor) => new Storage(genesis.slice(0, 18), escrow, campaign, contributor);
