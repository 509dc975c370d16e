#!/bin/sh
# Makes the checkout ready for `npm test`, `npm run demo` and `npm run bench`: Node's version, the locked
# npm packages, the Debian packages that tests and demo drive, the build. Says what it does and why.
# `--quiet` says only what it changes or misses.
set -eu
cd "$(dirname "$0")/.."

quiet=false
[ "${1:-}" = --quiet ] && quiet=true
say() { $quiet || printf 'prepare: %s\n' "$*"; }
tell() { printf 'prepare: %s\n' "$*"; }

# 1. Node. The compiler and the tests need 20.19.
if ! command -v node >/dev/null 2>&1; then
  tell "Node is not installed. Remedy: install Node 20.19 or newer (https://nodejs.org)." >&2
  exit 1
fi
if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
  tell "Node $(node -v) is too old: vipair needs 20.19 or newer. Remedy: https://nodejs.org" >&2
  exit 1
fi
say "Node $(node -v)"

# 2. npm packages, exactly as locked. npm writes node_modules/.package-lock.json last.
if [ ! -e node_modules/.package-lock.json ] || [ -n "$(find package-lock.json -newer node_modules/.package-lock.json)" ]; then
  tell "npm ci (the packages of package-lock.json)"
  npm ci --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
fi

# 3. Debian packages: the program that shows that it is there, its package, what it is for.
wanted='ip iproute2 network namespaces, addresses, links
ping iputils-ping probes by hand, and node-arp
arping iputils-arping announcements where system calls are not available
arp net-tools node-arp, which reads the ARP table for vipair arp
ipvsadm ipvsadm the IPVS table as the real program tells it
nft nftables cutting cables in the lab; the gate by hand
arptables arptables keeping a real server silent by arptables
shellcheck shellcheck reading the script of the real servers
tcpdump tcpdump looking at the wire in tests
openssl openssl certificates for the checks by https
redis-server redis-server a real server that the redis check asks
promtool prometheus checks metrics and alert rules
keepalived keepalived the rival of the benchmark'

missing=
while read -r program package purpose; do
  if ! PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null 2>&1; then
    tell "missing: $program, of the Debian package $package ($purpose)"
    missing="$missing $package"
  fi
done <<EOF
$wanted
EOF

if [ -z "$missing" ]; then
  say "Debian packages are all there"
elif ! command -v apt-get >/dev/null 2>&1; then
  tell "no apt-get here: install the programs above by hand. Tests that need them say so and skip."
elif [ "$(id -u)" != 0 ]; then
  tell "not root. Remedy: sudo apt-get install --no-install-recommends$missing. Tests that need them say so and skip."
else
  tell "apt-get install --no-install-recommends$missing"
  # Some of these bring a service. It must not run: policy-rc.d is Debian's way to say so while installing.
  guard=
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    guard=/usr/sbin/policy-rc.d
    trap 'rm -f "$guard"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
  fi
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # a list of words
  if ! { apt-get install -qq -y --no-install-recommends $missing >/dev/null 2>&1 ||
    { apt-get update -qq >/dev/null && apt-get install -qq -y --no-install-recommends $missing >/dev/null; }; }; then
    tell "apt-get could not install them. Tests that need them say so and skip."
  elif [ -n "$guard" ] && [ -d /run/systemd/system ]; then
    # Installed is enough: none of them shall start with the next boot, either.
    for service in prometheus prometheus-node-exporter keepalived redis-server; do
      case " $missing " in *" $service "*) systemctl disable -q "$service" 2>/dev/null || true ;; esac
    done
  fi
  [ -z "$guard" ] || rm -f "$guard"
fi

# 4. The build.
node_modules/.bin/tsc
say "built dist/"
