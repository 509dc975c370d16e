import assert from 'node:assert/strict';
import { advertisementOf } from '../../src/core/advertise.ts';
import { initialState } from '../../src/core/director.ts';
import { type Settings } from '../../src/core/state.ts';
import { createHeartbeats, type Heartbeats } from '../../src/pulse/heartbeats.ts';
import { createNotes, type Notes } from '../../src/pulse/notes.ts';
import { pairSettings } from '../../src/simulation/settings.ts';
import { createKey } from '../../src/wire/key.ts';

const key = createKey(1, new Uint8Array(32).fill(7));
const keys = { send: key, accept: [key] };

interface Sent {
  readonly link: number;
  readonly datagram: Uint8Array;
}

interface End {
  readonly heartbeats: Heartbeats;
  readonly notes: Notes;
  /** What is on its way from here. */
  readonly heartbeatsSent: Sent[];
  readonly notesSent: Sent[];
  readonly read: { readonly text: string; readonly bootId: bigint }[];
  /** One heartbeat, with the note whose turn it is. */
  beat(): void;
}

function end(settings: Settings): End {
  const heartbeatsSent: Sent[] = [];
  const notesSent: Sent[] = [];
  const read: End['read'] = [];
  const heartbeats = createHeartbeats({
    settings,
    keys,
    nowMs: () => performance.now(),
    wallMs: Date.now,
    floatingMacs: () => [],
    transmit: (link, datagram) => heartbeatsSent.push({ link, datagram }),
    onAdvertisement: () => undefined,
  });
  const notes = createNotes({
    settings,
    keys,
    heartbeats,
    transmit: (link, datagram) => notesSent.push({ link, datagram }),
    onNote: (text, bootId) => read.push({ text, bootId }),
  });
  return {
    heartbeats,
    notes,
    heartbeatsSent,
    notesSent,
    read,
    beat() {
      heartbeats.send(advertisementOf(initialState(settings), 0, settings));
      notes.send();
    },
  };
}

/** One heartbeat of each way, and all that went out with it. */
function exchange(one: End, two: End): void {
  for (const [from, to] of [
    [one, two],
    [two, one],
  ] as const) {
    from.beat();
    from.heartbeatsSent.splice(0).forEach(({ link, datagram }) => {
      to.heartbeats.receive(link, datagram);
    });
    from.notesSent.splice(0).forEach(({ link, datagram }) => {
      to.notes.receive(link, datagram);
    });
  }
}

/** Two that have proven to each other that they live. */
function pair(settings = pairSettings()): { one: End; two: End } {
  const [one, two] = [end(settings.a), end(settings.b)];
  exchange(one, two);
  exchange(one, two);
  return { one, two };
}

function refusals({ notes }: End): Record<string, number> {
  return Object.fromEntries(Object.entries(notes.counts().refused).filter(([, count]) => count > 0));
}

function write({ notes }: End, ...written: readonly string[]): void {
  written.forEach((text) => {
    notes.write(text);
  });
}

const texts = ({ read }: End) => read.map(({ text }) => text);

