import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { openLink, type HeartbeatLink, type LinkOptions } from '../../src/adapters/multicast.ts';
import { ipBatch, run } from '../lab/command.ts';
import { eventually } from '../lab/eventually.ts';
import { whyNoNamespaces } from '../lab/requirements.ts';
import { type FromLinkProgram, type LinkView, type ToLinkProgram } from './link-program.ts';

type Plan = Omit<LinkOptions, 'setMinimumTtl'>;
type Heard = Extract<FromLinkProgram, { kind: 'heard' }>;

const port = 3694;

function plan(name: string, more: Partial<Plan> = {}): Plan {
  return {
    name,
    interfaceName: name,
    port,
    group: name === 'pub' ? '239.192.112.1' : '239.192.112.2',
    unicast: undefined,
    floatingAddresses: [],
    gtsm: false,
    ...more,
  };
}

describe('heartbeat link on loopback', () => {
  const heard: [string, string][] = [];

  async function freePort(): Promise<number> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port: free } = socket.address();
    socket.close();
    await once(socket, 'close');
    return free;
  }

  async function unicast(own: string, peer: string, usedPort: number, label = own): Promise<HeartbeatLink> {
    const options = plan('lo', { group: undefined, unicast: { own, peer }, port: usedPort });
    const opened = await openLink(options, (datagram, source) => {
      heard.push([label, `${datagram.toString()} from ${source}`]);
    });
    assert.ok(opened.ok);
    return opened.value;
  }

  beforeEach(() => {
    heard.length = 0;
  });

  it('carries datagrams both ways between unicast peers', async () => {
    const free = await freePort();
    await using first = await unicast('127.0.0.1', '127.0.0.2', free);
    await using second = await unicast('127.0.0.2', '127.0.0.1', free);
    first.send(Buffer.from('to two'));
    second.send(Buffer.from('to one'));
    await eventually('both arrive', () => (heard.length === 2 ? true : undefined));
    assert.deepEqual(heard.toSorted(), [
      ['127.0.0.1', 'to one from 127.0.0.2'],
      ['127.0.0.2', 'to two from 127.0.0.1'],
    ]);
    assert.deepEqual(first.counts(), {
      sent: 1,
      sendFailures: 0,
      failuresByCode: {},
      received: 1,
      opened: 1,
    });
    assert.equal(first.ownAddress(), '127.0.0.1');
    assert.equal(first.problem(), undefined);
  });

  it('tells of each datagram that the kernel took, and of none that it refused', async () => {
    const free = await freePort();
    const taken: string[] = [];
    await using whole = await unicast('127.0.0.1', '127.0.0.2', free);
    await using refused = await unicast('127.0.0.3', '255.255.255.255', free);
    await using absent = await unicast('192.0.2.77', '192.0.2.78', free);
    for (const [name, link] of Object.entries({ absent, refused, whole })) {
      link.send(Buffer.from('x'), () => taken.push(name));
    }
    await eventually('all are counted', () =>
      refused.counts().sendFailures + whole.counts().sent === 2 ? true : undefined,
    );
    assert.deepEqual(taken, ['whole']);
  });

  it('counts a send that the kernel refuses, and goes on', async () => {
    const free = await freePort();
    await using link = await unicast('127.0.0.1', '255.255.255.255', free);
    link.send(Buffer.from('x'));
    link.send(Buffer.from('y'));
    await eventually('both are counted', () => (link.counts().sendFailures === 2 ? true : undefined));
    assert.deepEqual(link.counts().failuresByCode, { EACCES: 2 });
    assert.equal(link.counts().sent, 0);
  });

  it('is a link, too, while its address is absent, and counts what it could not send', async () => {
    await using link = await unicast('192.0.2.77', '192.0.2.78', await freePort());
    link.send(Buffer.from('x'));
    link.refresh();
    assert.deepEqual(link.counts().failuresByCode, { 'not-open': 1 });
    assert.equal(link.ownAddress(), undefined);
    await eventually('says what is wrong', () => /EADDRNOTAVAIL/.exec(link.problem() ?? '') ?? undefined);
  });

  it('says when the address is taken, and lets go of it when closed', async () => {
    const free = await freePort();
    const options = plan('lo', {
      group: undefined,
      unicast: { own: '127.0.0.1', peer: '127.0.0.2' },
      port: free,
    });
    {
      await using link = await unicast('127.0.0.1', '127.0.0.2', free);
      assert.equal(link.counts().opened, 1);
      const second = await openLink(options, () => undefined);
      assert.ok(!second.ok);
      assert.equal(second.reason, 'address-in-use');
    }
    const third = await openLink(options, () => undefined);
    assert.ok(third.ok);
    await third.value[Symbol.asyncDispose]();
  });

  it('refuses what is not a group, and peers of different families', async () => {
    const rows: [Partial<Plan>, string][] = [
      [{ group: '192.0.2.1' }, 'not-multicast'],
      [{ group: 'all' }, 'not-multicast'],
      [{ group: undefined }, 'not-multicast'],
      [{ unicast: { own: '127.0.0.1', peer: '::1' } }, 'bad-address'],
      [{ unicast: { own: '127.0.0.1', peer: 'lvs2' } }, 'bad-address'],
    ];
    for (const [more, reason] of rows) {
      const opened = await openLink(plan('lo', more), () => undefined);
      assert.ok(!opened.ok);
      assert.equal(opened.reason, reason);
    }
  });
});

