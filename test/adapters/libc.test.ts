import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { describeErrno, KERNEL_VARIABLE, openLibc, type Libc } from '../../src/adapters/libc.ts';
import { NETLINK_ROUTE, openNetlink } from '../../src/adapters/netlink.ts';
import { dumpAddresses, parseAddressNotice } from '../../src/wire/addresses.ts';
import { getLink, parseLink } from '../../src/wire/links.ts';
import { formatAddress } from '../../src/core/address.ts';

function libcHere(context: Mocha.Context): Libc {
  const libc = openLibc();
  if (!libc.ok) {
    console.log(`      skipped: ${libc.detail ?? libc.reason}. Remedy: npm ci without --omit=optional`);
    return context.skip();
  }
  return libc.value;
}

describe('system calls', () => {
  it('return the negated errno', function () {
    const libc = libcHere(this);
    assert.equal(libc.interfaceIndex('lo'), 1);
    assert.equal(libc.interfaceIndex('nope'), -constants.errno.ENODEV);
    assert.equal(libc.close(987654), -constants.errno.EBADF);
    assert.equal(libc.socket(9999, 3, 0), -constants.errno.EAFNOSUPPORT);
  });

  it('never wait for a datagram', function () {
    const libc = libcHere(this);
    const descriptor = libc.socket(2, 2, 0);
    assert.ok(descriptor > 0);
    assert.equal(libc.recv(descriptor, Buffer.alloc(10)), -constants.errno.EAGAIN);
    assert.equal(libc.recvfrom(descriptor, Buffer.alloc(10), Buffer.alloc(16)), -constants.errno.EAGAIN);
    assert.equal(libc.pollReadable(descriptor, 0), 0);
    assert.equal(libc.close(descriptor), 0);
  });

  it('are not made from here when commands are demanded', () => {
    const before = process.env[KERNEL_VARIABLE];
    process.env[KERNEL_VARIABLE] = 'commands';
    try {
      assert.deepEqual(openLibc(), {
        ok: false,
        reason: 'koffi-unavailable',
        detail: 'VIPAIR_KERNEL=commands is set',
      });
    } finally {
      if (before === undefined) {
        // eslint-disable-next-line @typescript-eslint/no-dynamic-delete
        delete process.env[KERNEL_VARIABLE];
      } else {
        process.env[KERNEL_VARIABLE] = before;
      }
    }
  });

  it('have errnos with names', () => {
    assert.equal(describeErrno(1), 'EPERM: operation not permitted');
    assert.equal(describeErrno(19), 'ENODEV: no such device');
    assert.equal(describeErrno(constants.errno.ENODATA), 'ENODATA: no data available');
    assert.equal(describeErrno(9999), 'errno 9999');
  });
});

describe('netlink sockets', () => {
  it('dump, answer, refuse and acknowledge without permission to change anything', function () {
    const opened = openNetlink(libcHere(this), { protocol: NETLINK_ROUTE, groups: [1] });
    assert.ok(opened.ok);
    using socket = opened.value;

    const dump = socket.ask(dumpAddresses());
    assert.ok(dump.ok);
    const addresses = dump.value.map(parseAddressNotice).map((notice) => {
      assert.ok(notice.ok);
      return formatAddress(notice.value.address);
    });
    assert.ok(addresses.includes('127.0.0.1'));

    const [loopback, nothing] = [socket.ask(getLink('lo')), socket.ask(getLink('nope'))];
    assert.ok(loopback.ok);
    assert.equal(loopback.value.length, 1);
    const link = parseLink(loopback.value[0]!);
    assert.ok(link.ok);
    assert.equal(link.value.index, 1);
    assert.deepEqual([nothing.ok, !nothing.ok && nothing.errno], [false, constants.errno.ENODEV]);

    assert.deepEqual(socket.transact([]), { ok: true, value: [] });
    assert.deepEqual(socket.transact([getLink('nope'), getLink('lo'), getLink('nada')]), {
      ok: true,
      value: [constants.errno.ENODEV, undefined, constants.errno.ENODEV],
    });
    assert.deepEqual(socket.poll(), { messages: [], isOverrun: false });
  });

  it('are refused with the errno in words', function () {
    const refused = openNetlink(libcHere(this), { protocol: 9999 });
    assert.equal(refused.ok, false);
    assert.match(refused.detail ?? '', /EPROTONOSUPPORT/);
  });
});
