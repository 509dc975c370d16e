import { type CommandReport } from '../api/contract.ts';
import { type ApiPorts } from '../api/ports.ts';
import { refused, served, type Served } from '../api/refusal.ts';
import { explainRefusal, remedyFor } from '../core/explain.ts';
import { type Result } from '../core/result.ts';
import { type Command, type CommandOutcome, type Settings } from '../core/state.ts';
import { type Status } from '../observe/status.ts';
import { type MaintenanceNote } from '../pulse/maintenance-file.ts';
import { type PulseLine } from './pulse-line.ts';

export interface OperatorOptions {
  readonly settings: Settings;
  readonly line: Pick<PulseLine, 'command'>;
  readonly status: () => Promise<Served<Status>>;
  readonly writeMaintenance: (note: MaintenanceNote) => Promise<Result<undefined, 'disk-failed'>>;
}

/** Carries the operator's words to the core and its answer back; what becomes of them the core decides. */
export function createOperator(options: OperatorOptions): Pick<ApiPorts, 'failover' | 'maintenance'> {
  const { settings, line } = options;
  const { nodeName, peerName } = settings;

  async function carryOut(
    command: Command,
    timeoutMs: number,
    messages: { readonly changed: string; readonly unchanged: string },
  ): Promise<Served<CommandReport>> {
    const startedMs = performance.now();
    const outcome = await line.command(command, timeoutMs);
    const tookMs = Math.round((performance.now() - startedMs) * 10) / 10;
    if (!outcome.ok) {
      return outcome.reason === 'too-many'
        ? refused(503, 'too-many', 'too many commands are under way', 'try again in a moment')
        : refused(
            504,
            'no-outcome',
            `there was no outcome within ${timeoutMs} ms; what was asked for may still happen`,
            'look at the status; asking again is harmless',
          );
    }
    if (!outcome.value.ok) {
      return refusedByCore(outcome.value);
    }
    const { isChanged } = outcome.value;
    const status = await options.status();
    return served({
      changed: isChanged,
      message: isChanged ? messages.changed : messages.unchanged,
      tookMs,
      status: status.ok ? status.value : null,
    });
  }

  function refusedByCore(outcome: Extract<CommandOutcome, { ok: false }>): Served<never> {
    return refused(
      409,
      outcome.reason,
      explainRefusal(outcome, settings),
      remedyFor(outcome.reason, settings),
    );
  }

  /** What was asked for is not so: the file says again what is. */
  async function restore(asked: boolean): Promise<void> {
    const status = await options.status();
    await options.writeMaintenance(noteOf(status.ok ? status.value.maintenance : !asked));
  }

  return {
    failover({ to, force, timeoutMs }) {
      if (to === nodeName) {
        return force
          ? Promise.resolve(
              refused(
                400,
                'force-not-here',
                `force is for the director that gives the addresses away, and that is not ${nodeName}`,
                `run it on ${peerName}: vipair failover --force`,
              ),
            )
          : carryOut({ kind: 'take-over' }, timeoutMs, holding(nodeName));
      }
      return to === undefined || to === peerName
        ? carryOut({ kind: 'failover', isForced: force }, timeoutMs, holding(peerName))
        : Promise.resolve(
            refused(
              400,
              'unknown-node',
              `there is no node ${to} in the pair ${settings.pair}`,
              `the nodes are ${nodeName} and ${peerName}`,
            ),
          );
    },
    maintenance: oneAtATime(async ({ on, force, timeoutMs }) => {
      // The file first: a maintenance that a restart forgets is worse than one that is refused.
      const written = await options.writeMaintenance(noteOf(on));
      if (!written.ok) {
        void restore(on);
        return refused(
          507,
          written.reason,
          `maintenance would not survive a restart: ${written.detail ?? written.reason}`,
          'see that the state directory can be written',
        );
      }
      const report = await carryOut({ kind: 'maintenance', isOn: on, isForced: force }, timeoutMs, {
        changed: `${nodeName} is ${on ? 'in maintenance' : 'out of maintenance'} now`,
        unchanged: `${nodeName} is ${on ? 'in maintenance already' : 'not in maintenance'}`,
      });
      // Without an outcome the operator's last word stands.
      if (!report.ok && report.refusal.reason !== 'no-outcome') {
        await restore(on);
      }
      return report;
    }),
  };
}

function holding(node: string): { readonly changed: string; readonly unchanged: string } {
  return { changed: `${node} holds the addresses now`, unchanged: `${node} already holds the addresses` };
}

function noteOf(isMaintenance: boolean): MaintenanceNote {
  return { isMaintenance, since: new Date().toISOString() };
}

/** What changes the same file and the same state waits for its turn. */
function oneAtATime<Argument, Value>(
  work: (argument: Argument) => Promise<Value>,
): (argument: Argument) => Promise<Value> {
  let last: Promise<unknown> = Promise.resolve();
  return (argument) => {
    const next = last.then(() => work(argument));
    last = next.catch(() => undefined);
    return next;
  };
}
