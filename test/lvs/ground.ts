import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { ok, type Result } from '../../src/core/result.ts';
import { attempt } from '../lab/command.ts';
import { whyNoNamespaces } from '../lab/requirements.ts';
import { bootGuest, type Guest, type GuestWork } from './guest.ts';
import { prepareLayer, type LayerReason } from './layer.ts';

/** Where a program meets a kernel with IPVS: on this host, if its kernel has it, else in a guest. */
export interface Ground {
  readonly kind: 'host' | 'guest';
  readonly start: (work: GuestWork) => Guest;
}

export async function findGround(say: (line: string) => void): Promise<Result<Ground, LayerReason>> {
  if (hasIpvs()) {
    return ok({ kind: 'host', start: startOnHost });
  }
  const layer = await prepareLayer(say);
  return layer.ok ? ok({ kind: 'guest', start: (work) => bootGuest(layer.value, work) }) : layer;
}

export function whyNoGround({ reason, detail }: { reason: LayerReason; detail?: string }): string {
  return `this kernel has no IPVS, and a guest that has it cannot be prepared: ${detail ?? reason}`;
}

/** IPVS is per network namespace: nothing of the host's own table is touched. */
function hasIpvs(): boolean {
  if (whyNoNamespaces(['ip', 'nft', 'tcpdump', 'keepalived']) !== undefined) {
    return false;
  }
  attempt(['modprobe', 'ip_vs']);
  return existsSync('/proc/net/ip_vs') && attempt(['ipvsadm', '--version']).code !== 127;
}

const MOST_CONSOLE_CHARACTERS = 20_000;
/** On SIGTERM the program removes its namespaces and what runs in them. */
const TIDY_LIMIT_MS = 5000;

export function startOnHost({ argv, limitMs, onLine }: GuestWork): Guest {
  const [program = '', ...words] = argv;
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let console = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    console = (console + text).slice(-MOST_CONSOLE_CHARACTERS);
  });
  createInterface({ input: child.stdout }).on('line', onLine);
  const kill = () => {
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), TIDY_LIMIT_MS).unref();
  };
  const timer = setTimeout(() => {
    console += `\nended by force after ${limitMs} ms\n`;
    kill();
  }, limitMs);
  process.once('exit', kill);
  const ended = new Promise<Awaited<Guest['ended']>>((resolve) => {
    const finish = (code: number | null) => {
      clearTimeout(timer);
      process.off('exit', kill);
      resolve({ code: code ?? undefined, hasBooted: child.pid !== undefined, console });
    };
    child.once('error', () => {
      finish(null);
    });
    child.once('close', finish);
  });
  return { ended, kill };
}
