/**
 * The vocabulary of the core: what a director knows, what can happen to it, what it can want done.
 *
 * Everything here is plain, readonly and serialisable, so a state or an event can be logged, sent to
 * the other process, kept in a journal and replayed. Instants are monotonic milliseconds of this host
 * and end in `AtMs`; lengths end in `Ms`.
 */

/** What a director says of itself. RFC 9568 §6.4. */
export type Role = 'initialize' | 'backup' | 'active';

/** Why a director cannot take office now. Travels in heartbeats, so the order is part of the wire format. */
export const refusals = [
  'none',
  'maintenance',
  'claim-failed',
  'path-down',
  'stopping',
  'configuration-differs',
  'not-in-sync',
  'starting',
  'unproven',
] as const;
export type Refusal = (typeof refusals)[number];

/** What one director tells the other, as the core sees it. `wire/heartbeat.ts` adds the envelope. */
export interface Advertisement {
  readonly role: Role;
  /** The highest term the sender has seen; while it is active, the term of its own claim. */
  readonly term: number;
  /** Effective priority, 0..254. 0: the sender cannot or will not hold the addresses. */
  readonly priority: number;
  /** Why `priority` is 0, or `none`. */
  readonly refusal: Refusal;
  readonly isMaintenance: boolean;
  /** The sender is leaving for good; RFC 9568's priority-0 advertisement. */
  readonly isResigning: boolean;
  /** An active sender asks the receiver to take over; 0 when it does not. Counts up, 1..255, never 0. */
  readonly handoverRequest: number;
  readonly isHandoverForced: boolean;
  /** The request that `handoverRefusal` answers; 0 when none was refused. */
  readonly handoverAnswer: number;
  readonly handoverRefusal: Refusal;
  /** A backup asks the active to hand the office to it. */
  readonly wantsOffice: boolean;
  /** Per link, in configured order: has the sender heard the receiver there lately? */
  readonly hears: readonly boolean[];
  /** Per track, in the order of `tracksOf`: does it work for the sender? */
  readonly pathsOk: readonly boolean[];
  /** 32-bit digest of the part of the configuration that both directors must share. */
  readonly configDigest: number;
}

/** A neighbour that proves a way to the world: it answers ARP or ND on the interface. */
export interface Target {
  readonly interfaceName: string;
  readonly address: string;
}

/** A way to the world that is watched; a script or a virtual service is one without an interface and an address. */
export interface PathSetting extends Target {
  readonly name: string;
  /** A virtual service, not a script. */
  readonly isService?: true;
  /**
   * Who finds out whether it works: this core, by asking the wire with every heartbeat, or somebody slower who
   * reports it. What was reported last stands until it is reported otherwise.
   */
  readonly source: 'wire' | 'reported';
  /** Of a reported one: by how much the peer may find out later that it has lost the same. */
  readonly peerLagMs?: number;
  /** Losing it gives up the office if the peer has not lost it, too. */
  readonly isRequired: boolean;
  /** What losing it takes from the priority. */
  readonly score: number;
}

export interface Settings {
  readonly pair: string;
  readonly nodeName: string;
  readonly peerName: string;
  /** 1 or 2: the position of the node's name in the sorted pair. The lower one wins a tie. */
  readonly nodeId: number;
  /** 1..254. */
  readonly priority: number;
  readonly intervalMs: number;
  readonly leaseMs: number;
  readonly deadMs: number;
  /** How long a starting director listens before it may claim: max(dead, 1 s). */
  readonly listenMs: number;
  readonly failback: { readonly kind: 'manual' } | { readonly kind: 'auto'; readonly delayMs: number };
  /** How the kernel takes the addresses from a director that no longer renews. */
  readonly gate: GateMode;
  readonly links: readonly { readonly name: string; readonly interfaceName: string }[];
  readonly floating: readonly { readonly address: string; readonly interfaceName: string }[];
  readonly paths: readonly PathSetting[];
  /** Can the rim ask the wire who answers for an address? Where it cannot, silence alone decides. */
  readonly canProbe: boolean;
  /** What a silent peer that still answers for the addresses is given: all the time, or so much. */
  readonly contested: { readonly kind: 'wait' } | { readonly kind: 'claim-after'; readonly afterMs: number };
  readonly configDigest: number;
  /** valid_lft of the floating addresses, whole seconds; renewed at a third of it. */
  readonly addressLifetimeSeconds: number;
}

