import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  direct4,
  floating,
  private4,
  public4,
  public6,
  router4,
  router6,
  startGateWorker,
  withGateLab,
  type GateLab,
  type GateWorker,
} from './gate-lab.ts';
import { type Beat, type Heard } from './gate-worker.ts';
import { activeRoleByte, magic, pairIdOf, version } from '../../src/wire/heartbeat.ts';
import { createKey } from '../../src/wire/key.ts';
import { formatNote } from '../../src/wire/note.ts';
import { ip, namespaceProblem, skipWithout } from './namespace.ts';

const leaseMs = 200;
const group4 = '239.192.112.1';
const group6 = 'ff02::3694';
const port = 3694;
const links = [
  { interfaceName: 'eth0', destination: group4, source: router4, port },
  { interfaceName: 'eth0', destination: `${group6}%eth0`, port },
  { interfaceName: 'eth2', destination: '10.66.9.3', source: direct4, port },
];
const pair = { pair: 'edge', floating, links, leaseMs };
const active = { pair: 'edge', role: 'active', port } as const;
const beats: Readonly<Record<string, Beat>> = {
  'an IPv4 group': { ...active, source: router4, destination: group4, interfaceName: 'eth0' },
  'an IPv6 group': { ...active, source: router6, destination: `${group6}%eth0`, interfaceName: 'eth0' },
  'an IPv4 peer on an interface without a floating address': {
    ...active,
    source: direct4,
    destination: '10.66.9.3',
  },
};
const heartbeat = beats['an IPv4 group']!;
/** A lease may outlive itself by the jiffies that a stolen processor loses (measured: 24 ms at most). */
const overshootMs = 30;

interface Left {
  readonly speakMs: number;
  readonly serveMs: number;
}

function problem(): string | undefined {
  const missing = ['nft', 'ping', 'arping', 'setpriv'].find(
    (tool) => spawnSync('which', [tool]).status !== 0,
  );
  return (
    namespaceProblem() ??
    (missing &&
      `there is no command ${missing}. Remedy: apt-get install nftables iputils-ping iputils-arping util-linux`)
  );
}

function answersPing(from: GateWorker, address: string): boolean {
  return from.run('ping', '-c1', '-W1', '-q', address).status === 0;
}

/** Who answered for the address within a while, by ARP or by neighbour discovery. */
async function answersFor(from: GateWorker, address: string, forMs = 40): Promise<readonly Heard[]> {
  const kind = address.includes(':') ? 'neighbor' : 'arp';
  const mine = floating.map((entry) => entry.address);
  assert.deepEqual(await from.call('openProbe', kind, { interfaceName: 'eth0', floating: mine }), {
    ok: true,
  });
  const heard = (await from.call('ask', address, forMs)) as Heard[];
  return heard.filter((one) => one.address === address);
}

async function answers(lab: GateLab): Promise<Record<string, boolean>> {
  return {
    publicArp: (await answersFor(lab.client, public4)).length > 0,
    publicNeighbor: (await answersFor(lab.client, public6)).length > 0,
    privateArp: (await answersFor(lab.server, private4)).length > 0,
  };
}

const everything = { publicArp: true, publicNeighbor: true, privateArp: true };
const nothing = { publicArp: false, publicNeighbor: false, privateArp: false };

