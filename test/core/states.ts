import { initialState, step } from '../../src/core/director.ts';
import {
  type Advertisement,
  type DirectorEffect,
  type DirectorEvent,
  type DirectorState,
  type Evidence,
  type Office,
  type Peer,
  type Settings,
} from '../../src/core/state.ts';
import { pairSettings } from '../../src/simulation/settings.ts';

/** The instant of every table: long after the start, 20 ms before the next heartbeat is due. */
export const now = 100_000;

/** `b` is the lesser one of the pair: priority 100, node id 2; its peer `a` has 150. */
export const { a: better, b: lesser } = pairSettings();

export type OfficeOf<Role extends Office['role']> = Extract<Office, { role: Role }>;

export function said(over: Partial<Advertisement> = {}): Advertisement {
  return {
    role: 'backup',
    term: 3,
    priority: 150,
    refusal: 'none',
    isMaintenance: false,
    isResigning: false,
    handoverRequest: 0,
    isHandoverForced: false,
    handoverAnswer: 0,
    handoverRefusal: 'none',
    wantsOffice: false,
    hears: [true, true],
    pathsOk: [true, true],
    configDigest: 7,
    ...over,
  };
}

export const macs = ['02:00:00:00:00:0a', '02:00:00:00:00:1a'];

/** The peer as heard 10 ms ago. */
export function peer(over: Partial<Advertisement> = {}, of: Partial<Peer> = {}): Peer {
  return { heardAtMs: now - 10, isProven: true, advertisement: said(over), macs, ...of };
}

export function state(office: Office, over: Partial<DirectorState> = {}, settings = lesser): DirectorState {
  return {
    ...initialState(settings),
    office,
    term: 3,
    peer: peer({ role: 'active' }),
    links: settings.links.map(() => ({ heardAtMs: now - 10, isHeard: true })),
    advertiseAtMs: now + 20,
    ...over,
  };
}

export function backup(over: Partial<OfficeOf<'backup'>> = {}): OfficeOf<'backup'> {
  return {
    role: 'backup',
    vacantAtMs: undefined,
    hasSeenActive: true,
    hasLeftOffice: false,
    evidence: undefined,
    contestedAtMs: undefined,
    servesUntilMs: undefined,
    ...over,
  };
}

export function active(over: Partial<OfficeOf<'active'>> = {}): OfficeOf<'active'> {
  return {
    role: 'active',
    announcedCount: 9,
    announceAtMs: now + 30_000,
    renewAtMs: now + 500,
    handover: undefined,
    duelAtMs: undefined,
    worseAtMs: undefined,
    askAtMs: now + 900,
    heedsWishAfterMs: 0,
    ...over,
  };
}

export function claiming(over: Partial<OfficeOf<'claiming'>> = {}): OfficeOf<'claiming'> {
  return {
    role: 'claiming',
    why: { kind: 'silence', silentMs: 300, linkCount: 2 },
    startedAtMs: now - 1,
    handoverRequest: 0,
    ...over,
  };
}

export const listening: Office = { role: 'initialize', listensUntilMs: now + 500 };
export const stopped: Office = { role: 'stopped' };

export function asked(over: Partial<Evidence> = {}): Evidence {
  return {
    beganAtMs: now - 40,
    probeAtMs: now,
    unansweredCount: 3,
    unansweredFromMs: now - 12,
    answeredAtMs: undefined,
    provenBy: '192.0.2.1',
    provenAtMs: now - 4,
    ...over,
  };
}

export function heard(
  over: Partial<Advertisement> = {},
  of: { isProven?: boolean; atMs?: number } = {},
): DirectorEvent {
  return {
    kind: 'advertisement',
    atMs: of.atMs ?? now,
    link: 0,
    isProven: of.isProven ?? true,
    advertisement: said(over),
    macs,
  };
}

export function tick(atMs = now): DirectorEvent {
  return { kind: 'deadline', atMs };
}

/** The role after the step, and what it wants done but for heartbeats: `backup: release`. */
export function outcome(before: DirectorState, event: DirectorEvent, settings: Settings = lesser): string {
  const [after, effects] = step(before, event, settings);
  const wanted = effects.filter(({ kind }) => kind !== 'advertise').map(nameOf);
  return wanted.length === 0 ? after.office.role : `${after.office.role}: ${wanted.join(', ')}`;
}

/** The reason of the office, or of the claim that is under way. */
export function reason(before: DirectorState, event: DirectorEvent, settings: Settings = lesser): string {
  const [after] = step(before, event, settings);
  return after.office.role === 'claiming' ? after.office.why.kind : after.why.kind;
}

function nameOf(effect: DirectorEffect): string {
  if (effect.kind !== 'answer') {
    return effect.kind;
  }
  const { outcome: answer } = effect;
  return answer.ok
    ? `answer ${answer.isChanged ? 'done' : 'already so'}`
    : `answer ${answer.reason}${answer.refusal === undefined ? '' : `/${answer.refusal}`}`;
}