export type GateMode = 'nftables' | 'address' | 'off';

/**
 * Where a shut gate stops what goes out: at the egress hook of each interface or, where the kernel has none
 * (before Linux 5.16), at the output hooks of arp and inet.
 */
export type GateHooks = 'egress' | 'output';

/** What this director knows of the other from its heartbeats. */
export interface Peer {
  /** The latest heartbeat on any link. */
  readonly heardAtMs: number;
  /** The peer has proven that it lives in this boot, by echoing what this director sent lately. */
  readonly isProven: boolean;
  readonly advertisement: Advertisement;
  /** Of its floating interfaces, lower case with colons: whose answers for the addresses are the peer's. */
  readonly macs: readonly string[];
}

export interface Path {
  /** The target's last answer, or when it was last reported. */
  readonly answeredAtMs: number | undefined;
  /** Undefined until it was proven or given up for the first time. */
  readonly isUp: boolean | undefined;
}

/**
 * What the wire has said since this silence began to be looked into. A run of unanswered probes begins
 * anew with every answer of the peer.
 */
export interface Evidence {
  readonly beganAtMs: number;
  readonly probeAtMs: number;
  /** Probes of the floating addresses that the peer did not answer, since its last answer. */
  readonly unansweredCount: number;
  /** When the first of them was sent. */
  readonly unansweredFromMs: number;
  /** The peer's last answer for a floating address in this silence. */
  readonly answeredAtMs: number | undefined;
  /** The neighbour that answered last, and when: this director's own cable is whole. */
  readonly provenBy: string | undefined;
  readonly provenAtMs: number | undefined;
}

/** Somebody who is not of the pair says that a floating address is his. */
export interface ForeignClaim {
  readonly address: string;
  readonly mac: string;
  readonly atMs: number;
}

export interface Link {
  /** Undefined until the first heartbeat arrives there. */
  readonly heardAtMs: number | undefined;
  /** A heartbeat came within `deadMs`, as of the last tick. */
  readonly isHeard: boolean;
}

/** Why a director asks its peer to take over. */
export type HandoverCause = 'operator' | 'maintenance' | 'stop' | 'failback' | 'path';

export interface Handover {
  readonly request: number;
  readonly cause: HandoverCause;
  readonly isForced: boolean;
  readonly startedAtMs: number;
  /** Without an answer by then the director stays in office. */
  readonly untilMs: number;
  /** Who waits for the outcome; undefined for a signal or for the director's own wish. */
  readonly commandId: string | undefined;
}

/** Why the office last changed hands, as facts; `explain.ts` makes the sentence. */
export type Why =
  | { readonly kind: 'started' }
  | { readonly kind: 'heard-active-peer' }
  | { readonly kind: 'nobody-answered'; readonly listenedMs: number }
  | { readonly kind: 'silence'; readonly silentMs: number; readonly linkCount: number }
  | {
      readonly kind: 'evidence';
      readonly silentMs: number;
      readonly linkCount: number;
      readonly unansweredCount: number;
      /** The neighbour that answered this director meanwhile. */
      readonly provenBy: string;
    }
  | { readonly kind: 'contest-over'; readonly silentMs: number; readonly unansweredCount: number }
  | { readonly kind: 'contest-timeout'; readonly silentMs: number }
  | { readonly kind: 'lease-lost' }
  | { readonly kind: 'peer-resigned'; readonly refusal: Refusal }
  | { readonly kind: 'peer-left-office'; readonly peerRole: Role }
  | { readonly kind: 'vacant-and-better'; readonly peerPriority: number }
  | { readonly kind: 'vacant-too-long'; readonly vacantMs: number }
  | { readonly kind: 'handover-taken'; readonly isForced: boolean }
  | { readonly kind: 'handed-over'; readonly cause: HandoverCause; readonly tookMs: number }
  | { readonly kind: 'claim-failed'; readonly reason: string }
  | { readonly kind: 'overslept'; readonly lateMs: number }
  | {
      readonly kind: 'lost-duel';
      readonly rule: DuelRule;
      readonly peerPriority: number;
      readonly peerTerm: number;
    }
  | { readonly kind: 'left-by-force'; readonly cause: HandoverCause }
  | { readonly kind: 'stopped' };