describe('heartbeat link on a wire', function () {
  this.timeout(30_000);
  const namespaces = [`vp${process.pid}ma`, `vp${process.pid}mb`] as const;
  const [here, there] = namespaces;
  const programs: LinkProgram[] = [];

  before(function () {
    const reason = whyNoNamespaces(['ip']);
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      this.skip();
    }
  });

  beforeEach(() => {
    for (const namespace of namespaces) {
      run(['ip', 'netns', 'add', namespace]);
      // A link-local address may be used at once; duplicates cannot be there.
      run([
        'ip',
        'netns',
        'exec',
        namespace,
        'sh',
        '-c',
        'echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad',
      ]);
    }
    addWire('pub', 1);
    addWire('prv', 2);
  });

  afterEach(async () => {
    await Promise.all(programs.splice(0).map((program) => program.end()));
    for (const namespace of namespaces) {
      run(['ip', 'netns', 'del', namespace]);
    }
  });

  function addWire(name: string, number: number): void {
    ipBatch(undefined, [`link add ${name} netns ${here} type veth peer name ${name} netns ${there}`]);
    for (const [index, namespace] of namespaces.entries()) {
      ipBatch(namespace, [`link set ${name} up`, `address add 10.66.${number}.${index + 1}/24 dev ${name}`]);
    }
  }

  async function program(namespace: string, links: readonly Plan[]): Promise<LinkProgram> {
    const started = startLinkProgram(namespace);
    programs.push(started);
    const { failures } = await started.ask({ kind: 'open', links }, 'opened');
    assert.deepEqual(failures.filter(Boolean), []);
    return started;
  }

  async function bothEnds(links: readonly Plan[]): Promise<[LinkProgram, LinkProgram]> {
    return [await program(here, links), await program(there, links)];
  }

  /** Refreshes and sends, as the pulse does, until what is sent from now on arrives. */
  async function carries(from: LinkProgram, to: LinkProgram, link = 0): Promise<Heard> {
    const text = `${process.hrtime.bigint()}`;
    return eventually('the link carries', () => {
      from.tell({ kind: 'refresh' });
      to.tell({ kind: 'refresh' });
      from.tell({ kind: 'send', link, text });
      return to.heard.find((heard) => heard.link === link && heard.text === text);
    });
  }

  async function carriesBothWays(a: LinkProgram, b: LinkProgram): Promise<void> {
    await carries(a, b);
    await carries(b, a);
  }

  it('carries multicast both ways, from its own address', async () => {
    const [a, b] = await bothEnds([plan('pub')]);
    assert.equal((await carries(a, b)).source, '10.66.1.1');
    assert.equal((await carries(b, a)).source, '10.66.1.2');
    const [view] = await a.look();
    assert.equal(view?.counts.opened, 1);
    assert.equal(view.counts.sendFailures, 0);
    assert.deepEqual(
      a.heard.filter(({ source }) => source === '10.66.1.1'),
      [],
      'it does not hear itself',
    );
  });

  it('hears on each of two links only its own wire', async () => {
    const [a, b] = await bothEnds([plan('pub'), plan('prv')]);
    a.tell({ kind: 'send', link: 0, text: 'on pub' });
    a.tell({ kind: 'send', link: 1, text: 'on prv' });
    // Sent after the others and heard after them, on either link.
    await carries(a, b, 0);
    await carries(a, b, 1);
    const texts = b.heard.filter(({ text }) => text.startsWith('on ')).map(({ link, text }) => [link, text]);
    assert.deepEqual(texts.toSorted(), [
      [0, 'on pub'],
      [1, 'on prv'],
    ]);
  });

  it('does not hear the group of one link on the wire of another', async () => {
    const crossed = await program(here, [plan('pub', { interfaceName: 'prv' }), plan('prv')]);
    const b = await program(there, [plan('pub'), plan('prv')]);
    crossed.tell({ kind: 'send', link: 0, text: 'stray' });
    await carries(crossed, b, 1);
    assert.deepEqual(
      b.heard.filter(({ text }) => text === 'stray'),
      [],
    );
  });

  it('carries again after the interface was down', async () => {
    const [a, b] = await bothEnds([plan('pub')]);
    await carriesBothWays(a, b);
    ipBatch(there, ['link set pub down']);
    b.tell({ kind: 'refresh' });
    b.tell({ kind: 'send', link: 0, text: 'lost' });
    await eventually('the send fails', async () => (await b.look())[0]?.counts.sendFailures || undefined);
    ipBatch(there, ['link set pub up']);
    await carriesBothWays(a, b);
    assert.equal((await b.look())[0]?.counts.opened, 1, 'the same sockets serve');
  });

  it('carries again after its address was away', async () => {
    const [a, b] = await bothEnds([plan('pub')]);
    await carriesBothWays(a, b);
    ipBatch(there, ['address del 10.66.1.2/24 dev pub']);
    b.tell({ kind: 'refresh' });
    b.tell({ kind: 'send', link: 0, text: 'lost' });
    await eventually('the send fails', async () => (await b.look())[0]?.counts.sendFailures || undefined);
    ipBatch(there, ['address add 10.66.1.2/24 dev pub']);
    await carriesBothWays(a, b);
    assert.equal((await b.look())[0]?.counts.opened, 1, 'the same sockets serve');
  });

  it('sends from the new address when its own has changed', async () => {
    const [a, b] = await bothEnds([plan('pub')]);
    await carriesBothWays(a, b);
    ipBatch(there, ['address del 10.66.1.2/24 dev pub', 'address add 10.66.1.9/24 dev pub']);
    await eventually('the new address is the source', async () => {
      return (await carries(b, a)).source === '10.66.1.9' ? true : undefined;
    });
    await carries(a, b);
  });

  it('joins again when the interface was deleted and made again', async () => {
    const [a, b] = await bothEnds([plan('pub')]);
    await carriesBothWays(a, b);
    ipBatch(there, ['link del pub']);
    addWire('pub', 1);
    await carriesBothWays(a, b);
    await carriesBothWays(a, b);
    assert.equal((await b.look())[0]?.counts.opened, 2);
  });

  it('opens by itself when interface and address appear after the start', async () => {
    ipBatch(there, ['link del pub']);
    const [a, b] = await bothEnds([plan('pub')]);
    b.tell({ kind: 'send', link: 0, text: 'lost' });
    const [view] = await b.look();
    assert.match(view?.problem ?? '', /pub is missing/);
    assert.deepEqual(view?.counts.failuresByCode, { 'not-open': 1 });
    addWire('pub', 1);
    await carriesBothWays(a, b);
    assert.equal((await b.look())[0]?.problem, undefined);
  });

  it('never sends from a floating address', async () => {
    ipBatch(here, [
      'address flush dev pub',
      'address add 10.66.1.100/32 dev pub',
      'address add 10.66.1.101/32 dev pub label pub:1',
      'address add 10.66.1.1/24 dev pub',
    ]);
    const [a, b] = await bothEnds([plan('pub', { floatingAddresses: ['10.66.1.100', '10.66.1.101'] })]);
    assert.equal((await carries(a, b)).source, '10.66.1.1');
  });

  it('carries IPv6 multicast, also on an interface made again', async () => {
    const [a, b] = await bothEnds([plan('pub', { group: 'ff02::7670' })]);
    assert.match((await carries(a, b)).source, /^fe80::/);
    await carries(b, a);
    ipBatch(there, ['link del pub']);
    addWire('pub', 1);
    await carriesBothWays(a, b);
  });

  it('carries unicast between peers, also link-local ones', async () => {
    ipBatch(here, ['address add fe80::1/64 dev pub nodad']);
    ipBatch(there, ['address add fe80::2/64 dev pub nodad']);
    const rows = [
      ['10.66.1.1', '10.66.1.2'],
      ['fe80::1', 'fe80::2'],
    ] as const;
    const ends = rows.map(([own, peer], index) => [
      plan('pub', { group: undefined, unicast: { own, peer }, port: port + index }),
      plan('pub', { group: undefined, unicast: { own: peer, peer: own }, port: port + index }),
    ]);
    const a = await program(
      here,
      ends.map(([first]) => first!),
    );
    const b = await program(
      there,
      ends.map(([, second]) => second!),
    );
    for (const link of rows.keys()) {
      await carries(a, b, link);
      await carries(b, a, link);
    }
  });

  it('refuses what was not sent with the highest TTL when asked to', async () => {
    for (const group of ['239.192.112.1', 'ff02::7670']) {
      const secure = plan('pub', { group, gtsm: true });
      const a = await program(here, [secure, plan('prv')]);
      const b = await program(there, [secure, plan('prv')]);
      await carriesBothWays(a, b);
      const far = await program(here, [plan('pub', { group }), plan('prv')]);
      far.tell({ kind: 'send', link: 0, text: 'from afar' });
      await carries(far, b, 1);
      assert.deepEqual(
        b.heard.filter(({ text }) => text === 'from afar'),
        [],
      );
      assert.equal((await b.look())[0]?.problem, undefined);
    }
  });
});

