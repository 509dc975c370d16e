/** npm's node-arp 1.0.6, which has no types of its own. */
declare module 'node-arp' {
  const arp: {
    /** `answer` is whatever stands in the third or second column of `arp -n`, or an exit code. */
    getMAC(address: string, callback: (isFailed: boolean, answer: unknown) => void): void;
  };
  export default arp;
}
