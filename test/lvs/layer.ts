import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fail, ok, type Result } from '../../src/core/result.ts';
import { repository } from '../repository.ts';

/**
 * A directory with the programs that the guest needs and this host lacks. Debian packages are unpacked there
 * and not installed: no service starts, no file of the host changes, and no root is needed. The guest sees the
 * directory laid over the host's own root file system.
 */
export interface Layer {
  readonly directory: string;
  /** The kernel, a program like any other. */
  readonly kernel: string;
}

export type LayerReason = 'no-apt' | 'no-packages' | 'no-download';

/** Program, Debian package, purpose. A package whose program the host has is left out. */
const wanted = [
  ['linux.uml', 'user-mode-linux', 'a kernel with IPVS that runs as a process, without privileges'],
  ['modprobe', 'kmod', 'loads the modules of that kernel'],
  ['ipvsadm', 'ipvsadm', 'the IPVS table by hand'],
  ['keepalived', 'keepalived', 'the neighbour to compare with'],
  ['ip', 'iproute2', 'network namespaces'],
  ['nft', 'nftables', 'cutting cables in the lab'],
  ['tcpdump', 'tcpdump', 'looking at the wire'],
] as const;

const DOWNLOAD_LIMIT_MS = 300_000;

/** Prepares the layer where it is not there yet, and says what is fetched and why. */
export async function prepareLayer(
  say: (line: string) => void,
  cache = join(repository, 'node_modules', '.cache', 'vipair-guest'),
): Promise<Result<Layer, LayerReason>> {
  const directory = join(cache, 'layer');
  if (missingFrom(directory).length > 0) {
    mkdirSync(cache, { recursive: true });
    const unpacked = mkdtempSync(join(cache, 'unpacking-'));
    try {
      const filled = await fill(unpacked, say);
      if (!filled.ok) {
        return filled;
      }
      rmSync(directory, { recursive: true, force: true });
      renameSync(unpacked, directory);
    } finally {
      rmSync(unpacked, { recursive: true, force: true });
    }
  }
  const kernel = find(directory, 'linux.uml');
  return kernel === undefined
    ? fail('no-packages', 'linux.uml is not in its package')
    : ok({ directory, kernel });
}

function missingFrom(directory: string): (typeof wanted)[number][] {
  return wanted.filter(([program]) => find(directory, program) === undefined);
}

function find(directory: string, program: string): string | undefined {
  return [directory, '/']
    .flatMap((root) => ['usr/bin', 'usr/sbin', 'bin', 'sbin'].map((folder) => join(root, folder, program)))
    .find((path) => isThere(path));
}

/** A link counts by itself: `modprobe` points to a place that is right only inside the guest. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

async function fill(directory: string, say: (line: string) => void): Promise<Result<undefined, LayerReason>> {
  const missing = missingFrom(directory);
  const names = missing.map(([, name]) => name);
  const remedy = `Remedy: apt-get install ${names.join(' ')}`;
  const packages = await closureOf(names, say);
  if (!packages.ok) {
    return fail(packages.reason, `${packages.detail ?? ''}. ${remedy}`);
  }
  for (const [program, name, purpose] of missing) {
    say(`missing: ${program}, of the Debian package ${name} (${purpose})`);
  }
  say(
    `apt-get download ${packages.value.join(' ')}, to be unpacked in node_modules/.cache and not installed`,
  );
  const fetched = await execute('apt-get', ['download', ...packages.value], directory);
  if (fetched.code !== 0) {
    return fail('no-download', `apt-get download failed: ${lastLine(fetched.stderr)}. ${remedy}`);
  }
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.deb'))) {
    const unpacked = await execute('dpkg-deb', ['-x', file, '.'], directory);
    if (unpacked.code !== 0) {
      return fail('no-download', `dpkg-deb -x ${file} failed: ${lastLine(unpacked.stderr)}. ${remedy}`);
    }
    rmSync(join(directory, file));
  }
  arrange(directory);
  return ok(undefined);
}

/** The packages and all they depend on, as far as this host lacks them, each `name=version`. */
async function closureOf(
  names: readonly string[],
  say: (line: string) => void,
): Promise<Result<readonly string[], LayerReason>> {
  const simulate = () =>
    execute('apt-get', ['install', '--simulate', '--no-install-recommends', '--no-upgrade', ...names]);
  let simulated = await simulate();
  if (simulated.code === 127) {
    return fail('no-apt', 'there is no apt-get here');
  }
  if (simulated.code !== 0 && process.getuid?.() === 0) {
    say('apt-get update (the lists of packages are missing or old)');
    await execute('apt-get', ['update', '-qq']);
    simulated = await simulate();
  }
  if (simulated.code !== 0) {
    return fail('no-packages', `apt-get knows no way to them: ${lastLine(simulated.stderr)}`);
  }
  const installs = simulated.stdout.matchAll(/^Inst (\S+)(?: \[[^\]]*\])? \((\S+) /gm);
  return ok([...installs].map(([, name = '', version = '']) => `${name}=${version}`));
}

/** As the host has it: where `/sbin` is a link to `/usr/sbin`, a directory `sbin` over it would hide all others. */
function arrange(directory: string): void {
  for (const folder of ['bin', 'sbin', 'lib', 'lib64']) {
    const loose = join(directory, folder);
    if (existsSync(loose) && lstatSync(`/${folder}`, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
      cpSync(loose, join(directory, 'usr', folder), { recursive: true, verbatimSymlinks: true });
      rmSync(loose, { recursive: true });
    }
  }
  mkdirSync(join(directory, 'usr', 'lib'), { recursive: true });
  symlinkSync('/usr/lib/uml/modules', join(directory, 'usr', 'lib', 'modules'));
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

function execute(
  program: string,
  words: readonly string[],
  cwd = '/',
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
  const options = { cwd, env, timeout: DOWNLOAD_LIMIT_MS, maxBuffer: 16 * 1024 * 1024 };
  return new Promise((resolve) => {
    execFile(program, [...words], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code === 'ENOENT' ? 127 : Number(error.code ?? 128);
      resolve({ code, stdout, stderr });
    });
  });
}