interface LinkProgram {
  readonly heard: readonly Heard[];
  tell(message: ToLinkProgram): void;
  ask<Kind extends FromLinkProgram['kind']>(
    message: ToLinkProgram,
    kind: Kind,
  ): Promise<Extract<FromLinkProgram, { kind: Kind }>>;
  look(): Promise<readonly LinkView[]>;
  end(): Promise<void>;
}

function startLinkProgram(namespace: string): LinkProgram {
  const file = fileURLToPath(new URL('link-program.js', import.meta.url));
  const child: ChildProcess = spawn('ip', ['netns', 'exec', namespace, process.execPath, file], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const heard: Heard[] = [];
  const waiting: { readonly kind: string; readonly resolve: (message: FromLinkProgram) => void }[] = [];
  child.on('message', (message: FromLinkProgram) => {
    if (message.kind === 'heard') {
      heard.push(message);
      return;
    }
    const index = waiting.findIndex(({ kind }) => kind === message.kind);
    waiting.splice(index, 1)[0]?.resolve(message);
  });
  const tell = (message: ToLinkProgram): void => void child.send(message);
  const ask: LinkProgram['ask'] = (message, kind) =>
    new Promise((resolve, reject) => {
      child.once('exit', () => {
        reject(new Error('the link program ended'));
      });
      waiting.push({
        kind,
        resolve: (answer) => {
          if (isOfKind(answer, kind)) {
            resolve(answer);
          }
        },
      });
      tell(message);
    });
  return {
    heard,
    tell,
    ask,
    look: async () => (await ask({ kind: 'look' }, 'looked')).links,
    async end() {
      if (child.exitCode === null && child.signalCode === null) {
        child.disconnect();
        await once(child, 'exit');
      }
    },
  };
}

function isOfKind<Kind extends FromLinkProgram['kind']>(
  message: FromLinkProgram,
  kind: Kind,
): message is Extract<FromLinkProgram, { kind: Kind }> {
  return message.kind === kind;
}
