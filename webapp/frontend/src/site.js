// The page to sign in, for all that isn't labeling.

import { get } from './api.js';
import { complain } from './page.js';
import { Storage } from './storage.js';
import { listWallets, signIn } from './wallets.js';

async function signInPage() {
  const { network } = await get('/api/network');
  listWallets(network, {
    chosen: async (wallet) => {
      await signIn(wallet);
      new Storage('wallet').set('id', wallet.id);
      location.assign(document.body.dataset.next);
    },
  });
}

if (document.body.dataset.page === 'sign-in') signInPage().catch(complain);
