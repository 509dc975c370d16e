import { startDaemon } from '../lab/daemon.ts';
import { eventually, pause } from '../lab/eventually.ts';
import { openLab, type Lab } from '../lab/lab.ts';
import { configurePair, startVipair, untilOwner } from '../lab/vipair.ts';

/** A pair that is left alone, and how regularly its active one is heard. */
export interface Beating extends Disposable {
  /** Times between two heartbeats on the public wire, over so long. */
  gapsMs(forMs: number): Promise<readonly number[]>;
}

/** `balanced`, so one heartbeat in 50 ms. The times are the kernel's own. */
export async function startBeating(): Promise<Beating> {
  const lab = openLab();
  try {
    configurePair(lab, {});
    startVipair(lab, 'lvs1');
    startVipair(lab, 'lvs2');
    await untilOwner(lab, 'lvs1');
    const heard = await listen(lab);
    return {
      gapsMs: async (forMs) => {
        const from = heard().length;
        await pause(forMs);
        const times = heard().slice(from);
        return times.slice(1).map((atMs, at) => atMs - (times[at] ?? atMs));
      },
      [Symbol.dispose]: () => {
        lab.remove();
      },
    };
  } catch (error) {
    lab.remove();
    throw error;
  }
}

/** When each heartbeat of the active one passed its port of the public switch, in ms. */
async function listen(lab: Lab): Promise<() => readonly number[]> {
  const words = ['tcpdump', '-i', 'lvs1-pub', '-Q', 'in', '-l', '-nn', '-tt', 'udp', 'port', '3694'];
  const tcpdump = startDaemon(lab, 'switch', words, { name: 'tcpdump' });
  const heard = () => [...tcpdump.log().matchAll(/^(\d+\.\d+) IP/gm)].map(([, time]) => 1000 * Number(time));
  await eventually('heartbeats are heard', async () => {
    await pause(50);
    return heard().length > 0 || undefined;
  });
  return heard;
}
