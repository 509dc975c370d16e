import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Layer } from './layer.ts';

/**
 * A User Mode Linux guest: a kernel as a process, with IPVS. It boots over the root file system of this host,
 * read-only, the layer and a tmpfs on top: it has the host's Node, the checkout and its build under their own
 * paths, and nothing that it writes stays. It ends with the program it was booted for, or at the limit.
 */
export interface Guest {
  readonly ended: Promise<GuestEnding>;
  /** Ends it at once with all its processes; idempotent. */
  kill(): void;
}

export interface GuestEnding {
  /** Of the program; undefined if it did not come to its end. */
  readonly code: number | undefined;
  /** The kernel came as far as starting the program. */
  readonly hasBooted: boolean;
  /** What kernel and program said beside the lines, the last part of it. */
  readonly console: string;
}

export interface GuestWork {
  /** Program and arguments, by paths of this host. */
  readonly argv: readonly string[];
  readonly limitMs: number;
  /** Each line that the program writes to standard output, at once. */
  readonly onLine: (line: string) => void;
}

const MEMORY = '1024M';
const MOST_CONSOLE_CHARACTERS = 20_000;
/** The guest's own limit comes later: it matters only if this process is gone. */
const SELF_LIMIT_SLACK_SECONDS = 10;

const running = new Set<Guest>();

export function bootGuest(layer: Layer, { argv, limitMs, onLine }: GuestWork): Guest {
  const directory = mkdtempSync(join(tmpdir(), 'vipair-guest-'));
  const results = join(directory, 'results');
  const init = join(directory, 'init');
  mkdirSync(results);
  writeFileSync(init, initScript(layer, results, argv, limitMs), { mode: 0o755 });
  // Its consoles are pipes, for it cannot poll a plain file: 0 is the kernel's, 1 takes lines, 2 all else.
  const child = spawn(
    layer.kernel,
    [
      `mem=${MEMORY}`,
      ...['rootfstype=hostfs', 'rootflags=/', 'ro', `init="${init}"`],
      ...['con=null', 'con0=null,fd:1', 'con1=null,fd:3', 'con2=null,fd:4'],
      ...['quiet', 'panic=-1', `uml_dir=${directory}`, 'umid=guest'],
    ],
    { stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'], detached: true, env: {} },
  );
  let console = '';
  const keep = (text: string) => {
    console = (console + text).slice(-MOST_CONSOLE_CHARACTERS);
  };
  for (const [at, stream] of child.stdio.entries()) {
    if (stream !== null && stream !== undefined && 'setEncoding' in stream && at !== 3) {
      stream.setEncoding('utf8').on('data', keep);
    }
  }
  const lines = child.stdio[3];
  if (lines !== null && lines !== undefined && 'setEncoding' in lines) {
    createInterface({ input: lines }).on('line', onLine);
  }
  const kill = () => {
    // A session of its own, so the group has its processes and no other.
    if (child.pid !== undefined && running.has(guest)) {
      process.kill(-child.pid, 'SIGKILL');
    }
  };
  const timer = setTimeout(() => {
    keep(`\nended by force after ${limitMs} ms\n`);
    kill();
  }, limitMs);
  const ended = new Promise<GuestEnding>((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      running.delete(guest);
      const text = read(join(results, 'code'));
      rmSync(directory, { recursive: true, force: true });
      const code = text === undefined || text === '' ? undefined : Number(text);
      resolve({ code, hasBooted: text !== undefined, console });
    };
    child.once('error', (error) => {
      keep(error.message);
      finish();
    });
    child.once('close', finish);
  });
  const guest: Guest = { ended, kill };
  if (running.size === 0) {
    process.once('exit', killAll);
  }
  running.add(guest);
  return guest;
}

function killAll(): void {
  for (const guest of running) {
    guest.kill();
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/**
 * The guest's first process. `/sys` is the one place for scratch mounts where no checkout can be. The layer is
 * mounted a second time because an overlay refuses one of its layers inside another. The root is pivoted, not
 * only changed: the kernel itself starts `modprobe` from there.
 */
function initScript(layer: Layer, results: string, argv: readonly string[], limitMs: number): string {
  const limitSeconds = Math.ceil(limitMs / 1000) + SELF_LIMIT_SLACK_SECONDS;
  return `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root
export PATH HOME
give_up() { echo "guest: $*"; echo o > /proc/sysrq-trigger; sleep 10; }
mount -t proc proc /proc
mount -t tmpfs tmpfs /sys || give_up 'no tmpfs'
mkdir -p /sys/layer /sys/upper /sys/work /sys/root /sys/tree/lib
mount -t hostfs none /sys/layer -o ${quote(layer.directory)} || give_up 'no layer'
for place in /sys/layer/usr /usr; do
  [ ! -e "$place/lib/uml/modules" ] || ln -sfn "$place/lib/uml/modules" /sys/tree/lib/modules
  [ ! -e "$place/bin/kmod" ] || ln -sf "$place/bin/kmod" /sys/modprobe
done
LD_LIBRARY_PATH="$(echo /sys/layer/usr/lib/*-linux-gnu*)" /sys/modprobe -d /sys/tree overlay || give_up 'no overlay'
mount -t overlay overlay -o lowerdir=/sys/layer:/,upperdir=/sys/upper,workdir=/sys/work /sys/root || give_up 'no overlay'
mkdir /sys/root/old-root
cd /sys/root && pivot_root . old-root && cd / || give_up 'no root'
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t hostfs none ${quote(results)} -o ${quote(results)} || give_up 'no results'
ip link set lo up
modprobe -a ipv6 ip_vs
: > ${quote(join(results, 'code'))}
timeout -s KILL ${limitSeconds} ${argv.map(quote).join(' ')} </dev/null >/dev/tty1 2>/dev/tty2
echo $? > ${quote(join(results, 'code'))}
sync
echo o > /proc/sysrq-trigger
sleep 10
`;
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
