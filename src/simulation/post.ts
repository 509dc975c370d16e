/** Heartbeats on their way: links lose, delay and repeat them, and an eavesdropper keeps some to send them again. */
import { type Settings } from '../core/state.ts';
import { type Heartbeat } from '../wire/heartbeat.ts';
import { type Network, type NodeName, otherNode } from './network.ts';
import { type Random } from './random.ts';
import { type Schedule } from './schedule.ts';

export interface Post {
  /** A copy of the heartbeat by each link. */
  send(from: NodeName, heartbeat: Heartbeat): void;
  /** Sends a datagram again that was sent on a link before: `age` 0..1 says which. */
  replay(to: NodeName, onLink: number, age: number): void;
}

export interface PostOptions {
  readonly settings: Readonly<Record<NodeName, Settings>>;
  readonly network: Network;
  readonly schedule: Schedule;
  readonly random: Random;
  readonly nowMs: () => number;
  readonly deliver: (to: NodeName, link: number, heartbeat: Heartbeat) => void;
}

const mostRecorded = 400;
const recordedOneIn = 7;

export function createPost({ settings, network, schedule, random, nowMs, deliver }: PostOptions): Post {
  const recorded: Readonly<Record<NodeName, Heartbeat[]>> = { a: [], b: [] };
  return {
    send(from, heartbeat) {
      if (heartbeat.sequence % recordedOneIn === 0 && recorded[from].length < mostRecorded) {
        recorded[from].push(heartbeat);
      }
      for (const [link, { interfaceName }] of settings[from].links.entries()) {
        const { cut, loss, duplication, delayMs, jitterMs } = network.wire(from, link);
        if (cut || !network.meets(from, interfaceName) || (loss > 0 && random.chance(loss))) {
          continue;
        }
        const copies = duplication > 0 && random.chance(duplication) ? 2 : 1;
        for (let copy = 0; copy < copies; copy += 1) {
          schedule.at(nowMs() + delayMs + (jitterMs > 0 ? random.between(0, jitterMs) : 0), () => {
            if (!network.wire(from, link).cut) {
              deliver(otherNode(from), link, { ...heartbeat, link });
            }
          });
        }
      }
    },
    replay(to, onLink, age) {
      const kept = recorded[otherNode(to)];
      const heartbeat = kept[Math.floor(age * kept.length)];
      if (heartbeat !== undefined) {
        deliver(to, onLink, { ...heartbeat, link: onLink });
      }
    },
  };
}
