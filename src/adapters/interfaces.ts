import { type AddressPrefix } from '../core/address.ts';
import { ok, type Result } from '../core/result.ts';
import { dumpAddresses, parseAddressNotice } from '../wire/addresses.ts';
import { getLink, parseLink, type InterfaceState } from '../wire/links.ts';
import { openLibc, type LibcReason } from './libc.ts';
import { NETLINK_ROUTE, openNetlink, type NetlinkReason } from './netlink.ts';

/** What is asked of interfaces, each time of the kernel: they come, go and change. */
export interface Interfaces extends Disposable {
  /** Undefined when there is no interface of that name. */
  read(name: string): InterfaceState | undefined;
  /** Up, cable in, the other end speaks. Some 10 µs, so that every tick may ask. False without the interface. */
  carrierOf(name: string): boolean;
  /** All addresses of the interface in the kernel's order, floating ones included. */
  addressesOf(name: string): readonly AddressPrefix[];
}

/**
 * By netlink and not from /sys/class/net: that costs 38 µs a look, and shows another network namespace's
 * interfaces to a process that was moved without its own mount of /sys.
 */
export function openInterfaces(): Result<Interfaces, LibcReason | NetlinkReason> {
  const libc = openLibc();
  if (!libc.ok) {
    return libc;
  }
  const opened = openNetlink(libc.value, { protocol: NETLINK_ROUTE });
  if (!opened.ok) {
    return opened;
  }
  const socket = opened.value;

  const read = (name: string): InterfaceState | undefined => {
    const answer = socket.ask(getLink(name));
    const [message] = answer.ok ? answer.value : [];
    const link = message === undefined ? undefined : parseLink(message);
    return link?.ok === true ? link.value : undefined;
  };

  return ok({
    read,
    carrierOf: (name) => read(name)?.carrier ?? false,
    addressesOf: (name) => {
      const index = read(name)?.index;
      const answer = socket.ask(dumpAddresses());
      return (answer.ok ? answer.value : [])
        .map(parseAddressNotice)
        .filter((notice) => notice.ok)
        .map((notice) => notice.value)
        .filter((notice) => notice.interfaceIndex === index);
    },
    [Symbol.dispose]: () => {
      socket[Symbol.dispose]();
    },
  });
}
