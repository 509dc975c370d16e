import { isUnspecified } from '../core/address.ts';
import { type Result } from '../core/result.ts';
import { arpProbe, ETH_P_ARP, formatArp, parseArp } from '../wire/arp.ts';
import { openProbe, type Probe, type ProbeOptions, type ProbeProtocol, type ProbeReason } from './probe.ts';

/**
 * ARP evidence on one interface. Every ARP frame that comes in counts, not only answers: its sender states
 * where it is, be it by a query of its own or by a gratuitous announcement.
 *
 * Source: RFC 5227 §2.1.1 for the probe with sender 0.0.0.0.
 */
export function openArpProbe(options: ProbeOptions): Result<Probe, ProbeReason> {
  return openProbe(arp, options);
}

const arp: ProbeProtocol = {
  family: 4,
  protocol: ETH_P_ARP,
  question: (asked) => formatArp(arpProbe(asked)),
  read: (frame) => {
    const parsed = parseArp(frame);
    if (!parsed.ok) {
      return parsed.reason === 'other-operation' ? 'nobody' : undefined;
    }
    const { senderAddress, senderMac } = parsed.value;
    return isUnspecified(senderAddress) ? 'nobody' : { address: senderAddress, mac: senderMac };
  },
};
