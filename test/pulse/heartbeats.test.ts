import assert from 'node:assert/strict';
import { type Advertisement, type DirectorEvent, type Settings } from '../../src/core/state.ts';
import { createHeartbeats, type Heartbeats } from '../../src/pulse/heartbeats.ts';
import { createKey } from '../../src/wire/key.ts';
import { pairSettings } from '../../src/simulation/settings.ts';

const key = createKey(1, new Uint8Array(32).fill(7));
const advertisement: Advertisement = {
  role: 'backup',
  term: 1,
  priority: 100,
  refusal: 'none',
  isMaintenance: false,
  isResigning: false,
  handoverRequest: 0,
  isHandoverForced: false,
  handoverAnswer: 0,
  handoverRefusal: 'none',
  wantsOffice: false,
  hears: [true, true],
  pathsOk: [],
  configDigest: 7,
};

interface End {
  readonly heartbeats: Heartbeats;
  readonly heard: Extract<DirectorEvent, { kind: 'advertisement' }>[];
  readonly sent: {
    readonly link: number;
    readonly datagram: Uint8Array;
    readonly onSent: (() => void) | undefined;
  }[];
}

function end(settings: Settings): End {
  const heard: End['heard'] = [];
  const sent: End['sent'] = [];
  const heartbeats = createHeartbeats({
    settings,
    keys: { send: key, accept: [key] },
    nowMs: () => performance.now(),
    wallMs: Date.now,
    floatingMacs: () => ['02:00:00:00:00:01', '02:00:00:00:00:02'],
    transmit: (link, datagram, onSent) => sent.push({ link, datagram, onSent }),
    onAdvertisement: (event) => heard.push(event),
  });
  return { heartbeats, heard, sent };
}

function pass(from: End, to: End): void {
  from.heartbeats.send(advertisement);
  for (const { link, datagram } of from.sent.splice(0)) {
    to.heartbeats.receive(link, datagram);
  }
}

describe('heartbeats', () => {
  it('prove themselves to each other by the echo, within three heartbeats', () => {
    const { a, b } = pairSettings();
    const [one, two] = [end(a), end(b)];
    pass(one, two);
    assert.equal(two.heard.at(-1)?.isProven, false);
    pass(two, one);
    assert.equal(one.heard.at(-1)?.isProven, true);
    pass(one, two);
    assert.equal(two.heard.at(-1)?.isProven, true);
  });

  it('let every link tell that its copy was sent', () => {
    const one = end(pairSettings().a);
    let told = 0;
    one.heartbeats.send(advertisement, () => {
      told += 1;
    });
    assert.equal(told, 0, 'to hand it to a link is not to send it');
    one.sent.forEach(({ onSent }) => onSent?.());
    assert.equal(told, 2);
  });

  it('go out on every link and carry what the core said and the MACs of the floating interfaces', () => {
    const { a, b } = pairSettings();
    const [one, two] = [end(a), end(b)];
    pass(one, two);
    assert.deepEqual(
      two.heard.map(({ link }) => link),
      [0, 1],
    );
    assert.deepEqual(two.heard[0]?.advertisement, advertisement);
    assert.deepEqual(two.heard[0].macs, ['02:00:00:00:00:01', '02:00:00:00:00:02']);
  });

  it('are counted by reason and change nothing when they are refused', () => {
    const { a, b } = pairSettings();
    const [one, two] = [end(a), end(b)];
    one.heartbeats.send(advertisement);
    const [first] = one.sent;
    assert.ok(first);
    two.heartbeats.receive(0, first.datagram);
    two.heartbeats.receive(0, first.datagram);
    two.heartbeats.receive(1, first.datagram);
    two.heartbeats.receive(0, Buffer.from('hello'));
    one.heartbeats.receive(0, first.datagram);
    assert.equal(two.heard.length, 1);
    assert.deepEqual(
      Object.entries(two.heartbeats.refused()).filter(([, count]) => count > 0),
      [
        ['wrong-size', 1],
        ['replayed', 1],
        ['wrong-link', 1],
      ],
    );
    assert.equal(one.heartbeats.refused()['from-self'], 1);
  });
});
