import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the file says; `since` is for people. */
export interface MaintenanceNote {
  readonly isMaintenance: boolean;
  /** ISO 8601. */
  readonly since: string;
}

export function maintenancePath(stateDir: string, pair: string, node: string): string {
  return join(stateDir, `${pair}.${node}.maintenance.json`);
}

/**
 * Does the operator want this director out of office? Read once, before the loop begins.
 *
 * No file means no. A file that cannot be understood means yes: somebody put it there to keep this
 * director out, and a backup that stays out is seen in the status, while one that should have stayed
 * out is not seen until it holds the addresses. `vipair maintenance off` writes a good one.
 */
export function readMaintenance(stateDir: string, pair: string, node: string): boolean {
  let text: string;
  try {
    text = readFileSync(maintenancePath(stateDir, pair, node), 'utf8');
  } catch (error) {
    return !isAbsent(error);
  }
  return parseMaintenance(text);
}

function parseMaintenance(text: string): boolean {
  try {
    const note: unknown = JSON.parse(text);
    return !(
      typeof note === 'object' &&
      note !== null &&
      'isMaintenance' in note &&
      note.isMaintenance === false
    );
  } catch {
    return true;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
