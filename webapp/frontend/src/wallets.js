// The wallets found in this browser, as buttons; and signing in with one of them.

import { post } from './api.js';
import { build, element, notify, whileBusy } from './page.js';
import { connect, developmentWallet, discover, signMessage } from './wallet.js';

/** Fills the list of wallets. `chosen(wallet)` runs on a press, `found(wallet)` for each that shows up. */
export function listWallets(network, { chosen, found = () => {} }) {
  const list = element('wallets');
  const add = (wallet, note, icon) => {
    const label = build('span', {}, `Use ${wallet.name}`);
    if (note) label.append(build('span', { className: 'small' }, note));
    const button = build('button', { type: 'button' }, icon, label);
    button.dataset.wallet = wallet.id;
    button.addEventListener('click', () => whileBusy(button, () => chosen(wallet)));
    list.append(build('li', {}, button));
    element('no-wallet').hidden = true;
    found(wallet);
  };
  discover((wallet) => {
    // Only data: images are shown, so that no wallet makes the page load something from elsewhere.
    const drawn = /^data:image\//.test(wallet.icon ?? '');
    add(wallet, '', drawn ? build('img', { src: wallet.icon.trim(), alt: '' }) : build('span', { className: 'blank' }));
  });
  if (network.development) {
    const note = 'Development only: its key is made in this browser and lies there unprotected.';
    add(developmentWallet(network), note, build('span', { className: 'blank' }));
  }
  setTimeout(() => { element('no-wallet').hidden = list.children.length > 0; }, 1500);
}

/** Signs in by EIP-4361 and returns the account, lower-case. */
export async function signIn(wallet) {
  notify(wallet.id === 'development' ? '' : `Look at ${wallet.name}: it asks you to sign in.`);
  const address = await connect(wallet);
  const { nonce, message } = await post('/api/session/challenge', { address });
  const signature = await signMessage(wallet, address, message);
  await post('/api/session', { nonce, signature });
  notify('');
  return address;
}
