import { type DirectorState, type Office } from './state.ts';

export type Backup = Extract<Office, { role: 'backup' }>;
export type Active = Extract<Office, { role: 'active' }>;

/** A backup's tenure at its beginning. One that just left office lets the peer go first. */
export function newBackup(
  state: DirectorState,
  atMs: number,
  { hasLeftOffice, servesUntilMs }: Partial<Pick<Backup, 'hasLeftOffice' | 'servesUntilMs'>> = {},
): Backup {
  const isPeerActive = state.peer?.advertisement.role === 'active';
  return {
    role: 'backup',
    vacantAtMs: isPeerActive ? undefined : atMs,
    hasSeenActive: isPeerActive,
    hasLeftOffice: hasLeftOffice ?? false,
    evidence: undefined,
    contestedAtMs: undefined,
    servesUntilMs,
  };
}