for (const hooks of ['egress', 'output'] as const) {
  describe(`the gate in the kernel, what goes out stopped at the ${hooks} hooks`, function () {
    const options = { ...pair, hooks };
    const families = hooks === 'egress' ? ['netdev'] : ['netdev', 'arp', 'inet'];
    this.timeout(20_000);
    before(function () {
      skipWithout(this, problem());
    });

    it('is shut when it is put up: nobody is answered for a floating address, everybody for an own one', async () => {
      await withGateLab(async (lab) => {
        assert.deepEqual(await answers(lab), everything);
        assert.ok(answersPing(lab.client, public4) && answersPing(lab.client, public6));
        assert.deepEqual(await lab.router.call('openGate', options), { ok: true });
        assert.equal(await lab.router.call('weakness'), null);
        assert.deepEqual(await lab.router.call('remaining'), { speakMs: 0, serveMs: 0 });

        assert.deepEqual(await answers(lab), nothing);
        // The client still has the router's MAC address for it, so this is not a matter of ARP alone.
        assert.equal(answersPing(lab.client, public4), false);
        assert.equal(answersPing(lab.client, public6), false);
        assert.ok(answersPing(lab.client, router4) && answersPing(lab.client, router6));
        assert.ok((await answersFor(lab.client, router4)).length > 0);
      });
    });

    it('forwards nothing for hosts that take this router for their gateway while it is shut', async () => {
      await withGateLab(async (lab) => {
        const ownPrivate = '10.66.2.2';
        assert.ok(answersPing(lab.server, '10.66.1.9'));
        await lab.router.call('openGate', options);
        assert.equal(answersPing(lab.server, '10.66.1.9'), false);
        assert.ok(answersPing(lab.server, ownPrivate), 'the router itself is reached');
        assert.ok(answersPing(lab.router, '10.66.2.9'), 'and reaches its real servers');
        assert.ok(answersPing(lab.router, 'fd66:1::9'), 'by IPv6, too');
        const linkLocal = /fe80::[0-9a-f:]+/.exec(
          lab.router.run('ip', '-6', 'addr', 'show', 'eth0').out,
        )?.[0];
        assert.ok(
          answersPing(lab.client, `${linkLocal ?? ''}%eth0`),
          'link-local traffic is the router its own',
        );
        await lab.router.call('open');
        await lab.router.call('startBeats', heartbeat, 20);
        assert.ok(answersPing(lab.server, '10.66.1.9'));
      });
    });

    it('lets a backup whose gate is shut ask who has the addresses, and hear the answer', async () => {
      await withGateLab(async (lab) => {
        await lab.router.call('openGate', options);
        // The client plays the peer that holds the addresses, as the router's own copy is fenced.
        ip(['-n', lab.client.space, 'address', 'add', `${public4}/32`, 'dev', 'eth0']);
        ip(['-n', lab.client.space, 'address', 'add', `${public6}/128`, 'dev', 'eth0', 'nodad']);
        assert.ok((await answersFor(lab.router, public4)).length > 0);
        assert.ok((await answersFor(lab.router, public6)).length > 0);
        assert.ok((await answersFor(lab.router, '10.66.1.9')).length > 0);
        assert.ok((await answersFor(lab.router, 'fd66:1::9')).length > 0);

        // An announcement that nobody asked for is heard, too.
        await lab.router.call('openProbe', 'arp', { interfaceName: 'eth0', floating: [public4] });
        const announced = lab.client.run('arping', '-c1', '-U', '-I', 'eth0', public4);
        assert.doesNotMatch(announced.out, /invalid|usage/i);
        const heard = (await lab.router.call('ask', '10.66.1.250', 20)) as Heard[];
        assert.ok(heard.some(({ address }) => address === public4));
      });
    });

    it('opens with the claim and shuts by itself when no heartbeat leaves any more', async () => {
      await withGateLab(async (lab) => {
        await lab.router.call('openGate', options);
        const openedMs = (await lab.router.call('nowMs')) as number;
        assert.deepEqual(await lab.router.call('open'), { ok: true });
        const left = (await lab.router.call('remaining')) as Left;
        assert.ok(left.speakMs > leaseMs - 60 && left.speakMs <= leaseMs);
        const heard = await answersFor(lab.client, public4, leaseMs + 150);
        const shutAfterMs = heard.at(-1)!.onMs - openedMs;
        console.log(`      last answer ${shutAfterMs.toFixed(1)} ms after the claim, lease ${leaseMs} ms`);
        assert.ok(shutAfterMs > leaseMs / 2 && shutAfterMs <= leaseMs + overshootMs);
        assert.deepEqual(await lab.router.call('remaining'), { speakMs: 0, serveMs: 0 });
        assert.deepEqual(await answers(lab), nothing);
      });
    });

    for (const [way, beat] of Object.entries(beats)) {
      it(`stays open while heartbeats go to ${way}, and shuts one lease after the last`, async () => {
        await withGateLab(async (lab) => {
          await lab.router.call('openGate', options);
          await lab.router.call('open');
          await lab.router.call('startBeats', beat, 20);
          const asked = way.includes('IPv6') ? public6 : public4;
          const open = await answersFor(lab.client, asked, 3 * leaseMs);
          assert.ok(open.at(-1)!.onMs - open[0]!.onMs > 2.5 * leaseMs);
          assert.deepEqual(await answers(lab), everything);
          const asking = answersFor(lab.client, asked, leaseMs + 250);
          const lastBeatMs = (await lab.router.call('stopBeats')) as number;
          const shutAfterMs = (await asking).at(-1)!.onMs - lastBeatMs;
          console.log(
            `      last answer ${shutAfterMs.toFixed(1)} ms after the last heartbeat, lease ${leaseMs} ms`,
          );
          assert.ok(shutAfterMs <= leaseMs + overshootMs);
          assert.deepEqual(await answers(lab), nothing);
        });
      });
    }

    it('shuts when the daemon is killed, and the table remains', async () => {
      await withGateLab(async (lab) => {
        await lab.router.call('openGate', options);
        await lab.router.call('open');
        await lab.router.call('startBeats', heartbeat, 20);
        const asking = answersFor(lab.client, public4, leaseMs + 250);
        const beforeMs = Number(process.hrtime.bigint()) / 1e6;
        await lab.router.kill();
        const shutAfterMs = (await asking).at(-1)!.onMs - beforeMs;
        console.log(`      last answer ${shutAfterMs.toFixed(1)} ms after kill -9, lease ${leaseMs} ms`);
        assert.ok(shutAfterMs <= leaseMs + overshootMs);
        assert.equal(lab.router.run('nft', 'list', 'table', 'netdev', 'vipair_edge').status, 0);
        const next = startGateWorker(lab.router.space);
        assert.deepEqual(await next.call('openGate', options), { ok: true }, 'the next life takes it over');
        assert.deepEqual(await next.call('remove'), { ok: true });
        assert.deepEqual(await next.call('remove'), { ok: true });
        await next.end();
        assert.deepEqual(await answers(lab), everything);
      });
    });

    it('latches: after a freeze longer than the lease a heartbeat does not open it, a claim does', async () => {
      await withGateLab(async (lab) => {
        await lab.router.call('openGate', options);
        await lab.router.call('open');
        await lab.router.call('startBeats', heartbeat, 20);
        await lab.router.call('freeze', leaseMs + 100);
        assert.deepEqual(await lab.router.call('beatOnce', heartbeat), { speakMs: 0, serveMs: 0 });
        assert.deepEqual(await answers(lab), nothing);
        await lab.router.call('open');
        assert.deepEqual(await answers(lab), everything);
      });
    });

    if (hooks === 'egress') {
      it('is renewed by nothing but an active heartbeat of this pair, from and to a link', async () => {
        await withGateLab(async (lab) => {
          await lab.router.call('openGate', { ...options, leaseMs: 5000 });
          ip(['-n', lab.router.space, 'address', 'add', '10.66.1.3/24', 'dev', 'eth0']);
          for (const [what, beat] of Object.entries<Partial<Beat>>({
            'a backup': { role: 'backup' },
            'another pair': { pair: 'other' },
            'another port': { port: port + 1 },
            'another own address': { source: '10.66.1.3' },
            'another group': { destination: '239.192.112.2' },
            'another interface': { source: direct4, interfaceName: 'eth2' },
          })) {
            await lab.router.call('open');
            await lab.router.call('freeze', 40);
            const left = (await lab.router.call('beatOnce', { ...heartbeat, ...beat })) as Left;
            assert.ok(left.speakMs < 4990 && left.serveMs < 4990, `${what} renewed: ${left.speakMs}`);
          }
          await lab.router.call('freeze', 40);
          const left = (await lab.router.call('beatOnce', heartbeat)) as Left;
          assert.ok(left.speakMs > 4960 && left.serveMs > 4960, `not renewed: ${left.speakMs}`);
        });
      });

      it('is not renewed by a note, whatever it says, in one piece or in several', async () => {
        await withGateLab(async (lab) => {
          await lab.router.call('openGate', { ...options, leaseMs: 5000 });
          const pair = Buffer.alloc(8);
          pair.writeBigUInt64BE(pairIdOf('edge'));
          const activeHeartbeat = Buffer.concat([
            Buffer.from([...magic, version, activeRoleByte, 1, 1]),
            pair,
          ]);
          const udpHeader = Buffer.from([0x9c, 0x40, port >> 8, port & 255, 0, 172, 0, 0]);
          const note = formatNote(
            {
              pairId: pairIdOf('edge'),
              nodeId: 1,
              bootId: 1n,
              receiverBootId: 2n,
              tick: 1,
              text: '.'.repeat(1024),
            },
            createKey(1, new Uint8Array(32)),
          );
          // As if the text were heartbeats wherever one looks, also at the head of a later fragment.
          const lure = Buffer.concat([udpHeader, activeHeartbeat]);
          const hostile = Buffer.from(note);
          for (let at = 40; at + lure.length <= hostile.length; at += lure.length) {
            hostile.set(lure, at);
          }
          const fragmentBytes = 552;
          hostile.set(lure, fragmentBytes - udpHeader.length);
          const notRenewed = async (what: string, bytes: Uint8Array) => {
            await lab.router.call('open');
            await lab.router.call('freeze', 40);
            const left = (await lab.router.call(
              'sendOnce',
              heartbeat,
              Buffer.from(bytes).toString('hex'),
            )) as Left;
            assert.ok(left.speakMs < 4990 && left.serveMs < 4990, `${what} renewed: ${left.speakMs}`);
          };
          await notRenewed('a note', note);
          await notRenewed('a note full of heartbeats', hostile);
          // 20 bytes of header and 552 of payload: the lure stands where the second piece begins.
          ip(['-n', lab.router.space, 'link', 'set', 'eth0', 'mtu', '576']);
          await notRenewed('a note in pieces', hostile);

          // What was looked for there does renew where it belongs.
          await lab.router.call('open');
          await lab.router.call('freeze', 40);
          const bare = Buffer.concat([activeHeartbeat, Buffer.alloc(148)]).toString('hex');
          const left = (await lab.router.call('sendOnce', heartbeat, bare)) as Left;
          assert.ok(left.speakMs > 4960, `not renewed: ${left.speakMs}`);
        });
      });
    } else {
      it('is renewed by whoever sent a heartbeat, as of the moment before, and never by one sent too long ago', async () => {
        await withGateLab(async (lab) => {
          await lab.router.call('openGate', { ...options, leaseMs: 5000 });
          const renew = async (agoMs: number): Promise<{ isRenewed: boolean; left: Left }> =>
            (await lab.router.call('renew', agoMs)) as { isRenewed: boolean; left: Left };
          await lab.router.call('open');
          await lab.router.call('freeze', 60);
          const unheard = (await lab.router.call('beatOnce', { ...heartbeat, role: 'backup' })) as Left;
          assert.ok(unheard.speakMs < 4950, 'the packet itself renews nothing');
          const renewed = (await lab.router.call('beatOnce', heartbeat)) as Left;
          assert.ok(renewed.speakMs > 4960 && renewed.serveMs > 4960, `not renewed: ${renewed.speakMs}`);

          const delayed = await renew(3000);
          assert.ok(delayed.isRenewed && delayed.left.speakMs <= 2000 && delayed.left.serveMs <= 2000);
          const tooLate = await renew(5000);
          assert.ok(!tooLate.isRenewed && tooLate.left.speakMs <= 2000 && tooLate.left.speakMs > 0);
          await lab.router.call('mute');
          const muted = await renew(0);
          assert.ok(!muted.isRenewed && muted.left.speakMs === 0 && muted.left.serveMs <= 2000);
          await lab.router.call('close');
          assert.deepEqual(await renew(0), { isRenewed: false, left: { speakMs: 0, serveMs: 0 } });
        });
      });

      it('is renewed in no copy of the lease when one of them has ended', async () => {
        await withGateLab(async (lab) => {
          await lab.router.call('openGate', { ...options, leaseMs: 5000 });
          for (const copy of [
            'arp vipair_edge speak',
            'inet vipair_edge speak',
            'netdev vipair_edge serve',
          ]) {
            await lab.router.call('open');
            lab.router.run('nft', 'flush', 'set', ...copy.split(' '));
            await lab.router.call('freeze', 60);
            assert.equal(
              ((await lab.router.call('renew', 0)) as { isRenewed: boolean }).isRenewed,
              false,
              copy,
            );
            const listed = lab.router.run('nft', 'list', 'ruleset').out;
            assert.doesNotMatch(listed, /expires (5s|4s9[5-9]\dms)/, copy);
          }
        });
      });
    }

    it('is not renewed by another user of the host', async () => {
      await withGateLab(async (lab) => {
        await lab.router.call('openGate', { ...options, leaseMs: 5000 });
        await lab.router.call('open');
        await lab.router.call('freeze', 60);
        const stranger = startGateWorker(lab.router.space, ['setpriv', '--reuid=65534', '--clear-groups']);
        await stranger.call('startBeats', heartbeat, 1000);
        const left = (await lab.router.call('remaining')) as Left;
        assert.ok(left.speakMs < 4950, `renewed: ${left.speakMs}`);
        assert.deepEqual(
          ((await stranger.call('openGate', options)) as { reason: string }).reason,
          'not-permitted',
          'who may not put a gate up is told so',
        );
        await stranger.end();
      });
    });

    it('muted, answers for no address and still serves until the lease ends', async () => {
      await withGateLab(async (lab) => {
        await lab.router.call('openGate', { ...options, leaseMs: 3000 });
        await lab.router.call('open');
        assert.ok(answersPing(lab.client, public4) && answersPing(lab.server, '10.66.1.9'));
        assert.deepEqual(await lab.router.call('mute'), { ok: true });
        assert.ok(answersPing(lab.client, public4) && answersPing(lab.server, '10.66.1.9'));
        assert.deepEqual(await answers(lab), nothing);
        const left = (await lab.router.call('remaining')) as Left;
        assert.ok(left.speakMs === 0 && left.serveMs > 0);
        const renewed = (await lab.router.call('beatOnce', heartbeat)) as Left;
        assert.ok(
          renewed.speakMs === 0 && renewed.serveMs <= left.serveMs,
          'a heartbeat does not prolong it',
        );
        await lab.router.call('close');
        assert.equal(answersPing(lab.client, public4), false);
      });
    });

    it('says who flushed the ruleset, and is put back as it was', async () => {
      await withGateLab(async (lab) => {
        await lab.router.call('openGate', { ...options, leaseMs: 1000 });
        await lab.router.call('open');
        assert.equal(await lab.router.call('tampered'), null);
        assert.equal(await lab.router.call('isIntact'), true);
        const before = (await lab.router.call('remaining')) as Left;
        lab.router.run('nft', 'flush', 'ruleset');
        assert.equal(await lab.router.call('isIntact'), false);
        assert.equal(await lab.router.call('remaining'), null);
        assert.match(((await lab.router.call('tampered')) as { by: string }).by, /^nft \(pid \d+\)$/);
        assert.deepEqual(await lab.router.call('reinstall'), { ok: true });
        assert.equal(await lab.router.call('tampered'), null);
        assert.equal(await lab.router.call('isIntact'), true);
        const after = (await lab.router.call('remaining')) as Left;
        assert.ok(after.speakMs > 0 && after.speakMs <= before.speakMs);

        await lab.router.call('close');
        lab.router.run('nft', 'flush', 'ruleset');
        await lab.router.call('reinstall');
        assert.deepEqual(await lab.router.call('remaining'), { speakMs: 0, serveMs: 0 });
        assert.deepEqual(await answers(lab), nothing);
      });
    });

    it('does not give a lease back that ran out while the ruleset was gone', async () => {
      await withGateLab(async (lab) => {
        await lab.router.call('openGate', options);
        await lab.router.call('open');
        lab.router.run('nft', 'flush', 'ruleset');
        await lab.router.call('freeze', leaseMs + 50);
        await lab.router.call('reinstall');
        assert.deepEqual(await lab.router.call('remaining'), { speakMs: 0, serveMs: 0 });
      });
    });

    it('is opened by a claim also when the table is gone', async () => {
      await withGateLab(async (lab) => {
        await lab.router.call('openGate', options);
        lab.router.run('nft', 'flush', 'ruleset');
        assert.deepEqual(await lab.router.call('open'), { ok: true });
        assert.equal(await lab.router.call('isIntact'), true);
        assert.ok(((await lab.router.call('remaining')) as Left).speakMs > 0);
      });
    });

    it('notices each kind of change by somebody else', async () => {
      await withGateLab(async (lab) => {
        await lab.router.call('openGate', options);
        const changes = {
          egress: [
            'add element netdev vipair_edge speak { 0 timeout 1h }',
            'insert rule netdev vipair_edge out_eth0 accept',
          ],
          output: [
            'add element arp vipair_edge speak { 0 timeout 1h }',
            'add element inet vipair_edge serve { 0 timeout 1h }',
            'insert rule arp vipair_edge out accept',
            'flush chain inet vipair_edge out',
            'delete table arp vipair_edge',
            'delete table inet vipair_edge',
          ],
        };
        for (const change of [
          ...changes[hooks],
          'flush chain netdev vipair_edge in_eth0',
          'delete chain netdev vipair_edge in_eth0',
          'flush set netdev vipair_edge floating4',
          'delete table netdev vipair_edge',
        ]) {
          const done = lab.router.run('nft', ...change.split(' '));
          assert.equal(done.status, 0, done.out);
          assert.match(((await lab.router.call('tampered')) as { by: string }).by, /^nft/, change);
          await lab.router.call('reinstall');
          assert.equal(await lab.router.call('isIntact'), true, change);
          assert.deepEqual(await lab.router.call('remaining'), { speakMs: 0, serveMs: 0 });
        }
        lab.router.run('nft', 'add', 'table', 'inet', 'filter');
        assert.equal(
          await lab.router.call('tampered'),
          null,
          'what does not concern the table is not reported',
        );
      });
    });

    for (const family of families) {
      it(`refuses a table ${family} of that name that somebody else made, and leaves all alone`, async () => {
        await withGateLab(async (lab) => {
          lab.router.run('nft', 'add', 'table', family, 'vipair_edge');
          const before = lab.router.run('nft', 'list', 'ruleset').out;
          const refused = (await lab.router.call('openGate', options)) as { reason: string; detail: string };
          assert.equal(refused.reason, 'foreign-table');
          assert.match(refused.detail, new RegExp(`nft delete table ${family} vipair_edge`));
          assert.equal(lab.router.run('nft', 'list', 'ruleset').out, before);
        });
      });
    }

    it('takes the place of the other arrangement, which an earlier life put up', async () => {
      await withGateLab(async (lab) => {
        const other = hooks === 'egress' ? 'output' : 'egress';
        const longer = { ...options, leaseMs: 5000 };
        await lab.router.call('openGate', { ...longer, hooks: other });
        await lab.router.call('leave');
        assert.deepEqual(await lab.router.call('openGate', longer), { ok: true });
        const tables = lab.router.run('nft', 'list', 'tables').out.trim().split('\n').sort();
        assert.deepEqual(tables, families.map((family) => `table ${family} vipair_edge`).sort());
        await lab.router.call('open');
        assert.deepEqual(await answers(lab), everything);
      });
    });

    it('lets nothing leave that is forwarded under a floating address, while it is shut', async () => {
      await withGateLab(async (lab) => {
        // By an interface that carries no floating address, so that only the way out can stop it.
        ip(['-n', lab.client.space, 'route', 'replace', '10.66.2.0/24', 'via', direct4]);
        lab.router.run(
          'nft',
          'add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; add rule ip nat post oifname eth1 snat to 10.66.2.100',
        );
        lab.server.run(
          'nft',
          `add table ip seen; add chain ip seen in { type filter hook prerouting priority -300; }; add rule ip seen in ip saddr ${private4} counter`,
        );
        const seen = (): number =>
          Number(/packets (\d+)/.exec(lab.server.run('nft', 'list', 'table', 'ip', 'seen').out)?.[1]);
        await lab.router.call('openGate', { ...options, leaseMs: 60_000 });
        await lab.router.call('open');
        assert.ok(answersPing(lab.client, '10.66.2.9'));
        assert.equal(seen(), 1);
        await lab.router.call('close');
        assert.equal(answersPing(lab.client, '10.66.2.9'), false);
        assert.equal(seen(), 1);
      });
    });

    it('holds interfaces that come later, go, and come back', async () => {
      await withGateLab(async (lab) => {
        const holdsEth5 =
          hooks === 'egress' ? /ingress device "eth5"[^]*egress device "eth5"/ : /ingress device "eth5"/;
        const shown = (): string => lab.router.run('nft', 'list', 'table', 'netdev', 'vipair_edge').out;
        const late = {
          ...options,
          floating: [...floating, { address: '10.66.5.100', interfaceName: 'eth5' }],
        };
        assert.deepEqual(
          await lab.router.call('openGate', late),
          { ok: true },
          'a missing one is no failure',
        );
        assert.doesNotMatch(shown(), /eth5/);
        assert.deepEqual(await lab.router.call('refresh'), { ok: true, value: false });

        const add = ['-n', lab.router.space, 'link', 'add', 'eth5', 'type', 'veth', 'peer', 'name', 'eth6'];
        ip(add);
        await lab.router.call('open');
        assert.match(shown(), holdsEth5);
        await lab.router.call('startBeats', heartbeat, 20);
        ip(['-n', lab.router.space, 'link', 'del', 'eth5']);
        assert.deepEqual(await lab.router.call('refresh'), { ok: true, value: true });
        ip(add);
        assert.deepEqual(await lab.router.call('refresh'), { ok: true, value: true });
        assert.match(shown(), holdsEth5);
        assert.ok(((await lab.router.call('remaining')) as Left).speakMs > 0, 'the lease went on meanwhile');
      });
    });

    it('is written so that nft can load again what it lists', async () => {
      await withGateLab(async (lab) => {
        await lab.router.call('openGate', { ...options, leaseMs: 60_000 });
        await lab.router.call('open');
        const reload =
          'set -e; nft list ruleset > "$0"; nft flush ruleset; nft -f "$0"; nft list ruleset | diff "$0" -';
        const file = `/tmp/${lab.router.space}.nft`;
        const done = lab.router.run('sh', '-c', reload, file);
        const differences = done.out
          .split('\n')
          .filter((line) => /^[<>]/.test(line) && !line.includes('expires'));
        assert.deepEqual(differences, [], done.out);
        lab.router.run('rm', file);
      });
    });

    it('opens and closes in some ten microseconds', async () => {
      await withGateLab(async (lab) => {
        await lab.router.call('openGate', options);
        for (const method of [
          'open',
          'renewNow',
          'remaining',
          'mute',
          'close',
          'tampered',
          'isIntact',
          'reinstall',
        ]) {
          const micros = (await lab.router.call('measure', method, 200)) as number;
          console.log(`      ${method}: median ${micros.toFixed(1)} µs`);
          assert.ok(micros < 20_000);
        }
      });
    });
  });
}