/** Which line of the total order decided between two active directors. */
export type DuelRule = 'priority' | 'longer-in-office' | 'node-id' | 'peer-is-deaf' | 'slept';

export type Office =
  | { readonly role: 'initialize'; readonly listensUntilMs: number }
  | {
      readonly role: 'backup';
      /** Since when nobody is in office as far as this director knows; undefined while the peer is active. */
      readonly vacantAtMs: number | undefined;
      /** An active peer was heard in this tenure: if it leaves, there is nobody better to wait for. */
      readonly hasSeenActive: boolean;
      /** This director gave the office up in this tenure, so the peer goes first. */
      readonly hasLeftOffice: boolean;
      readonly evidence: Evidence | undefined;
      /** Since when the peer answers for the addresses although it has been silent for `deadMs`. */
      readonly contestedAtMs: number | undefined;
      /** After a hand-over the old owner serves what still arrives until then, without answering ARP. */
      readonly servesUntilMs: number | undefined;
    }
  | {
      /** The claim is under way; its outcome comes back as an event. Advertised as backup. */
      readonly role: 'claiming';
      readonly why: Why;
      readonly startedAtMs: number;
      readonly handoverRequest: number;
    }
  | {
      readonly role: 'active';
      /** How many announcements were made since the claim or since the last reason to start over. */
      readonly announcedCount: number;
      readonly announceAtMs: number;
      readonly renewAtMs: number;
      readonly handover: Handover | undefined;
      /** The peer has been seen active, too, since then. */
      readonly duelAtMs: number | undefined;
      /** Since when the peer is the better owner by what both can reach. */
      readonly worseAtMs: number | undefined;
      /** While the peer is silent, the wire is asked then whether it holds the addresses, too. */
      readonly askAtMs: number;
      /** After a hand-over that came to nothing the peer's wish for the office is not heard before then. */
      readonly heedsWishAfterMs: number;
    }
  | {
      /** The process may end; nothing is held. */
      readonly role: 'stopped';
    };

export interface DirectorState {
  readonly office: Office;
  /** Since when the office stands. */
  readonly sinceMs: number;
  readonly why: Why;
  /** The highest term seen or held. */
  readonly term: number;
  readonly peer: Peer | undefined;
  readonly links: readonly Link[];
  readonly paths: readonly Path[];
  /** The interfaces of links and floating addresses without a carrier. */
  readonly downInterfaces: readonly string[];
  /** Neighbours seen lately, the latest first: whom to ask where no path is configured. */
  readonly neighbors: readonly (Target & { readonly seenAtMs: number })[];
  readonly foreign: ForeignClaim | undefined;
  /** How often somebody foreign claimed a floating address, and how often the peer was contested. */
  readonly foreignCount: number;
  readonly contestCount: number;
  readonly isMaintenance: boolean;
  /** The kernel here does not yet know the connections of the peer's: a move on purpose would reset them. */
  readonly isBehind: boolean;
  /** When the next heartbeat is due. Every tick is compared with it: a late one says that we slept. */
  readonly advertiseAtMs: number;
  /** Silence is counted from here at the earliest: the start, or our own last late tick. */
  readonly listeningSinceMs: number;
  /** After a failed claim, none is tried before then. */
  readonly holdUntilMs: number;
  /** When this backup was first fit to take the office back, for `failback: auto`. */
  readonly preferredAtMs: number | undefined;
  /** The operator asked for the office on this backup. */
  readonly takeOver: { readonly commandId: string; readonly untilMs: number } | undefined;
  /** The last request of the peer that was refused, and why. */
  readonly refused: { readonly request: number; readonly refusal: Refusal };
  /** The number of the last hand-over request this director made. */
  readonly handoverCount: number;
  /** SIGTERM came: hand over if possible, release, stop. */
  readonly isStopping: boolean;
}

export type Command =
  | { readonly kind: 'failover'; readonly isForced: boolean }
  | { readonly kind: 'take-over' }
  | { readonly kind: 'maintenance'; readonly isOn: boolean; readonly isForced: boolean };

