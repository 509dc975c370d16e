import { type Settings } from '../core/state.ts';

/**
 * The kernel of a host, which goes on when the director does not: the floating addresses with their
 * lifetime, and the gate before them with the lease. All instants are of the host's own clock.
 */
export interface Kernel {
  claim(atMs: number): void;
  renew(atMs: number): void;
  mute(atMs: number): void;
  release(atMs: number): void;
  /** A heartbeat that says `active` leaves: the gate renews the lease, if it is still alive. */
  renewLease(atMs: number): void;
  /** What the director looks at with every heartbeat; it puts a flushed gate back. */
  look(atMs: number): { readonly lost: readonly string[]; readonly hasLeaseEnded: boolean };
  /** `nft flush ruleset`: the gate is open until somebody puts it back. */
  flush(): void;
  loseAddress(index: number): void;
  /** Another life of the director begins: it knows nothing of the last one and shuts the gate. */
  restart(atMs: number): void;
  /** The host died. */
  reset(): void;
  holds(index: number, atMs: number): boolean;
  /** Does it answer ARP for the address? */
  speaks(index: number, atMs: number): boolean;
  serves(index: number, atMs: number): boolean;
  isFlushed(): boolean;
}

export interface KernelOptions {
  readonly settings: Pick<Settings, 'gate' | 'leaseMs' | 'addressLifetimeSeconds' | 'floating'>;
  /** False is a kernel that would open again for the heartbeat of a director that slept. */
  readonly latches: boolean;
}

interface Times {
  speakUntilMs: number;
  serveUntilMs: number;
}

export function createKernel({ settings, latches }: KernelOptions): Kernel {
  const { leaseMs, floating } = settings;
  const lifetimeMs =
    settings.gate === 'off' ? Number.POSITIVE_INFINITY : 1000 * settings.addressLifetimeSeconds;
  const hasGate = settings.gate === 'nftables';
  const present = floating.map(() => false);
  const removed = new Set<string>();
  let validUntilMs = 0;
  let lease: Times = { speakUntilMs: 0, serveUntilMs: 0 };
  /** What the director knows of the lease: this and no more it gives to a gate that it puts back. */
  let seen: Times = lease;
  let isFlushed = false;
  let isClaimed = false;
  let leftAtLastLook = false;

  /** A change by the director; it puts the table back if it is gone. */
  function setLease(times: Times): void {
    lease = times;
    seen = { ...times };
    isFlushed = false;
  }

  function holds(index: number, atMs: number): boolean {
    return present[index] === true && atMs < validUntilMs;
  }

  return {
    claim(atMs) {
      present.fill(true);
      removed.clear();
      isClaimed = true;
      validUntilMs = atMs + lifetimeMs;
      setLease({ speakUntilMs: atMs + leaseMs, serveUntilMs: atMs + leaseMs });
    },
    renew(atMs) {
      if (isClaimed) {
        present.fill(true);
        validUntilMs = atMs + lifetimeMs;
      }
    },
    mute(atMs) {
      setLease({ speakUntilMs: atMs, serveUntilMs: isFlushed ? seen.serveUntilMs : lease.serveUntilMs });
    },
    release(atMs) {
      present.fill(false);
      removed.clear();
      isClaimed = false;
      setLease({ speakUntilMs: atMs, serveUntilMs: atMs });
    },
    renewLease(atMs) {
      if (!isFlushed && (atMs < lease.speakUntilMs || !latches)) {
        lease = { speakUntilMs: atMs + leaseMs, serveUntilMs: atMs + leaseMs };
      }
    },
    look(atMs) {
      if (isFlushed) {
        setLease(seen);
      }
      seen = { ...lease };
      if (isClaimed && atMs >= validUntilMs) {
        present.fill(false);
        floating.forEach(({ address }) => removed.add(address));
      }
      const lost = isClaimed ? [...removed] : [];
      removed.clear();
      const isLeft = !hasGate || atMs < lease.speakUntilMs;
      const hasLeaseEnded = leftAtLastLook && !isLeft;
      leftAtLastLook = isLeft;
      return { lost, hasLeaseEnded };
    },
    flush() {
      isFlushed = hasGate;
    },
    loseAddress(index) {
      const address = floating[index]?.address;
      if (present[index] === true && address !== undefined) {
        present[index] = false;
        removed.add(address);
      }
    },
    restart(atMs) {
      isClaimed = false;
      leftAtLastLook = false;
      setLease({ speakUntilMs: atMs, serveUntilMs: atMs });
    },
    reset() {
      present.fill(false);
      removed.clear();
      isClaimed = false;
      leftAtLastLook = false;
      setLease({ speakUntilMs: 0, serveUntilMs: 0 });
    },
    holds,
    speaks: (index, atMs) => holds(index, atMs) && (!hasGate || isFlushed || atMs < lease.speakUntilMs),
    serves: (index, atMs) => holds(index, atMs) && (!hasGate || isFlushed || atMs < lease.serveUntilMs),
    isFlushed: () => isFlushed,
  };
}
