import assert from 'node:assert/strict';
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../lab/command.ts';
import { type Daemon } from '../lab/daemon.ts';
import { eventually, pause } from '../lab/eventually.ts';
import { clientAddress, openLab, type Lab, type Router } from '../lab/lab.ts';
import { processesIn } from '../lab/processes.ts';
import { whyNoNamespaces } from '../lab/requirements.ts';
import {
  configurePair,
  ownerOf,
  peerOf,
  startVipair,
  untilAgreed,
  untilOwner,
  vipair,
} from '../lab/vipair.ts';

interface TrackStatus {
  readonly paths: readonly {
    readonly name: string;
    readonly kind: string;
    readonly up: boolean | null;
    readonly peerUp: boolean | null;
    readonly detail: string | null;
  }[];
  readonly problems: readonly string[];
}

/** The script fails where a file says so, and hangs with children where another says so. */
const script = (directory: string) => `#!/bin/sh
[ -e ${directory}/hang-$VIPAIR_NODE ] && { sleep 600 & sleep 600 & wait; }
[ -e ${directory}/bad-$VIPAIR_NODE ] && { echo "$VIPAIR_PAIR is $VIPAIR_ROLE on $VIPAIR_NODE"; exit 3; }
exit 0
`;

describe('tracks of a pair of vipair run', function () {
  this.timeout(40_000);
  let lab: Lab;
  let daemons: Record<Router, Daemon>;

  before(function () {
    const reason = whyNoNamespaces(['ip', 'nft', 'ping']);
    if (reason !== undefined) {
      console.log(`    skipped: ${reason}`);
      this.skip();
    }
    lab = openLab();
    const program = join(lab.directory, 'fit');
    writeFileSync(program, script(lab.directory));
    chmodSync(program, 0o755);
    configurePair(lab, {
      extra: `paths:
  - { name: client, interface: eth0, target: ${clientAddress}, probe: icmp, interval: 300ms, timeout: 250ms }
scripts:
  - { name: fit, command: [${program}], interval: 250ms, timeout: 200ms }
`,
    });
    daemons = { lvs1: startVipair(lab, 'lvs1'), lvs2: startVipair(lab, 'lvs2') };
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') {
      for (const daemon of Object.values(daemons)) {
        console.log(`--- log of ${daemon.host}\n${daemon.log().slice(-2000)}`);
      }
    }
  });
  // Undefined when it was skipped.
  after(() => (lab as Lab | undefined)?.remove());

  const mark = (what: 'bad' | 'hang', router: Router) => {
    writeFileSync(join(lab.directory, `${what}-${router}`), '');
  };
  const clear = (what: 'bad' | 'hang', router: Router) => {
    rmSync(join(lab.directory, `${what}-${router}`), { force: true });
  };

  async function statusOf(router: Router): Promise<TrackStatus | undefined> {
    const done = await vipair(lab, router, ['status', '--json']);
    return done.code === 0 ? (JSON.parse(done.stdout) as TrackStatus) : undefined;
  }

  /** Waits until the router says of its own track and of the peer's what is wanted. */
  function untilTrack(router: Router, name: string, up: boolean, peerUp: boolean) {
    let last: TrackStatus | undefined;
    return eventually(
      `${name} is ${String(up)} on ${router} and ${String(peerUp)} at its peer`,
      async () => {
        last = await statusOf(router);
        const path = last?.paths.find((candidate) => candidate.name === name);
        return path?.up === up && path.peerUp === peerUp ? last : undefined;
      },
      10_000,
      () => JSON.stringify(last?.paths),
    );
  }

  async function allWell(): Promise<Router> {
    await untilAgreed(lab);
    await untilTrack('lvs1', 'fit', true, true);
    await untilTrack('lvs1', 'client', true, true);
    const owner = ownerOf(lab);
    assert.ok(owner !== undefined);
    return owner;
  }

  it('are found out by both directors and told to each other', async () => {
    await allWell();
    const status = await untilTrack('lvs2', 'fit', true, true);
    assert.deepEqual(
      status.paths.map(({ name, kind }) => [name, kind]),
      [
        ['client', 'icmp'],
        ['fit', 'script'],
      ],
    );
    assert.deepEqual(status.problems, []);
  });

  it('move the addresses when a required script fails on the active and not on its peer', async () => {
    const owner = await allWell();
    mark('bad', owner);
    await untilOwner(lab, peerOf(owner));
    const { problems, paths } = await untilTrack(owner, 'fit', false, true);
    const program = join(lab.directory, 'fit');
    assert.ok(
      problems.some((problem) =>
        new RegExp(
          `^Script fit: ${program} ended with exit code 3: lab is (active|backup) on ${owner}\\.$`,
        ).test(problem),
      ),
      JSON.stringify(problems),
    );
    assert.ok(paths.some(({ name, detail }) => name === 'fit' && detail !== null));
    assert.match(daemons[owner].log(), /track failed/);
    clear('bad', owner);
  });

  it('move them when it hangs with its children, none of which is left', async () => {
    const owner = await allWell();
    mark('hang', owner);
    await untilOwner(lab, peerOf(owner));
    clear('hang', owner);
    await untilTrack(owner, 'fit', true, true);
    await eventually('every sleep is gone', () =>
      processesIn(lab.hosts[owner]).some((pid) => commandOf(pid).startsWith('sleep 600')) ? undefined : true,
    );
  });

  it('move nothing when both fail, or when the path is lost to both', async () => {
    const owner = await allWell();
    mark('bad', peerOf(owner));
    await untilTrack(owner, 'fit', true, false);
    mark('bad', owner);
    await untilTrack(owner, 'fit', false, false);
    attempt(['ip', '-n', lab.hosts.client, 'addr', 'del', `${clientAddress}/24`, 'dev', 'eth0']);
    await untilTrack(owner, 'client', false, false);
    // Longer than any of it takes to be acted on.
    await pause(1500);
    assert.equal(ownerOf(lab), owner);
    attempt(['ip', '-n', lab.hosts.client, 'addr', 'add', `${clientAddress}/24`, 'dev', 'eth0']);
    clear('bad', 'lvs1');
    clear('bad', 'lvs2');
  });

  it('move nothing when the director process dies in the midst of a run, and go on with the next one', async () => {
    const owner = await allWell();
    const first = directorOf(daemons[owner]);
    process.kill(first, 'SIGKILL');
    await eventually('another director process runs', () => {
      const pid = directorOf(daemons[owner]);
      return pid > 0 && pid !== first ? pid : undefined;
    });
    assert.equal(ownerOf(lab), owner);
    mark('bad', owner);
    await untilOwner(lab, peerOf(owner));
    clear('bad', owner);
    await untilTrack(owner, 'fit', true, true);
  });

  it('are in the metrics', async () => {
    await allWell();
    const [host, port] = ['127.0.0.1', 10112];
    const page = attempt([
      'ip',
      'netns',
      'exec',
      lab.hosts.lvs1,
      process.execPath,
      '--input-type=module',
      '--eval',
      `process.stdout.write(await (await fetch('http://${host}:${port}/metrics')).text())`,
    ]).stdout;
    for (const line of [
      'vipair_path_up{path="fit"} 1',
      'vipair_path_up_at_peer{path="client"} 1',
      'vipair_interface_carrier{interface="eth0"} 1',
    ]) {
      assert.ok(page.includes(line), `${line}\n${page}`);
    }
  });

  it('end with the daemon, also one that hangs', async () => {
    const owner = await allWell();
    mark('hang', owner);
    await eventually('the script hangs', () =>
      processesIn(lab.hosts[owner]).some((pid) => commandOf(pid).startsWith('sleep 600')) ? true : undefined,
    );
    await daemons[owner].stop();
    await eventually('nothing is left', () =>
      processesIn(lab.hosts[owner]).length === 0 ? true : undefined,
    );
  });
});

/** 0 while there is none. */
function directorOf(daemon: Daemon): number {
  return daemon.family().find((pid) => / director /.test(commandOf(pid))) ?? 0;
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
