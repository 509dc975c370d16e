import { type DrainReport } from '../api/contract.ts';
import { type ApiPorts } from '../api/ports.ts';
import { refused, served } from '../api/refusal.ts';
import { type LvsOptions } from '../config/lvs-settings.ts';
import { type DrainRefusal, isNewWord, stillDrained, understandDrain } from '../core/drain-request.ts';
import { type Drain } from '../core/drains.ts';
import { knowledgeOf } from '../core/lvs.ts';
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
    async drain({ server, service, on }) {
      if (runner === undefined || lvs.mode === 'observe') {
        return refused(
          409,
          'lvs-off',
          runner === undefined
            ? 'this director has nothing to do with virtual services'
            : 'this director only observes the virtual services',
          'see lvs.mode in the configuration',
        );
      }
      const { state } = await runner.snapshot();
      const { base } = state;
      const understood = understandDrain({ server, service, isOn: on }, base, policies, runner.drains());
      if (!understood.ok) {
        return refused(
          codes[understood.reason],
          understood.reason,
          understood.detail ?? understood.reason,
          remedies[understood.reason],
        );
      }
      const word = understood.value;
      const isChange = isNewWord(word, knowledgeOf(state));
      if (isChange) {
        runner.drain(word);
      }
      return served(reportOf(word, isChange, on ? [] : stillDrained(word, base, runner.drains())));
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
  still: readonly Drain[],
): DrainReport {
  const where = service === undefined ? '' : ` in ${service}`;
  const now = isOn ? 'takes no new connections' : 'may take new connections';
  const said = `${server} ${now}${where}${changed ? '' : ' already'}`;
  return { changed, message: still.length === 0 ? said : `${said}, but ${exceptionsOf(still)}` };
}

/** Each is ended by its own word. */
function exceptionsOf(still: readonly Drain[]): string {
  const names = still.map(
    ({ server, service }) => `${server}${service === undefined ? '' : ` in ${service}`}`,
  );
  const words = still.map(
    ({ server, service }) =>
      `vipair undrain ${server}${service === undefined ? '' : ` --service '${service}'`}`,
  );
  const [are, their, them] = still.length === 1 ? ['is', 'its', 'it'] : ['are', 'their', 'them'];
  return `${names.join(' and ')} ${are} drained by a word of ${their} own: ${words.join('; ')} ends ${them}`;
}
