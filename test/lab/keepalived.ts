import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDaemon, type Daemon } from './daemon.ts';
import { privateFloating, publicFloating, type Host, type Lab, type Router } from './lab.ts';

/**
 * The rival: a public and a private VRRPv3 instance in one sync group, priorities 150 and 100, all else as
 * keepalived has it by default. `advertSeconds` is its `advert_int`.
 */
export function startKeepalived(lab: Lab, router: Router, advertSeconds: number): Daemon {
  const base = join(lab.directory, `keepalived-${router}`);
  // After SIGKILL its own pid files name zombies, which it takes for a daemon that runs.
  rmSync(`${base}.pid`, { force: true });
  rmSync(`${base}-vrrp.pid`, { force: true });
  writeFileSync(`${base}.conf`, keepalivedConfiguration(router, advertSeconds));
  return startDaemon(
    lab,
    router,
    // Without an own pid file each, the second one thinks the first one is itself.
    ['keepalived', '-P', '-n', '-l', '-f', `${base}.conf`, '-p', `${base}.pid`, '-r', `${base}-vrrp.pid`],
    { name: `keepalived-${router}` },
  );
}

function keepalivedConfiguration(router: Router, advertSeconds: number): string {
  const instance = (name: string, device: string, id: number, address: string) => `
vrrp_instance ${name} {
  state BACKUP
  interface ${device}
  virtual_router_id ${id}
  priority ${router === 'lvs1' ? 150 : 100}
  advert_int ${advertSeconds}
  virtual_ipaddress {
    ${address}/32 dev ${device}
  }
}
`;
  return `
global_defs {
  router_id ${router}
  vrrp_version 3
}
vrrp_sync_group pair {
  group {
    public
    private
  }
}
${instance('public', 'eth0', 51, publicFloating)}
${instance('private', 'eth1', 52, privateFloating)}
`;
}

/**
 * Its checkers alone, with an IPVS table in that namespace: connects every 2 s, as vipair's usual check does, and
 * quiesces the real server when `retry` is used up. Measured: that is one failure, where vipair asks for two.
 */
export function startKeepalivedChecker(
  lab: Lab,
  host: Host,
  { address, port }: { readonly address: string; readonly port: number },
): Daemon {
  const base = join(lab.directory, 'keepalived-checker');
  writeFileSync(
    `${base}.conf`,
    `virtual_server 192.0.2.200 ${port} {
  delay_loop 2
  lb_algo rr
  lb_kind NAT
  protocol TCP
  real_server ${address} ${port} {
    weight 1
    inhibit_on_failure
    TCP_CHECK {
      connect_timeout 1
      retry 1
      delay_before_retry 2
    }
  }
}
`,
  );
  return startDaemon(
    lab,
    host,
    ['keepalived', '-C', '-n', '-l', '-f', `${base}.conf`, '-p', `${base}.pid`, '-c', `${base}-check.pid`],
    { name: 'keepalived-checker' },
  );
}