describe('notes', () => {
  it('are read once by the peer although they go out on every link', () => {
    const { one, two } = pair();
    one.notes.write('10.0.0.7:80 is down');
    one.beat();
    assert.deepEqual(
      one.notesSent.map(({ link }) => link),
      [0, 1],
    );
    one.notesSent.forEach(({ link, datagram }) => {
      two.notes.receive(link, datagram);
    });
    assert.deepEqual(two.read, [{ text: '10.0.0.7:80 is down', bootId: one.heartbeats.bootId() }]);
    assert.deepEqual(refusals(two), {});
    assert.deepEqual([one.notes.counts().sent, two.notes.counts().received], [1, 1]);
  });

  it('get there when all links but one lose them', () => {
    const { one, two } = pair();
    one.notes.write('drained');
    one.beat();
    two.notes.receive(1, one.notesSent.at(-1)!.datagram);
    assert.deepEqual(texts(two), ['drained']);
  });

  it('go both ways, one with each heartbeat, in the order in which they were written', () => {
    const { one, two } = pair();
    write(one, 'a', 'b', 'c');
    two.notes.write('z');
    exchange(one, two);
    assert.deepEqual([texts(two), texts(one)], [['a'], ['z']]);
    exchange(one, two);
    exchange(one, two);
    exchange(one, two);
    assert.deepEqual([texts(two), texts(one)], [['a', 'b', 'c'], ['z']]);
  });

  it('never go out two beside one heartbeat, and wait for the next', () => {
    const { one, two } = pair();
    write(one, 'a', 'b');
    one.beat();
    one.notes.send();
    assert.equal(one.notes.counts().sent, 1);
    one.notesSent.splice(0).forEach(({ link, datagram }) => {
      two.notes.receive(link, datagram);
    });
    exchange(one, two);
    assert.deepEqual(texts(two), ['a', 'b']);
  });

  it('lose the oldest, and count it, when more are written than heartbeats go', () => {
    const { one, two } = pair();
    write(one, ...Array.from({ length: 70 }, (_, index) => String(index)));
    assert.equal(one.notes.counts().dropped, 6);
    Array.from({ length: 70 }).forEach(() => {
      exchange(one, two);
    });
    assert.deepEqual(
      texts(two),
      Array.from({ length: 64 }, (_, index) => String(index + 6)),
    );
  });

  it('are dropped and counted when they are too long, and harm nothing', () => {
    const { one, two } = pair();
    one.notes.write('é'.repeat(513));
    one.notes.write('é'.repeat(512));
    exchange(one, two);
    assert.deepEqual(texts(two), ['é'.repeat(512)]);
    assert.equal(one.notes.counts().dropped, 1);
  });

  it('are not kept for a peer that comes later', () => {
    const { a, b } = pairSettings();
    const [one, two] = [end(a), end(b)];
    one.notes.write('to nobody');
    one.beat();
    assert.deepEqual([one.notesSent.length, one.notes.counts().dropped], [0, 1]);
    exchange(one, two);
    exchange(one, two);
    one.notes.write('to you');
    exchange(one, two);
    assert.deepEqual(texts(two), ['to you']);
  });

  it('are refused when they are sent again, late or out of turn', () => {
    const { one, two } = pair();
    write(one, 'first', 'second');
    one.beat();
    one.beat();
    const [first, , second] = one.notesSent;
    two.notes.receive(0, second!.datagram);
    two.notes.receive(1, second!.datagram);
    two.notes.receive(0, first!.datagram);
    two.notes.receive(1, first!.datagram);
    assert.deepEqual(texts(two), ['second']);
    assert.deepEqual(refusals(two), { replayed: 2 });
  });

  it('of a peer are refused until heartbeats have proven that it lives', () => {
    const { one } = pair();
    one.notes.write('recorded');
    one.beat();
    const fresh = end(pairSettings().b);
    fresh.notes.receive(0, one.notesSent[0]!.datagram);
    assert.deepEqual([texts(fresh), refusals(fresh)], [[], { unproven: 1 }]);
  });

  it('recorded before a restart are refused after it, whichever side it was', () => {
    const { one, two } = pair();
    one.notes.write('all real servers are up');
    one.beat();
    const { datagram } = one.notesSent.splice(0)[0]!;

    // The receiver starts anew and forgets which notes it has read; the sender lives on.
    const newTwo = end(pairSettings().b);
    exchange(one, newTwo);
    exchange(one, newTwo);
    newTwo.notes.receive(0, datagram);
    assert.deepEqual([texts(newTwo), refusals(newTwo)], [[], { 'other-receiver': 1 }]);
    one.notes.write('one is down');
    exchange(one, newTwo);
    assert.deepEqual(texts(newTwo), ['one is down']);

    // The sender starts anew; the receiver lives on.
    const newOne = end(pairSettings().a);
    exchange(newOne, two);
    exchange(newOne, two);
    two.notes.receive(0, datagram);
    assert.deepEqual([texts(two), refusals(two)], [[], { unproven: 1 }]);
    newOne.notes.write('nothing is known yet');
    exchange(newOne, two);
    assert.deepEqual(two.read, [{ text: 'nothing is known yet', bootId: newOne.heartbeats.bootId() }]);
  });

  it('that were held back are refused once the heartbeats are a window ahead', () => {
    const { one, two } = pair();
    one.notes.write('held back');
    one.beat();
    const { datagram } = one.notesSent.splice(0)[0]!;
    Array.from({ length: 64 }).forEach(() => {
      exchange(one, two);
    });
    two.notes.receive(0, datagram);
    assert.deepEqual([texts(two), refusals(two)], [[], { replayed: 1 }]);
  });

  it('of nobody are counted by reason, and cost a link no more than a few authentications', () => {
    const { one, two } = pair();
    const forgery = forgedNote(one);
    Array.from({ length: 1000 }).forEach(() => {
      two.notes.receive(0, forgery);
    });
    assert.deepEqual(refusals(two), { 'bad-authentication': 8, 'too-many': 992 });

    // The other link does not suffer, and neither do later notes on this one.
    one.notes.write('through the other');
    one.beat();
    one.notesSent.splice(0).forEach(({ link, datagram }) => {
      two.notes.receive(link, datagram);
    });
    assert.deepEqual(texts(two), ['through the other']);
    one.notes.write('and again');
    two.beat();
    one.beat();
    two.notes.receive(0, one.notesSent[0]!.datagram);
    assert.deepEqual(texts(two), ['through the other', 'and again']);
  });

  it('of other pairs on the same group cost nothing, however many they are', () => {
    const { one, two } = pair();
    const core = pair(pairSettings({ pair: 'core' }));
    core.one.notes.write('not for you');
    core.one.beat();
    Array.from({ length: 100 }).forEach(() => {
      two.notes.receive(0, core.one.notesSent[0]!.datagram);
    });
    one.notes.write('for you');
    one.beat();
    two.notes.receive(0, one.notesSent[0]!.datagram);
    assert.deepEqual(texts(two), ['for you']);
    assert.deepEqual(refusals(two), { 'wrong-pair': 100 });
  });
});

/** A note with everything right but the key. */
function forgedNote({ heartbeats }: End): Uint8Array {
  const stranger = createKey(1, new Uint8Array(32).fill(8));
  const sent: Uint8Array[] = [];
  const notes = createNotes({
    settings: pairSettings().a,
    keys: { send: stranger, accept: [stranger] },
    heartbeats,
    transmit: (_, datagram) => sent.push(datagram),
    onNote: () => undefined,
  });
  notes.write('all is well');
  notes.send();
  return sent[0]!;
}
