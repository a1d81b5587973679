/** Unix seconds by this machine's clock. */
export const unixNow = () => Math.floor(Date.now() / 1000);
