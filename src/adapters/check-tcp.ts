import { connect } from 'node:net';
import { type CheckResult, type CheckTarget, type TcpCheck } from '../core/check.ts';
import { attempt, failureOf, well } from './check-attempt.ts';

/**
 * A connection is accepted. It is ended by a reset: ten thousand real servers asked every second and
 * parted from in peace would leave more than half a million connections in TIME_WAIT on this director.
 */
export function checkTcp(check: TcpCheck, target: CheckTarget, signal: AbortSignal): Promise<CheckResult> {
  return attempt(check, signal, ({ settle, closing }) => {
    const { sourceAddress } = check;
    const socket = connect({
      host: target.address,
      port: target.port,
      autoSelectFamily: false,
      ...(sourceAddress === undefined ? {} : { localAddress: sourceAddress }),
    });
    closing(() => {
      if (socket.connecting) {
        socket.destroy();
      } else {
        socket.resetAndDestroy();
      }
    });
    socket.on('error', (error) => {
      settle(failureOf(error));
    });
    socket.once('connect', () => {
      settle(well);
    });
  });
}
