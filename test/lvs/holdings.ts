import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { nowMs } from '../lab/eventually.ts';
import { privateFloating, publicFloating, routers, type Lab, type Router } from '../lab/lab.ts';

/**
 * Which floating addresses the kernel of each router has, told by the kernel itself (`ip monitor`) when it
 * changes. On one processor, asking again and again would take it from the daemons under test.
 */
export interface Holdings extends Disposable {
  readonly held: (router: Router) => readonly string[];
  /** Waits until exactly this router holds all. Returns when that was so, at once if it is. */
  readonly untilSole: (router: Router, limitMs?: number) => Promise<number>;
  /** Waits until this router holds all, whoever else does. */
  readonly untilHeld: (router: Router, limitMs?: number) => Promise<number>;
}

const floating: readonly string[] = [publicFloating, privateFloating];

export async function watchHoldings(lab: Lab): Promise<Holdings> {
  const held: Readonly<Record<Router, Set<string>>> = { lvs1: new Set(), lvs2: new Set() };
  const waiting = new Set<() => void>();
  const children: ChildProcess[] = [];
  const note = (router: Router, line: string) => {
    const [, isGone, address = ''] = /^(Deleted )?\d+: .* inet6? ([^/ ]+)/.exec(line) ?? [];
    if (floating.includes(address)) {
      held[router][isGone === undefined ? 'add' : 'delete'](address);
      for (const look of [...waiting]) {
        look();
      }
    }
  };
  for (const router of routers) {
    const child = spawn('ip', ['-n', lab.hosts[router], '-o', 'monitor', 'address'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    createInterface({ input: child.stdout }).on('line', (line) => {
      note(router, line);
    });
    await new Promise((resolve) => child.once('spawn', resolve));
  }
  const until = (what: string, isSo: () => boolean, limitMs: number): Promise<number> =>
    new Promise((resolve, reject) => {
      const look = () => {
        if (isSo()) {
          clearTimeout(timer);
          waiting.delete(look);
          resolve(nowMs());
        }
      };
      const timer = setTimeout(() => {
        waiting.delete(look);
        const found = routers.map((router) => `${router} has ${[...held[router]].join(' ') || 'none'}`);
        reject(new Error(`${what}: not within ${limitMs} ms; ${found.join(', ')}`));
      }, limitMs);
      waiting.add(look);
      look();
    });
  const hasAll = (router: Router) => held[router].size === floating.length;
  return {
    held: (router) => [...held[router]],
    untilHeld: (router, limitMs = 10_000) => until(`${router} holds all`, () => hasAll(router), limitMs),
    untilSole: (router, limitMs = 10_000) => {
      const other = router === 'lvs1' ? 'lvs2' : 'lvs1';
      const isSole = () => hasAll(router) && held[other].size === 0;
      return until(`${router} alone holds all`, isSole, limitMs);
    },
    [Symbol.dispose]: () => {
      for (const child of children) {
        child.kill('SIGKILL');
      }
    },
  };
}
