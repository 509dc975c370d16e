/** A right configuration as text, to be made wrong in one place. */
export const rightText = `pair: edge
nodes:
  lvs1: { priority: 150 }
  lvs2: { priority: 100 }
heartbeat:
  profile: balanced
  key_file: /etc/vipair/heartbeat.key
  links:
    - { name: public,  interface: eth0 }
    - { name: private, interface: eth1 }
    - { name: direct,  interface: eth2, peers: { lvs1: 10.98.0.2, lvs2: 10.98.0.3 } }
floating:
  - { address: 192.0.2.10, interface: eth0, label: "eth0:1" }
  - { address: 10.99.0.1,  interface: eth1, label: "eth1:1" }
paths:
  - { name: upstream, interface: eth0, target: 192.0.2.1, required: true }
failback: manual
lvs:
  mode: adopt
api:
  listen: 127.0.0.1:10112
  token_file: /etc/vipair/api.token
`;

/** The right text with one part replaced; a part that is not there is a mistake of the test. */
export function textWith(part: string, replacement: string): string {
  if (!rightText.includes(part)) {
    throw new Error(`the text has no ${part}`);
  }
  return rightText.replace(part, replacement);
}
