// What this browser keeps: session keys, unsent work, own submissions with their openings and heads.
// Names start with chain and escrow, so that a restarted development chain begins afresh.

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
      throw new Error("This browser won't keep your work: allow storage for this site, or free some, and reload.", { cause: error });
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
