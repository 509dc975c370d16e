import { type DrainReport } from '../api/contract.ts';
import { type ApiPorts } from '../api/ports.ts';
import { refused, served } from '../api/refusal.ts';
import { type LvsOptions } from '../config/lvs-settings.ts';
import { type DrainRefusal, understandDrain } from '../core/drain-request.ts';
import { drainKey } from '../core/drains.ts';
import { type Services, servicesView } from '../observe/services.ts';
import { type ServicesRunner } from './services.ts';

/** Shows the virtual services and takes the operator's words about their real servers. */
export function createLvsOperator(
  lvs: LvsOptions,
  runner: ServicesRunner | undefined,
): Pick<ApiPorts, 'services' | 'drain'> {
  const { policies } = lvs.settings;
  return {
    async services() {
      return served(
        runner === undefined ? noServices : servicesView(await runner.snapshot(), lvs.mode, lvs.settings),
      );
    },
    drain({ server, service, on }) {
      if (runner === undefined) {
        return Promise.resolve(
          refused(
            409,
            'lvs-off',
            'this director has nothing to do with virtual services',
            'see lvs.mode in the configuration',
          ),
        );
      }
      const understood = understandDrain({ server, service, isOn: on }, runner.base(), policies);
      if (!understood.ok) {
        return Promise.resolve(
          refused(
            codes[understood.reason],
            understood.reason,
            understood.detail ?? understood.reason,
            remedies[understood.reason],
          ),
        );
      }
      const word = understood.value;
      const wasOn = runner.drains().find((drain) => drainKey(drain) === drainKey(word))?.isOn ?? false;
      if (wasOn !== on) {
        runner.drain(word);
      }
      return Promise.resolve(served(reportOf(word, wasOn !== on)));
    },
  };
}

const noServices: Services = {
  mode: 'off',
  services: [],
  problem: null,
  counts: { changes: 0, failures: 0, drifts: 0 },
  totals: null,
};

const codes: Readonly<Record<DrainRefusal, number>> = {
  'not-a-server': 400,
  'unknown-service': 404,
  'unknown-server': 404,
};

const remedies: Readonly<Record<DrainRefusal, string>> = {
  'not-a-server': 'write 10.99.0.11:80, [2001:db8::11]:80, or an address alone for all its ports',
  'unknown-service': 'see vipair services',
  'unknown-server': 'see vipair services',
};

function reportOf(
  {
    server,
    service,
    isOn,
  }: { readonly server: string; readonly service: string | undefined; readonly isOn: boolean },
  changed: boolean,
): DrainReport {
  const where = service === undefined ? '' : ` in ${service}`;
  const now = isOn ? 'takes no new connections' : 'may take new connections';
  return { changed, message: `${server} ${now}${where}${changed ? '' : ' already'}` };
}
