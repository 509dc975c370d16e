import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openIpvs, type Applied, type IpvsOptions } from '../../src/adapters/ipvs.ts';
import { difference } from '../../src/core/reconcile.ts';
import { type RealServer, type VirtualService } from '../../src/core/table.ts';
import { attempt } from '../lab/command.ts';
import { eventually } from '../lab/eventually.ts';

const first: RealServer = {
  address: '10.0.0.1',
  port: 80,
  forwarding: { method: 'masquerading' },
  weight: 3,
  upperThreshold: 0,
  lowerThreshold: 0,
};
const second = { ...first, address: '10.0.0.2' };
const service: VirtualService = {
  at: { kind: 'address', protocol: 'tcp', address: '192.0.2.10', port: 80 },
  scheduler: 'wlc',
  schedulerFlags: [],
  persistence: undefined,
  isOnePacket: false,
  servers: [first],
};
/** One server is given, and then the other taken: two runs. */
const exchange = difference([{ ...service, servers: [second] }], [service]);

const saved = '-A -t 192.0.2.10:80 -s wlc\n-a -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 3\n';
const listed = [
  'IP Virtual Server version 1.2.1 (size=4096)',
  'Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn ',
  '  -> RemoteAddress:Port',
  'TCP  192.0.2.10:80 wlc',
  '  -> 10.0.0.1:80                  100        80         3          12        ',
  '',
].join('\n');

