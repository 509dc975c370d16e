import { type Forwarding, type RealServer, type Tunnel, type TunnelChecksum } from '../core/table.ts';
import { type Options } from './ipvsadm-options.ts';
import { HIGHEST_PORT, HIGHEST_U32, readNumber, type Endpoint, type Problems } from './ipvsadm-values.ts';

const methodOptions = ['masquerading', 'gatewaying', 'ipip'] as const;
const tunnelOptions = ['tun-type', 'tun-port', 'tun-nocsum', 'tun-csum', 'tun-remcsum'] as const;

/** What can be said of a real server besides its address. */
export const serverOptions = [
  ...methodOptions,
  ...tunnelOptions,
  'weight',
  'u-threshold',
  'l-threshold',
] as const;

/** What is not said of a real server has the value that `ipvsadm` gives it. */
export function readServer(place: Required<Endpoint>, options: Options, problems: Problems): RealServer {
  return {
    ...place,
    forwarding: readForwarding(options, problems),
    weight: readNumber('weight', HIGHEST_WEIGHT, options, problems) ?? 1,
    upperThreshold: readNumber('u-threshold', HIGHEST_U32, options, problems) ?? 0,
    lowerThreshold: readNumber('l-threshold', HIGHEST_U32, options, problems) ?? 0,
  };
}

const HIGHEST_WEIGHT = 2 ** 31 - 1;

function readForwarding(options: Options, problems: Problems): Forwarding {
  if (methodOptions.filter((name) => options.has(name)).length > 1) {
    problems.push('more than one of -m, -g and -i');
  }
  if (options.has('ipip')) {
    return { method: 'tunnelling', tunnel: readTunnel(options, problems) };
  }
  problems.push(
    ...tunnelOptions.filter((name) => options.has(name)).map((name) => `--${name} goes with -i only`),
  );
  return { method: options.has('masquerading') ? 'masquerading' : 'direct' };
}

function readTunnel(options: Options, problems: Problems): Tunnel {
  const type = options.get('tun-type') ?? 'ipip';
  const [checksum = 'nocsum', ...others] = checksums.filter((name) => options.has(`tun-${name}`));
  const port = readNumber('tun-port', HIGHEST_PORT, options, problems);
  if (others.length > 0) {
    problems.push('more than one of --tun-nocsum, --tun-csum and --tun-remcsum');
  }
  if ((type === 'gue') !== (port !== undefined && port > 0)) {
    problems.push('--tun-port goes with --tun-type gue, and not without');
  }
  switch (type) {
    case 'gue':
      return { type, port: port ?? 0, checksum };
    case 'gre':
      if (checksum === 'remcsum') {
        problems.push('--tun-remcsum goes with --tun-type gue only');
        break;
      }
      return { type, checksum };
    case 'ipip':
      if (checksums.some((name) => options.has(`tun-${name}`))) {
        problems.push('checksums go with --tun-type gue or gre only');
      }
      break;
    default:
      problems.push(`--tun-type ${type} is none of ipip, gue and gre`);
  }
  return { type: 'ipip' };
}

const checksums: readonly TunnelChecksum[] = ['nocsum', 'csum', 'remcsum'];
