// The live panel: reward, pending labels, money, and the claim.

import { ApiError, get, post } from './api.js';
import { about, build, complain, element, tokens, whileBusy } from './page.js';

const POLL_MS = 4000;

export class Earnings {
  /** `onStatus(status)` hears every poll, `onError(error)` every failed one. */
  constructor({ network, campaign, onStatus, onError }) {
    Object.assign(this, { network, onStatus, onError });
    this.path = `/api/campaigns/${campaign.number}`;
    this.claiming = false;
    element('claim').addEventListener('click', () => this.claim());
  }

  start() {
    this.reveal(true);
    clearInterval(this.timer);
    this.timer = setInterval(() => document.hidden || this.poll(), POLL_MS);
    return this.poll();
  }

  /** Ends the polls, and leaves nothing of these sums to whoever signs in next. */
  stop() {
    clearInterval(this.timer);
    this.reveal(false);
    element('claim-result').replaceChildren();
    for (const sum of element('earnings').querySelectorAll('dd')) sum.textContent = '–';
  }

  reveal(shown) {
    for (const id of ['earnings', 'claim', 'claim-note', 'live']) element(id).hidden = !shown;
    element('earnings-signed-out').hidden = shown;
  }

  async read() {
    const status = await get(`${this.path}/status`);
    this.show(status);
    return status;
  }

  async poll() {
    if (this.polling) return;
    this.polling = true;
    try {
      this.onStatus(await this.read());
      element('live').classList.remove('stale');
      element('live').textContent = 'Live';
    } catch (error) {
      element('live').classList.add('stale');
      element('live').textContent = 'Not live: trying again …';
      this.onError(error);
    } finally {
      this.polling = false;
    }
  }

  show(status) {
    const amount = (value) => tokens(value, this.network);
    const texts = {
      balance: amount(status.balance),
      reward: amount(status.reward),
      'expected-reward': about(status.expectedReward, this.network),
      pending: String(status.pending),
      accepted: `${status.accepted} of ${status.submitted}`,
      earned: amount(status.earned),
      claimed: amount(status.claimed),
    };
    for (const [id, text] of Object.entries(texts)) {
      if (element(id).textContent !== text) element(id).textContent = text;
    }
    document.querySelector('[data-live="progress"]').value = status.itemsClosed;
    document.querySelector('[data-live="items-closed"]').textContent = status.itemsClosed.toLocaleString('en');
    const claimable = BigInt(status.earned) - BigInt(status.claimed);
    const button = element('claim');
    button.disabled = this.claiming || claimable <= 0n;
    if (!this.claiming) button.textContent = claimable > 0n ? `Claim ${amount(claimable)}` : 'Nothing to claim yet';
  }

  async claim() {
    const button = element('claim');
    const result = element('claim-result');
    this.claiming = true;
    button.textContent = 'Claiming …';
    await whileBusy(button, async () => {
      try {
        const { transaction, amount, balance } = await post(`${this.path}/claims`);
        const hash = build('span', { className: 'hash' }, transaction);
        result.replaceChildren(
          `${tokens(amount, this.network)} moved to your wallet, which now holds ${tokens(balance, this.network)}. Transaction `,
          hash,
        );
      } catch (error) {
        result.replaceChildren();
        if (error instanceof ApiError && error.status === 401) this.onError(error);
        complain(error);
      }
    });
    this.claiming = false;
    await this.poll();
  }
}