/** A program that prints what lies in files, and keeps the lines that it is given. */
describe('ipvs', () => {
  let directory = '';
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'vipair-ipvs-'));
    write('saved', saved);
    write('listed', listed);
    write('restored', '');
  });
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  function write(name: string, text: string, mode = 0o644): string {
    const file = join(directory, name);
    writeFileSync(file, text, { mode });
    return file;
  }

  const restored = () => readFileSync(join(directory, 'restored'), 'utf8');
  const never = new AbortController().signal;

  /** What `-R` does is what the test says, in shell. */
  function fake(restore = 'cat >> restored', options: Partial<IpvsOptions> = {}) {
    const program = write(
      'ipvsadm',
      `#!/bin/sh
cd '${directory}' || exit 9
case "$*" in
  -Sn) cat saved ;;
  '-Ln --thresholds') cat listed ;;
  -R) ${restore} ;;
  *) echo "unexpected: $*" >&2; exit 2 ;;
esac
`,
      0o755,
    );
    return openIpvs({ program, statisticsDirectory: directory, ...options });
  }

  describe('reads', () => {
    it('the table, with the thresholds that -S leaves out', async () => {
      assert.deepEqual(await fake().readTable(never), {
        ok: true,
        value: [{ ...service, servers: [{ ...first, upperThreshold: 100, lowerThreshold: 80 }] }],
      });
    });

    it('no table where a line cannot be read, and names it', async () => {
      write('saved', `${saved}-A -t nonsense\n`);
      const read = await fake().readTable(never);
      assert.equal(read.ok ? 'ok' : read.reason, 'unreadable');
      assert.match(read.ok ? '' : (read.detail ?? ''), /^ipvsadm -Sn: line 3: .*nonsense/);
    });

    it('no table where there is a complaint, though the exit code is 0', async () => {
      write('ipvsadm', '#!/bin/sh\ncat saved; echo Memory allocation problem >&2\n', 0o755);
      assert.deepEqual(await openIpvs({ program: join(directory, 'ipvsadm') }).readTable(never), {
        ok: false,
        reason: 'failed',
        detail: 'cat: saved: No such file or directory; Memory allocation problem',
      });
    });

    it('no table that is another one each time', async () => {
      write('listed', '');
      const read = await fake().readTable(never);
      assert.equal(read.ok ? 'ok' : read.reason, 'failed');
      assert.match(read.ok ? '' : (read.detail ?? ''), /table changed/);
    });

    it('megabytes up to a bound', async () => {
      write('ipvsadm', '#!/bin/sh\nexec head -c 20000000 /dev/zero\n', 0o755);
      const read = await openIpvs({ program: join(directory, 'ipvsadm') }).readTable(never);
      assert.deepEqual(read, {
        ok: false,
        reason: 'unreadable',
        detail: 'ipvsadm -Sn: more than 16777216 bytes',
      });
    });

    it('statistics from the files of the kernel', async () => {
      write(
        'ip_vs',
        'TCP  C000020A:0050 wlc  \n  -> 0A000001:0050      Masq    3      17         250       \n',
      );
      write('ip_vs_stats', '\n\n       A      1F4       FF             C350             1234\n');
      const read = await fake().readStatistics();
      assert.ok(read.ok);
      assert.equal(read.value.services[0]?.servers[0]?.activeConnections, 17);
      assert.equal(read.value.totals.connections, 10);
      write('ip_vs_stats', 'nonsense');
      const broken = await fake().readStatistics();
      assert.equal(broken.ok ? 'ok' : broken.reason, 'unreadable');
    });
  });

  describe('changes', () => {
    it('are lines, and what takes comes in a run of its own', async () => {
      assert.deepEqual(await fake('{ cat; echo end; } >> restored').applyChanges(exchange, never), {
        ok: true,
      });
      assert.equal(
        restored(),
        '-a -t 192.0.2.10:80 -r 10.0.0.2:80 -m -w 3\nend\n-d -t 192.0.2.10:80 -r 10.0.0.1:80\nend\n',
      );
    });

    it('that are none start nothing', async () => {
      assert.deepEqual(await fake('echo started >> restored').applyChanges([], never), { ok: true });
      assert.equal(restored(), '');
    });

    it('take nothing when the kernel refused to give, and say so though the exit code is 0', async () => {
      const ipvs = fake('cat >> restored; echo Destination already exists >&2');
      assert.deepEqual(await ipvs.applyChanges(exchange, never), {
        ok: false,
        reason: 'failed',
        detail: 'Destination already exists',
        tookEffect: 0,
        withheld: 1,
      });
      assert.doesNotMatch(restored(), /-d /);
    });

    it('that fail in the second run have had the first', async () => {
      const ipvs = fake('read line; case "$line" in -d*) echo No such destination >&2; exit 255 ;; esac');
      const applied = await ipvs.applyChanges(exchange, never);
      assert.deepEqual(progress(applied), ['failed', 1, 0]);
      assert.match(applied.ok ? '' : (applied.detail ?? ''), /^No such destination; .*exit code 255/);
    });

    it('that fail half way took effect save those of which there is a complaint', async () => {
      const changes = difference([{ ...service, servers: [first, second] }], []);
      assert.equal(changes.length, 3);
      const ipvs = fake('cat >> restored; echo Service already exists >&2; exit 255');
      assert.deepEqual(progress(await ipvs.applyChanges(changes, never)), ['failed', 2, 0]);
    });

    it('that end at a line that ipvsadm does not know: how far it came is not known', async () => {
      const ipvs = fake('read line; echo "$line" >> restored; echo unknown option >&2; exit 2');
      assert.deepEqual(progress(await ipvs.applyChanges(exchange, never)), ['failed', undefined, 1]);
    });

    it('that hang are ended at the timeout', async () => {
      const applied = await fake('exec sleep 60', { timeoutMs: 200 }).applyChanges(exchange, never);
      assert.deepEqual(progress(applied), ['timeout', undefined, 1]);
      assert.match(applied.ok ? '' : (applied.detail ?? ''), /took longer than 205 ms/);
    });

    it('that are called off are ended, or not begun', async () => {
      const end = new AbortController();
      const running = fake('echo begun >> restored; exec sleep 60').applyChanges(exchange, end.signal);
      await eventually('it runs', () => (restored() === 'begun\n' ? true : undefined));
      end.abort();
      assert.deepEqual(progress(await running), ['aborted', undefined, 1]);
      assert.deepEqual(progress(await fake().applyChanges(exchange, end.signal)), ['aborted', 0, 1]);
      assert.equal(restored(), 'begun\n');
    });

    it('with megabytes of complaints are quoted briefly', async () => {
      const applied = await fake('yes No such service | head -n 200000 >&2; exit 255').applyChanges(
        exchange,
        never,
      );
      assert.deepEqual(progress(applied), ['failed', 0, 1]);
      assert.match(applied.ok ? '' : (applied.detail ?? ''), /and 199997 more/);
      assert.ok((applied.ok ? '' : (applied.detail ?? '')).length < 700);
    });
  });

  describe('says what is missing', () => {
    const unable = (words: string) => `#!/bin/sh\nprintf '%s\\nAre you sure?\\n' "${words}" >&2\nexit 2\n`;
    const rows = [
      ["Can't initialize ipvs: Protocol not available", 'no-ipvs', /modprobe ip_vs/],
      ["Can't initialize ipvs: Permission denied (you must be root)", 'not-permitted', /root/],
    ] as const;
    for (const [words, reason, remedy] of rows) {
      it(`${reason}: ${words}`, async () => {
        const program = write('ipvsadm', unable(words), 0o755);
        const ipvs = openIpvs({ program });
        const read = await ipvs.readTable(never);
        assert.equal(read.ok ? 'ok' : read.reason, reason);
        assert.match(read.ok ? '' : (read.detail ?? ''), remedy);
        assert.deepEqual(progress(await ipvs.applyChanges(exchange, never)), [reason, 0, 1]);
      });
    }

    it('the program', async () => {
      const ipvs = openIpvs({ program: join(directory, 'absent') });
      const read = await ipvs.readTable(never);
      assert.equal(read.ok ? 'ok' : read.reason, 'not-installed');
      assert.match(read.ok ? '' : (read.detail ?? ''), /apt-get install ipvsadm/);
      assert.deepEqual(progress(await ipvs.applyChanges(exchange, never)), ['not-installed', 0, 1]);
    });

    it('the files of the kernel', async () => {
      const read = await fake().readStatistics();
      assert.equal(read.ok ? 'ok' : read.reason, 'no-ipvs');
      assert.match(read.ok ? '' : (read.detail ?? ''), /ip_vs does not exist\. Remedy: modprobe ip_vs/);
    });
  });

  describe('with the real ipvsadm, on a kernel without IPVS', () => {
    before(function () {
      const { code, stderr } = attempt(['ipvsadm', '-Sn']);
      const reason =
        code === 127
          ? 'ipvsadm is not installed. Remedy: apt-get install ipvsadm'
          : stderr.includes('Protocol not available')
            ? undefined
            : 'this kernel has IPVS, or the test is not root';
      if (reason !== undefined) {
        console.log(`      skipped: ${reason}`);
        this.skip();
      }
    });

    it('is told so, and nothing took effect', async () => {
      const ipvs = openIpvs();
      assert.deepEqual(await ipvs.readTable(never), {
        ok: false,
        reason: 'no-ipvs',
        detail: "Can't initialize ipvs: Protocol not available. Remedy: modprobe ip_vs",
      });
      assert.deepEqual(progress(await ipvs.applyChanges(exchange, never)), ['no-ipvs', 0, 1]);
      const statistics = await ipvs.readStatistics();
      assert.equal(statistics.ok ? 'ok' : statistics.reason, 'no-ipvs');
    });
  });
});

function progress(applied: Applied): unknown {
  return applied.ok ? 'ok' : [applied.reason, applied.tookEffect, applied.withheld];
}
