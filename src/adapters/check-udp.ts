import { createSocket } from 'node:dgram';
import { type CheckResult, type CheckTarget, type UdpCheck } from '../core/check.ts';
import { attempt, failureOf, well } from './check-attempt.ts';
import { judge } from './check-expectation.ts';

/**
 * A datagram is sent from a connected socket, which is told of ICMP errors. Where no reply is required,
 * silence until the timeout is well, and any reply at once.
 */
export function checkUdp(check: UdpCheck, target: CheckTarget, signal: AbortSignal): Promise<CheckResult> {
  const { timeoutMs, requiresReply, expect, payload, sourceAddress } = check;
  const options = requiresReply ? { timeoutMs } : { timeoutMs, atTimeout: well };
  return attempt(options, signal, ({ settle, closing, isOver }) => {
    const socket = createSocket(target.address.includes(':') ? 'udp6' : 'udp4');
    closing(() => {
      socket.close();
    });
    socket.on('error', (error) => {
      settle(failureOf(error));
    });
    socket.on('message', (reply) => {
      settle((expect === undefined ? undefined : judge(reply.toString('utf8'), expect)) ?? well);
    });
    socket.on('connect', () => {
      socket.send(payload, (error) => {
        if (error !== null) {
          settle(failureOf(error));
        }
      });
    });
    socket.bind({ port: 0, ...(sourceAddress === undefined ? {} : { address: sourceAddress }) }, () => {
      if (!isOver()) {
        socket.connect(target.port, target.address);
      }
    });
  });
}
