import { USUAL_TIMING } from '../core/check.ts';
import { type LvsMode, type LvsSettings } from '../core/lvs.ts';
import { type Policy } from '../core/pool.ts';
import { type Config } from './schema.ts';

/** What the director process needs for the virtual services. */
export interface LvsOptions {
  readonly mode: LvsMode | 'off';
  /** Its mode is `observe` where there is nothing to do. */
  readonly settings: LvsSettings;
}

export function lvsFrom(config: Config): LvsOptions {
  const { mode } = config.lvs;
  const policy = (kind: 'tcp' | 'icmp'): Policy => ({
    name: undefined,
    check:
      kind === 'tcp'
        ? { kind, ...USUAL_TIMING, port: undefined, sourceAddress: undefined }
        : { kind, ...USUAL_TIMING, sourceAddress: undefined },
    onFailure: 'quiesce',
    quorum: 1,
    hysteresis: 0,
    sorry: undefined,
  });
  return {
    mode,
    settings: {
      mode: mode === 'off' ? 'observe' : mode,
      table: [],
      policies: { services: [], stream: policy('tcp'), datagram: policy('icmp'), mark: policy('icmp') },
    },
  };
}