const hostOptions = {
  pair: 'edge',
  floating: floating.map((entry) => ({ ...entry, prefixLength: entry.address.includes(':') ? 128 : 32 })),
  links: [{ name: 'public', interfaceName: 'eth0', port, group: group4 }],
  gate: 'nftables',
  leaseMs,
  lifetimeSeconds: 3600,
  gateHooks: 'output',
};

describe('the gate on a kernel without the egress hook', function () {
  this.timeout(20_000);
  before(function () {
    skipWithout(this, problem());
  });

  it('is put up at the egress hook where there is one', async () => {
    await withGateLab(async (lab) => {
      await lab.router.call('openGate', pair);
      assert.equal(await lab.router.call('hooks'), 'egress');
    });
  });

  it('is put up at the output hooks, in the place of an egress gate of an earlier life', async () => {
    await withGateLab(async (lab) => {
      await lab.router.call('openGate', pair);
      await lab.router.call('leave');
      assert.deepEqual(await lab.router.call('openGateWithoutEgress', pair), { hooks: 'output' });
      assert.deepEqual(await answers(lab), nothing);
      await lab.router.call('open');
      await lab.router.call('startBeats', heartbeat, 20);
      assert.deepEqual(await answers(lab), everything);
    });
  });

  it('is refused, and nothing changed, where only that hook would do or a table is taken', async () => {
    await withGateLab(async (lab) => {
      const forced = await lab.router.call('openGateWithoutEgress', { ...pair, hooks: 'egress' });
      assert.equal((forced as { reason: string }).reason, 'no-egress-hook');
      lab.router.run('nft', 'add', 'table', 'arp', 'vipair_edge');
      const taken = (await lab.router.call('openGateWithoutEgress', pair)) as {
        reason: string;
        detail: string;
      };
      assert.equal(taken.reason, 'foreign-table');
      assert.match(taken.detail, /no egress hook: .*not supported/i);
      assert.equal(lab.router.run('nft', 'list', 'tables').out.trim(), 'table arp vipair_edge');
    });
  });

  it('has the pulse announce nothing when the lease is not alive, for frames pass no output hook', async () => {
    await withGateLab(async (lab) => {
      await lab.router.call('openHost', hostOptions);
      assert.deepEqual(await lab.router.call('announce'), { sent: 0, failures: [] });
      await lab.router.call('claim');
      const claimed = (await lab.router.call('announce')) as { sent: number };
      assert.ok(claimed.sent > 0);
      await lab.router.call('freeze', leaseMs + 50);
      assert.deepEqual(await lab.router.call('announce'), { sent: 0, failures: [] });
    });
  });

  it('has the pulse renew for a heartbeat that was sent, but not for an older one, nor an ended lease', async () => {
    await withGateLab(async (lab) => {
      await lab.router.call('openHost', { ...hostOptions, leaseMs: 5000 });
      const heartbeatSent = async (agoMs: number): Promise<number> =>
        (await lab.router.call('heartbeatSent', agoMs)) as number;
      await lab.router.call('claim');
      await lab.router.call('freeze', 100);
      const renewed = await heartbeatSent(0);
      assert.ok(renewed > 4960, `not renewed: ${renewed}`);
      const older = await heartbeatSent(1000);
      assert.ok(older > 4900, `an older heartbeat took time away: ${older}`);

      await lab.router.call('openHost', hostOptions);
      await lab.router.call('claim');
      await lab.router.call('freeze', leaseMs + 50);
      assert.equal(await heartbeatSent(0), 0);
    });
  });
});
