import { openArpProbe } from '../adapters/arp-probe.ts';
import { openNeighborProbe } from '../adapters/neighbor-probe.ts';
import { type Probe, type Sighting } from '../adapters/probe.ts';
import { parseAddress } from '../core/address.ts';
import { type Target } from '../core/state.ts';

/** Questions to the wires of floating addresses and path targets, and who is seen there. */
export interface Inquiry extends Disposable {
  /** Why the wires cannot be asked, or undefined. */
  readonly problem: string | undefined;
  ask(targets: readonly Target[]): void;
  /** Who was seen since the last poll; `isDrained` is false while more waits than could be read. */
  poll(): { readonly sightings: readonly Sighting[]; readonly isDrained: boolean };
  refresh(): void;
}

interface OpenProbe {
  readonly interfaceName: string;
  readonly family: 4 | 6;
  readonly probe: Probe;
}

/** One probe per interface and family that is asked for. */
export function openInquiry(floating: readonly Target[], targets: readonly Target[]): Inquiry {
  const probes: OpenProbe[] = [];
  let problem: string | undefined;
  for (const { interfaceName, address } of [...floating, ...targets]) {
    const family = familyOf(address);
    if (probes.some((probe) => probe.interfaceName === interfaceName && probe.family === family)) {
      continue;
    }
    const open = family === 4 ? openArpProbe : openNeighborProbe;
    const opened = open({ interfaceName, floating: floating.map((entry) => entry.address) });
    if (opened.ok) {
      probes.push({ interfaceName, family, probe: opened.value });
    } else {
      problem ??= `${interfaceName}: ${opened.detail ?? opened.reason}`;
    }
  }
  return {
    problem,
    ask(asked) {
      for (const { interfaceName, address } of asked) {
        const family = familyOf(address);
        probes
          .find((probe) => probe.interfaceName === interfaceName && probe.family === family)
          ?.probe.sendProbe(address);
      }
    },
    poll() {
      const polled = probes.map(({ probe }) => probe.poll());
      return {
        sightings: polled.flatMap(({ sightings }) => sightings),
        isDrained: polled.every(({ isDrained }) => isDrained),
      };
    },
    refresh() {
      probes.forEach(({ probe }) => {
        probe.refresh();
      });
    },
    [Symbol.dispose]() {
      probes.forEach(({ probe }) => {
        probe[Symbol.dispose]();
      });
    },
  };
}

function familyOf(address: string): 4 | 6 {
  return parseAddress(address)?.family ?? 4;
}