/** Why a command was not carried out; exit code and API error are made of it. */
export type CommandRefusal =
  | 'peer-silent'
  | 'peer-refused'
  | 'no-answer'
  | 'nobody-active'
  | 'starting'
  | 'stopping'
  | 'busy'
  | 'not-eligible';

export type CommandOutcome =
  | { readonly ok: true; readonly isChanged: boolean }
  | { readonly ok: false; readonly reason: CommandRefusal; readonly refusal?: Refusal };

export type DirectorEvent =
  | { readonly kind: 'started'; readonly atMs: number; readonly isMaintenance: boolean }
  /** The clock reached what `nextDeadlineMs` named, or later. One that comes early changes nothing. */
  | { readonly kind: 'deadline'; readonly atMs: number }
  | {
      readonly kind: 'advertisement';
      readonly atMs: number;
      /** Position of the link in the configuration. */
      readonly link: number;
      readonly isProven: boolean;
      readonly advertisement: Advertisement;
      readonly macs: readonly string[];
    }
  /** A frame on the wire says that this MAC has this address: an answer to a probe, or just heard. */
  | {
      readonly kind: 'answer-heard';
      readonly atMs: number;
      readonly interfaceName: string;
      readonly address: string;
      readonly mac: string;
    }
  | {
      readonly kind: 'carrier';
      readonly atMs: number;
      readonly interfaceName: string;
      readonly isUp: boolean;
    }
  /** Somebody slower than a heartbeat found out whether a path works. */
  | {
      readonly kind: 'path-reported';
      readonly atMs: number;
      /** Position of the path in the settings. */
      readonly index: number;
      readonly isUp: boolean;
    }
  /** Somebody slower compared the connections that both kernels know. */
  | { readonly kind: 'sync-reported'; readonly atMs: number; readonly isCaughtUp: boolean }
  /** Whom this host has lately spoken to, the best to ask first: may be asked where no path is configured. */
  | { readonly kind: 'neighbors-known'; readonly atMs: number; readonly targets: readonly Target[] }
  /** More is waiting to be read on the wire than could be: what was not heard proves nothing. */
  | { readonly kind: 'wire-flooded'; readonly atMs: number }
  /** The kernel's lease has ended although the director holds the office. */
  | { readonly kind: 'lease-lost'; readonly atMs: number }
  | { readonly kind: 'claimed'; readonly atMs: number }
  | { readonly kind: 'claim-failed'; readonly atMs: number; readonly reason: string }
  /** Somebody else removed a floating address that this director holds. */
  | { readonly kind: 'address-lost'; readonly atMs: number; readonly address: string }
  | {
      readonly kind: 'command';
      readonly atMs: number;
      /** Undefined when nobody waits for the outcome (a signal). */
      readonly commandId: string | undefined;
      readonly command: Command;
    }
  | { readonly kind: 'stop'; readonly atMs: number };

export type DirectorEffect =
  | { readonly kind: 'advertise'; readonly advertisement: Advertisement }
  /** Add every floating address, all or none, and open the gate; answered by `claimed` or `claim-failed`. */
  | { readonly kind: 'claim' }
  /** Extend the lifetime of every floating address. */
  | { readonly kind: 'renew' }
  /** Stop answering for the addresses but go on serving what arrives; `release` follows. */
  | { readonly kind: 'mute' }
  /** Remove every floating address and shut the gate. Idempotent. */
  | { readonly kind: 'release' }
  /** Ask the wire: who has the floating addresses, and are these neighbours there? */
  | { readonly kind: 'probe'; readonly asksFloating: boolean; readonly targets: readonly Target[] }
  /** Gratuitous ARP or unsolicited NA for every floating address. */
  | { readonly kind: 'announce' }
  | { readonly kind: 'answer'; readonly commandId: string; readonly outcome: CommandOutcome }
  | { readonly kind: 'stop' };

export type Step = readonly [DirectorState, readonly DirectorEffect[]];

/** The role a director states in heartbeats, status and metrics. */
export function statedRole(office: Office): Role {
  switch (office.role) {
    case 'initialize':
    case 'stopped':
      return 'initialize';
    case 'backup':
    case 'claiming':
      return 'backup';
    case 'active':
      return 'active';
  }
}
