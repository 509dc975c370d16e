import { startDaemon } from '../lab/daemon.ts';
import { eventually, pause } from '../lab/eventually.ts';
import { type Host, type Lab } from '../lab/lab.ts';

export interface Packet {
  readonly sourceMac: string;
  readonly source: string;
  readonly destination: string;
}

export interface Capture {
  /** Waits until `atLeast` IPv4 packets were seen, ends it and returns all of them, in order. */
  stop(atLeast: number): Promise<readonly Packet[]>;
}

let count = 0;

/** tcpdump on an interface of a host; it listens when this returns. `filter` is in tcpdump's own words. */
export async function startCapture(lab: Lab, host: Host, device: string, filter: string): Promise<Capture> {
  count += 1;
  const argv = ['tcpdump', '-i', device, '-l', '-nn', '-q', '-e', '-t', '--immediate-mode', filter];
  const daemon = startDaemon(lab, host, argv, { name: `tcpdump-${count}` });
  await eventually(
    'tcpdump listens',
    async () => {
      if (daemon.log().includes('listening on')) {
        return true;
      }
      await pause(50);
      return undefined;
    },
    5000,
    () => daemon.log(),
  );
  return {
    stop: async (atLeast) => {
      const seen = () => daemon.log().split('\n').flatMap(parsePacket);
      await eventually(
        `tcpdump saw ${atLeast} packets`,
        async () => {
          await pause(50);
          return seen().length >= atLeast || undefined;
        },
        5000,
        () => `${seen().length} packets`,
      );
      await daemon.stop();
      return seen();
    },
  };
}

/** `0a:… > 0b:…, IPv4, length 66: 192.0.2.10.80 > 192.0.2.100.4711: tcp 0`; ports are left out. */
function parsePacket(line: string): Packet[] {
  const pattern = /^([0-9a-f:]{17}) > \S+ IPv4, length \d+: (\d+\.\d+\.\d+\.\d+)\S* > (\d+\.\d+\.\d+\.\d+)/;
  const [, sourceMac, source, destination] = pattern.exec(line) ?? [];
  return sourceMac === undefined || source === undefined || destination === undefined
    ? []
    : [{ sourceMac, source, destination }];
}
