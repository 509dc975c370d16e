#!/bin/sh
# vipair-realserver.sh: the real server's side of LVS direct routing and tunnelling.
# One file, plain sh; needs `ip` of iproute2. Copy it to a real server, run it there. `--help` says how.
#
# Theory of operation. With direct routing a real server takes packets that are addressed to the floating
# address, so it must have that address; yet only the director may answer ARP for it, or the router in front
# sends everything to whichever answered first. So the address goes on `lo`, alone (/32), and the server is
# made silent about it:
#
#   incoming   IPv4: Linux answers for every address it has, on any interface. arp_ignore 1 ends that, for
#              all addresses of the host; arptables and nftables drop what asks for these addresses only.
#              IPv6: Linux answers on an interface only for addresses of that interface. On lo it is silent.
#   outgoing   IPv4: when the server looks for a neighbour in order to reply to a client, it asks in the
#              name of the floating address, and everybody learns that. arp_announce 2 ends that.
#              Filters set it too, rather than rewriting the sender to the server's own address: that
#              address is not yet known when rules must be there, which is before the network is up.
#              IPv6: it asks in the name of an address of the interface.
#
# Silence comes before the address and goes after it. The kernel uses the larger of conf/all and
# conf/<interface>, so conf/all is enough, also for interfaces that come later.
#
# What was changed is noted in /run/vipair-realserver/made, one thing a line, with what was there before;
# `undo` takes back exactly that. No path, address or name gets into a command without having been checked.
set -uf
umask 022
LC_ALL=C
PATH="$PATH:/usr/sbin:/sbin"
export LC_ALL PATH

SELF=vipair-realserver
MARK='Written by vipair-realserver.sh persist.'
CHAIN_IN=vipair-in
CHAIN_OUT=vipair-out
TABLE=vipair_realserver
LIBRARY=/usr/local/lib/vipair
INSTALLED=$LIBRARY/realserver.sh
UNIT=/etc/systemd/system/vipair-realserver.service
WANTS=/etc/systemd/system/sysinit.target.wants
HOOK=/etc/network/if-pre-up.d/vipair-realserver

usage() {
  cat <<'EOF'
vipair-realserver.sh: makes this host a real server for LVS direct routing or tunnelling.

Usage: sh vipair-realserver.sh COMMAND [OPTION...]

  print      show the commands that apply would run on a host where nothing is done yet; changes nothing
  apply      put the floating addresses on this host and keep it from answering ARP for them; what an
             earlier apply made and this one does not name is taken back
  persist    make that so at every boot, before the network is up: by a systemd unit, or where there is no
             systemd by a hook of ifupdown. Does not touch the running system
  verify     look whether it is so, now; changes nothing
  undo       take back what apply and persist made, and nothing else

  --address A      a floating address that clients use, IPv4 or IPv6; may be given again. Name all of them
  --method M       how the host is kept silent: sysctl (default), arptables or nftables
  --interface I    where the addresses go (default: lo)
  --tunnel         for tunnelling: the addresses go on tunl0, which unpacks IP in IP
  --gateway G      verify: the default route must lead to G, for NAT the private floating address
  --root DIR       the files of persist and the notes of apply are below DIR (an image, a test)
  --help

Methods: sysctl sets arp_ignore 1, which holds for all addresses of the host: each is then answered for only
on its own interface. arptables and nftables concern the floating addresses alone.

persist writes /usr/local/lib/vipair/realserver.sh (a copy of this file), and either
/etc/systemd/system/vipair-realserver.service with its link in sysinit.target.wants, or
/etc/network/if-pre-up.d/vipair-realserver.

Exit codes:
  0    done, or already so; verify: all is as it should be
  1    it failed; verify: something is not as it should be
  64   the command line is wrong
  77   a privilege is missing

Examples:
  sh vipair-realserver.sh apply --address 192.0.2.10
  sh vipair-realserver.sh persist --address 192.0.2.10 --method nftables
  sh vipair-realserver.sh verify --address 192.0.2.10
  sh vipair-realserver.sh verify --gateway 10.99.0.1
EOF
}

main() {
  if [ $# -eq 0 ]; then
    refuse "no command given" "name one: print, apply, persist, verify or undo; --help explains them"
  fi
  COMMAND=$1
  shift
  case $COMMAND in
    print | apply | persist | verify | undo) ;;
    -h | --help | help)
      usage
      exit 0
      ;;
    *) refuse "unknown command: $COMMAND" "print, apply, persist, verify or undo; --help explains them" ;;
  esac
  read_options "$@"
  case $COMMAND in
    print) print_commands ;;
    apply) apply ;;
    persist) persist ;;
    verify) verify ;;
    undo) undo ;;
  esac
}

# --- the command line ------------------------------------------------------------------------------------

read_options() {
  ADDRESSES4='' ADDRESSES6='' COUNT=0 METHOD='' INTERFACE='' IS_TUNNEL=false GATEWAY='' ROOT=''
  while [ $# -gt 0 ]; do
    case $1 in
      --address | --method | --interface | --gateway | --root)
        [ $# -ge 2 ] || refuse "$1 has no value" "give it one; --help shows which"
        read_option "$1" "$2"
        shift 2
        ;;
      --address=* | --method=* | --interface=* | --gateway=* | --root=*)
        read_option "${1%%=*}" "${1#*=}"
        shift
        ;;
      --tunnel)
        IS_TUNNEL=true
        shift
        ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) refuse "unknown option: $1" "--help lists the options" ;;
    esac
  done
  check_options
}

read_option() {
  case $1 in
    --address)
      COUNT=$((COUNT + 1))
      [ "$COUNT" -le 64 ] || refuse "more than 64 addresses" "name at most 64"
      if is_ipv4 "$2"; then
        ADDRESSES4="$ADDRESSES4 $2"
      elif is_ipv6 "$2"; then
        ADDRESSES6="$ADDRESSES6 $2"
      else
        refuse "--address $2 is not an address that a host can have for others" \
          "an IPv4 address as 192.0.2.10 or an IPv6 address as 2001:db8::10, without a prefix length"
      fi
      ;;
    --method)
      case $2 in
        sysctl | arptables | nftables) METHOD=$2 ;;
        *) refuse "--method $2 is none" "sysctl, arptables or nftables" ;;
      esac
      ;;
    --interface)
      is_interface "$2" || refuse "--interface $2 is not a name of an interface" "for instance lo or dummy0"
      INTERFACE=$2
      ;;
    --gateway)
      is_ipv4 "$2" || is_ipv6 "$2" ||
        refuse "--gateway $2 is not an address" "the private floating address of the directors, as 10.99.0.1"
      GATEWAY=$2
      ;;
    --root)
      case $2 in
        /*) ;;
        *) refuse "--root $2 is not an absolute path" "begin it with /" ;;
      esac
      [ -d "$2" ] || refuse "--root $2 is not a directory" "make it first"
      ROOT=${2%/}
      ;;
  esac
}

check_options() {
  if [ "$COMMAND" = undo ]; then
    if [ -n "$ADDRESSES4$ADDRESSES6$METHOD$INTERFACE$GATEWAY" ] || $IS_TUNNEL; then
      refuse "undo takes back all that was made, so it has no option but --root" \
        "to take one address away, apply again with the others"
    fi
    return
  fi
  [ -z "$GATEWAY" ] || [ "$COMMAND" = verify ] ||
    refuse "--gateway belongs to verify, not to $COMMAND" "set the route where this host's network is configured"
  if [ -z "$ADDRESSES4$ADDRESSES6" ] && { [ "$COMMAND" != verify ] || [ -z "$GATEWAY" ]; }; then
    refuse "no address given" "name the floating address that clients use: $COMMAND --address 192.0.2.10"
  fi
  if $IS_TUNNEL; then
    [ -z "$INTERFACE" ] || refuse "--tunnel and --interface exclude each other" "the addresses go on tunl0"
    [ -z "$ADDRESSES6" ] || refuse "--tunnel is for IPv4, and$ADDRESSES6 is IPv6" "use direct routing for IPv6"
    INTERFACE=tunl0
  fi
  INTERFACE=${INTERFACE:-lo}
}

is_ipv4() {
  case $1 in '' | *[!0-9.]* | .* | *. | *..*) return 1 ;; esac
  old_ifs=$IFS
  IFS=.
  # shellcheck disable=SC2086 # split at the dots
  set -- $1
  IFS=$old_ifs
  [ $# -eq 4 ] || return 1
  for octet in "$@"; do
    case $octet in 0?* | ????*) return 1 ;; esac
    [ "$octet" -le 255 ] || return 1
  done
  # Neither "this network" nor loopback, multicast or broadcast.
  [ "$1" -ne 0 ] && [ "$1" -ne 127 ] && [ "$1" -lt 224 ]
}

# A global or unique local address: it begins with a group that is neither 0 nor multicast nor link-local.
is_ipv6() {
  case $1 in
    *[!0-9a-fA-F:]* | :* | *[!:]: | *:::* | *::*::* | 0* | [fF][fF]*) return 1 ;;
    [fF][eE][89aAbB]?:*) return 1 ;;
    *:*) ;;
    *) return 1 ;;
  esac
  case $1 in *::*) most=7 least=1 ;; *) most=8 least=8 ;; esac
  old_ifs=$IFS
  IFS=:
  # shellcheck disable=SC2086 # split at the colons
  set -- $1
  IFS=$old_ifs
  groups=0
  for group in "$@"; do
    case $group in
      '') ;;
      ?????*) return 1 ;;
      *) groups=$((groups + 1)) ;;
    esac
  done
  [ "$groups" -le "$most" ] && [ "$groups" -ge "$least" ]
}

# It becomes part of a path below /proc/sys.
is_interface() {
  case $1 in '' | . | .. | all | default | -* | *[!A-Za-z0-9._-]* | ????????????????*) return 1 ;; esac
}

# --- what apply does -------------------------------------------------------------------------------------

# Every change is made, or with IS_DRY shown, by these. Each begins with what it is for.

make_silent() {
  case ${METHOD:=sysctl} in
    sysctl) want_sysctl net/ipv4/conf/all/arp_ignore 1 '1 2 8' ;;
    arptables) make_arptables ;;
    nftables) make_nftables ;;
  esac
  want_sysctl net/ipv4/conf/all/arp_announce 2 2
}

make_tunnel() {
  if ! $IS_DRY && ! interface_exists tunl0; then
    why=$(modprobe ipip 2>&1) || true
    interface_exists tunl0 ||
      give_up "cannot bring up tunl0: this kernel has no IP in IP${why:+ ($why)}" \
        "load its module ipip, in a container on the host; or use direct routing"
  fi
  $IS_DRY && show modprobe ipip
  # What is unpacked comes from clients, but in by tunl0: the strict filter would drop it. 2 is the loose one,
  # and as it is the larger it also wins over conf/all.
  want_sysctl net/ipv4/conf/tunl0/rp_filter 2 2
  if $IS_DRY || ! interface_is tunl0 UP; then
    change "cannot bring up tunl0" ip link set dev tunl0 up
    remember "up tunl0"
  fi
  want "up tunl0"
}

# want_sysctl NAME VALUE GOOD: sets it unless it is one of the good values.
want_sysctl() {
  want "sysctl $1"
  if $IS_DRY; then
    printf 'echo %s > /proc/sys/%s\n' "$2" "$1"
    return
  fi
  before=$(cat "/proc/sys/$1" 2>&1) ||
    give_up "cannot read /proc/sys/$1: $before" "is this Linux, with /proc, and the interface there?"
  case " $3 " in *" $before "*) return ;; esac
  write_sysctl "$1" "$2"
  remember "sysctl $1 $before $2"
}

write_sysctl() {
  why=$({ printf '%s\n' "$2" >"/proc/sys/$1"; } 2>&1) ||
    give_up "cannot set /proc/sys/$1 to $2: ${why##*: }" \
      "in a container set it on the host, or use --method nftables"
}

# Rules stand in chains of their own. Added one by one, so that no moment is without those that are there.
make_arptables() {
  want arptables
  if ! $IS_DRY; then
    have arptables arptables
    list=$(arptables -n -L 2>&1) ||
      give_up "cannot read the rules of arptables: $(first_line "$list")" "use --method nftables or --method sysctl"
    rules=$(arptables_rules)
    remember arptables
  fi
  for chain in "$CHAIN_IN" "$CHAIN_OUT"; do
    case $chain in "$CHAIN_IN") hook=INPUT side=-d ;; *) hook=OUTPUT side=-s ;; esac
    if $IS_DRY || ! has_rule "$chain"; then
      change "cannot make the chain $chain" arptables -N "$chain"
    fi
    for address in $ADDRESSES4; do
      if $IS_DRY || ! has_rule "$chain -j DROP $side $address"; then
        change "cannot add a rule for $address" arptables -A "$chain" "$side" "$address" -j DROP
      fi
    done
    if $IS_DRY || ! has_rule "$hook -j $chain"; then
      change "cannot call $chain from $hook" arptables -A "$hook" -j "$chain"
    fi
  done
  $IS_DRY || drop_other_rules
}

# Of addresses that this apply does not name.
drop_other_rules() {
  while read -r chain _ _ side address; do
    case $chain in "$CHAIN_IN" | "$CHAIN_OUT") ;; *) continue ;; esac
    case " $ADDRESSES4 " in *" $address "*) continue ;; esac
    is_ipv4 "$address" || continue
    change "cannot remove a rule for $address" arptables -D "$chain" "$side" "$address" -j DROP
  done <<EOF
$rules
EOF
}

# The list as lines: each chain alone, as `vipair-in`, and each rule after its chain, as
# `vipair-in -j DROP -d 192.0.2.10`. Legacy arptables and that of nftables list alike.
arptables_rules() {
  arptables -n -L 2>/dev/null | while read -r word name rest; do
    case $word in
      '') ;;
      Chain)
        chain=$name
        printf '%s\n' "$chain"
        ;;
      *) printf '%s\n' "${chain-} $word $name${rest:+ $rest}" ;;
    esac
  done
}

has_rule() {
  case "
$rules
" in *"
$1
"*) return 0 ;; esac
  return 1
}

# The table is exchanged as a whole: one transaction, no moment without it.
make_nftables() {
  want nftables
  if $IS_DRY; then
    printf 'nft -f - <<EOF\n%s\nEOF\n' "$(nftables_text)"
    return
  fi
  have nft nftables
  remember nftables
  why=$(nftables_text | nft -f - 2>&1) ||
    give_up "cannot load the nftables table arp $TABLE: $(first_line "$why")" \
      "use --method sysctl, or a kernel with nftables' arp family"
}

nftables_text() {
  cat <<EOF
table arp $TABLE
delete table arp $TABLE
table arp $TABLE {
  set addresses {
    type ipv4_addr
    elements = { $(comma_list "$ADDRESSES4") }
  }
  chain incoming {
    type filter hook input priority 0; policy accept;
    arp daddr ip @addresses drop
  }
  chain outgoing {
    type filter hook output priority 0; policy accept;
    arp saddr ip @addresses drop
  }
}
EOF
}

comma_list() {
  list=
  for item in $1; do list="$list${list:+, }$item"; done
  printf '%s' "$list"
}

# Never chosen as the source of connections of the server's own: scope host, or with IPv6 deprecated.
make_addresses() {
  for address in $ADDRESSES4; do
    make_address 4 "$address" 32 scope host
  done
  for address in $ADDRESSES6; do
    make_address 6 "$address" 128 nodad preferred_lft 0
  done
}

make_address() {
  family=$1 address=$2 length=$3
  shift 3
  if ! $IS_DRY && is_placed "$family" "$address" "$INTERFACE" "$length"; then
    return
  fi
  change "cannot put $address on $INTERFACE" \
    ip "-$family" address add "$address/$length" dev "$INTERFACE" "$@"
  remember "$(address_thing "$family" "$address" "$length")"
}

want_addresses() {
  for address in $ADDRESSES4; do want "$(address_thing 4 "$address" 32)"; done
  for address in $ADDRESSES6; do want "$(address_thing 6 "$address" 128)"; done
}

address_thing() {
  printf 'address %s %s/%s %s' "$1" "$(canonical "$2")" "$3" "$INTERFACE"
}

apply() {
  need_root
  have ip iproute2
  IS_DRY=false
  WANTED=
  read_made
  if $IS_TUNNEL; then
    make_tunnel
  fi
  interface_exists "$INTERFACE" ||
    give_up "there is no interface $INTERFACE" "make it first, or leave --interface out: the addresses go on lo"
  check_places
  want_addresses
  # Before the rules: those that follow do not know these addresses any more.
  undo_unwanted addresses
  if [ -n "$ADDRESSES4" ]; then
    make_silent
    VERBOSE=false
    look_silent || {
      VERBOSE=true
      look_silent
      give_up "this host would answer ARP, so the addresses were not put on it" "see above"
    }
  fi
  make_addresses
  undo_unwanted others
  say "applied:$ADDRESSES4$ADDRESSES6 on $INTERFACE${ADDRESSES4:+, silent by $METHOD}"
}

# Nothing is changed when an address is where no silence helps.
check_places() {
  for address in $ADDRESSES4; do
    check_place 4 "$address" 32
  done
  for address in $ADDRESSES6; do
    check_place 6 "$address" 128
  done
  if speaks_to_neighbors "$INTERFACE"; then
    [ -z "$ADDRESSES6" ] ||
      give_up "on $INTERFACE this host answers neighbour solicitations for$ADDRESSES6" "put it on lo"
    [ "${METHOD:-sysctl}" != sysctl ] || [ -z "$ADDRESSES4" ] ||
      give_up "on $INTERFACE this host answers ARP for$ADDRESSES4 whatever arp_ignore says" \
        "put it on lo, or use --method nftables"
  fi
}

check_place() {
  other=$(misplaced "$1" "$2" "$INTERFACE" "$3")
  [ -z "$other" ] || was_made "address $1 $(canonical "$2")/${other%% *} ${other##* }" ||
    give_up "this host has $2/${other%% *} on ${other##* } already, instead of /$3 on $INTERFACE" \
      "ip address del $2/${other%% *} dev ${other##* }; and take it out of this host's network configuration"
}

print_commands() {
  IS_DRY=true
  WANTED=
  if $IS_TUNNEL; then
    make_tunnel
  fi
  if [ -n "$ADDRESSES4" ]; then
    make_silent
  fi
  make_addresses
}

# --- what was made ---------------------------------------------------------------------------------------

read_made() {
  MADE_FILE=$ROOT/run/$SELF/made
  MADE=
  [ ! -e "$MADE_FILE" ] || MADE=$(cat "$MADE_FILE" 2>&1) ||
    give_up "cannot read $MADE_FILE: $MADE" "is it a file, and this user root?"
}

write_made() {
  directory=$ROOT/run/$SELF
  why=$({
    mkdir -p "$directory" && printf '%s\n' "$MADE" >"$MADE_FILE.new" && mv -f "$MADE_FILE.new" "$MADE_FILE"
  } 2>&1) || give_up "cannot note in $MADE_FILE what was made: $why" "make room or rights there, then again"
}

remember() {
  $IS_DRY || was_made "$1" || {
    MADE="$MADE${MADE:+
}$1"
    write_made
  }
}

# What was there before a sysctl is noted once: later it would be our own value.
was_made() {
  case $1 in "sysctl "*) key="${1% * *} " ;; *) key="$1
" ;; esac
  case "
$MADE
" in *"
$key"*) return 0 ;; esac
  return 1
}

want() {
  WANTED="$WANTED$1
"
}

is_wanted() {
  case "
$WANTED" in *"
$1
"*) return 0 ;; esac
  return 1
}

# undo_unwanted PART: of what was made, the addresses or the others.
undo_unwanted() {
  kept=
  while IFS= read -r thing; do
    [ -n "$thing" ] || continue
    case $thing in "address "*) part=addresses ;; *) part=others ;; esac
    case $thing in "sysctl "*) key=${thing% * *} ;; *) key=$thing ;; esac
    if [ "$part" != "$1" ] || is_wanted "$key"; then
      kept="$kept${kept:+
}$thing"
    else
      undo_thing "$thing"
    fi
  done <<EOF
$MADE
EOF
  [ "$kept" = "$MADE" ] || {
    MADE=$kept
    write_made
  }
}

undo_thing() {
  # shellcheck disable=SC2086 # a line of words that this script wrote
  set -- $1
  case $1 in
    address)
      is_ipv4 "${3%/*}" || is_ipv6 "${3%/*}" || corrupt "$*"
      is_interface "$4" || corrupt "$*"
      if is_placed "$2" "${3%/*}" "$4" "${3#*/}"; then
        change "cannot remove $3 from $4" ip "-$2" address del "$3" dev "$4"
        say "removed $3 from $4"
      fi
      ;;
    sysctl)
      case "$2$3$4" in *..* | *[!A-Za-z0-9._/-]*) corrupt "$*" ;; esac
      now=$(cat "/proc/sys/$2" 2>/dev/null) || return 0
      if [ "$now" = "$4" ]; then
        write_sysctl "$2" "$3"
        say "set $2 back to $3"
      elif [ "$now" != "$3" ]; then
        say "left $2 at $now: somebody has changed it since"
      fi
      ;;
    nftables)
      if nft list table arp "$TABLE" >/dev/null 2>&1; then
        change "cannot remove the nftables table arp $TABLE" nft delete table arp "$TABLE"
      fi
      say "removed the nftables table arp $TABLE"
      ;;
    arptables) undo_arptables ;;
    up)
      if [ "$2" = tunl0 ] && interface_is tunl0 UP; then
        change "cannot take down tunl0" ip link set dev tunl0 down
        say "took down tunl0"
      fi
      ;;
    *) corrupt "$*" ;;
  esac
}

undo_arptables() {
  rules=$(arptables_rules)
  for chain in "$CHAIN_IN" "$CHAIN_OUT"; do
    case $chain in "$CHAIN_IN") hook=INPUT ;; *) hook=OUTPUT ;; esac
    if has_rule "$hook -j $chain"; then
      change "cannot remove the call of $chain" arptables -D "$hook" -j "$chain"
    fi
    if has_rule "$chain"; then
      change "cannot empty the chain $chain" arptables -F "$chain"
      change "cannot remove the chain $chain" arptables -X "$chain"
    fi
  done
  say "removed the arptables chains $CHAIN_IN and $CHAIN_OUT"
}

corrupt() {
  give_up "$MADE_FILE holds a line that this script did not write: $1" "look at it, then remove it"
}

undo() {
  need_root
  have ip iproute2
  IS_DRY=false
  WANTED=
  read_made
  # Addresses go before what keeps the host silent about them.
  undo_unwanted addresses
  undo_unwanted others
  if [ -e "$MADE_FILE" ]; then
    rm -f "$MADE_FILE"
    rmdir "$ROOT/run/$SELF" 2>/dev/null
  fi
  undo_persist
  say "nothing of this script is left"
}

# --- verify ----------------------------------------------------------------------------------------------

verify() {
  have ip iproute2
  IS_WELL=true
  VERBOSE=true
  for address in $ADDRESSES4; do
    look_at_address 4 "$address" 32
  done
  for address in $ADDRESSES6; do
    look_at_address 6 "$address" 128
  done
  if [ -n "$ADDRESSES4" ]; then
    look_silent
  fi
  if $IS_TUNNEL; then
    look_at_tunnel
  fi
  if [ -n "$GATEWAY" ]; then
    look_at_gateway
  fi
  if [ -n "$ADDRESSES4$ADDRESSES6" ] && [ ! -e "$ROOT$UNIT" ] && [ ! -e "$ROOT$HOOK" ]; then
    printf 'note  nothing of persist is here: see that it is so after a reboot, too\n'
  fi
  $IS_WELL || exit 1
}

look_at_address() {
  is_there=true
  if is_placed "$1" "$2" "$INTERFACE" "$3"; then
    well "$2/$3 is on $INTERFACE"
  else
    is_there=false
    wrong "$2/$3 is not on $INTERFACE" "apply --address $2"
  fi
  other=$(misplaced "$1" "$2" "$INTERFACE" "$3")
  [ -z "$other" ] ||
    wrong "there is also $2/${other%% *} on ${other##* }" "ip address del $2/${other%% *} dev ${other##* }"
  if [ "$1" = 6 ]; then
    if $is_there && speaks_to_neighbors "$INTERFACE"; then
      wrong "$INTERFACE answers neighbour solicitations for $2" "put it on lo"
    elif ip -6 neighbour show proxy 2>/dev/null | has_word "$2"; then
      wrong "this host answers neighbour solicitations for $2 as a proxy" "ip -6 neighbour del proxy $2 dev ..."
    elif [ -z "$other" ]; then
      well "$2 is not answered for: with IPv6 an interface speaks only for addresses of its own"
    fi
  fi
}

# Whether each interface keeps silent about each IPv4 address, by whatever means. Tells by its exit code too.
look_silent() {
  is_silent=true
  interfaces=$(ip -o link show | while read -r _ name flags _; do
    case $flags in *LOOPBACK* | *NOARP*) ;; *) name=${name%:} && printf '%s\n' "${name%%@*}" ;; esac
  done)
  for interface in $interfaces; do
    for address in $ADDRESSES4; do
      look_silent_on "$interface" "$address"
    done
    announce=$(larger net/ipv4/conf "$interface" arp_announce)
    if [ "$announce" = 2 ]; then
      well "$interface asks in its own name (arp_announce 2)"
    else
      is_silent=false
      wrong "$interface may ask ARP in the name of a floating address: arp_announce is $announce" \
        "apply; or echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce"
    fi
  done
  $is_silent
}

look_silent_on() {
  ignore=$(larger net/ipv4/conf "$1" arp_ignore)
  scopes=$(places_of 4 "$2" | while read -r name _ scope; do
    [ "$name" != "$1" ] || scope=own
    printf ' %s' "$scope"
  done)
  # 3 is silent about addresses of scope host, which is how apply makes them.
  case "$ignore$scopes " in
    *' own '*) is_ignored=false ;;
    [128]' '* | '3 ' | '3 host ') is_ignored=true ;;
    *) is_ignored=false ;;
  esac
  # arptables last: to list its rules loads its modules.
  if $is_ignored; then
    well "$1 does not answer ARP for $2 (arp_ignore $ignore)"
  elif is_filtered_by_nftables "$2"; then
    well "$1 does not answer ARP for $2 (nftables)"
  elif is_filtered_by_arptables "$2"; then
    well "$1 does not answer ARP for $2 (arptables)"
  else
    is_silent=false
    case "$scopes " in
      *' own '*) wrong "$1 answers ARP for $2, which is on it" "move it to lo, or apply --method nftables" ;;
      *) wrong "$1 answers ARP for $2: arp_ignore is $ignore, and no rule of this script drops it" \
        "apply --address $2; if it was applied, set arp_ignore of $1 itself to at most 2" ;;
    esac
  fi
}

is_filtered_by_arptables() {
  command -v arptables >/dev/null 2>&1 || return 1
  rules=$(arptables_rules)
  has_rule "$CHAIN_IN -j DROP -d $1" && has_rule "INPUT -j $CHAIN_IN"
}

is_filtered_by_nftables() {
  nft get element arp "$TABLE" addresses "{ $1 }" >/dev/null 2>&1 &&
    nft list chain arp "$TABLE" incoming 2>/dev/null | has_text 'hook input' &&
    nft list chain arp "$TABLE" incoming 2>/dev/null | has_text 'arp daddr ip @addresses drop'
}

look_at_tunnel() {
  if ! interface_is tunl0 UP; then
    wrong "tunl0 is not up" "apply --tunnel"
    return
  fi
  well "tunl0 is up"
  filter=$(larger net/ipv4/conf tunl0 rp_filter)
  if [ "$filter" = 1 ]; then
    wrong "tunl0 drops what comes from clients: rp_filter is 1" "echo 2 > /proc/sys/net/ipv4/conf/tunl0/rp_filter"
  else
    well "tunl0 lets packets of clients in (rp_filter $filter)"
  fi
}

look_at_gateway() {
  family=4
  is_ipv4 "$GATEWAY" || family=6
  # The kernel uses the one of the lowest metric, and lists it first.
  route=$(ip -o "-$family" route show default 2>/dev/null)
  route=$(first_line "$route")
  case "$route " in
    "default via $GATEWAY "*) well "the default route leads to $GATEWAY" ;;
    ' ') wrong "there is no default route" "ip route add default via $GATEWAY" ;;
    *)
      wrong "the default route does not lead to $GATEWAY, so replies would go past the director: $route" \
        "ip route replace default via $GATEWAY; and in this host's network configuration"
      ;;
  esac
}

# The value that the kernel uses of conf/all and conf/<interface>.
larger() {
  of_all=$(cat "/proc/sys/$1/all/$3" 2>/dev/null) || of_all=0
  of_one=$(cat "/proc/sys/$1/$2/$3" 2>/dev/null) || of_one=0
  if [ "$of_all" -ge "$of_one" ]; then printf '%s' "$of_all"; else printf '%s' "$of_one"; fi
}

well() {
  ! $VERBOSE || printf 'ok    %s\n' "$1"
}

wrong() {
  IS_WELL=false
  ! $VERBOSE || printf 'WRONG %s. Remedy: %s\n' "$1" "$2"
}

# --- persist ---------------------------------------------------------------------------------------------

persist() {
  need_root
  METHOD=${METHOD:-sysctl}
  { [ -f "$0" ] && head -n 3 "$0" 2>/dev/null | has_text 'vipair-realserver.sh: '; } ||
    give_up "cannot find this script as a file to copy it" "run it as: sh /path/to/vipair-realserver.sh persist …"
  if [ -z "$ROOT" ] && [ -d /run/systemd/system ]; then
    system=systemd
  elif [ -n "$ROOT" ] && { [ -e "$ROOT/usr/lib/systemd/systemd" ] || [ -e "$ROOT/lib/systemd/systemd" ]; }; then
    system=systemd
  elif [ -d "$ROOT/etc/network" ]; then
    system=ifupdown
  else
    give_up "${ROOT:-this host} has neither systemd nor ifupdown (/etc/network)" \
      "let your own start script run, before the network is up: $(apply_line)"
  fi
  install_script
  case $system in
    systemd) install_unit ;;
    ifupdown) install_hook ;;
  esac
  say "holds from the next boot on; for now: apply"
}

# Every word of it has been checked: none needs quotes, in a shell or in a unit.
apply_line() {
  line="/bin/sh $INSTALLED apply --method $METHOD"
  if $IS_TUNNEL; then line="$line --tunnel"; else line="$line --interface $INTERFACE"; fi
  for address in $ADDRESSES4 $ADDRESSES6; do line="$line --address $address"; done
  printf '%s' "$line"
}

install_script() {
  is_ours "$INSTALLED" 'vipair-realserver.sh: '
  cmp -s "$0" "$ROOT$INSTALLED" || install_file "$INSTALLED" 755 <"$0"
}

install_unit() {
  is_ours "$UNIT" "$MARK"
  install_file "$UNIT" 644 <<EOF
# $MARK
[Unit]
Description=vipair: floating addresses of a real server, without ARP for them
DefaultDependencies=no
Wants=network-pre.target
# After all that sets sysctls or flushes rules; and again when nftables.service restarts or reloads.
After=local-fs.target systemd-sysctl.service systemd-modules-load.service nftables.service arptables.service
Before=network-pre.target shutdown.target
Conflicts=shutdown.target
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$(apply_line)
ExecReload=$(apply_line)

[Install]
WantedBy=sysinit.target
EOF
  why=$({ mkdir -p "$ROOT$WANTS" && ln -sf "$UNIT" "$ROOT$WANTS/${UNIT##*/}"; } 2>&1) ||
    give_up "cannot link $UNIT into $ROOT$WANTS: $why" "systemctl enable ${UNIT##*/}"
  say "wrote $ROOT$WANTS/${UNIT##*/}"
  reload_systemd
}

# A hook that fails would keep the interface down. The addresses come only after silence, so going on is safe.
install_hook() {
  is_ours "$HOOK" "$MARK"
  install_file "$HOOK" 755 <<EOF
#!/bin/sh
# $MARK
$(apply_line) >/dev/null || echo "$SELF: not applied, see above" >&2
exit 0
EOF
}

# is_ours PATH MARK: refuses to touch a file of somebody else.
is_ours() {
  [ ! -e "$ROOT$1" ] || head -n 3 "$ROOT$1" 2>/dev/null | has_text "$2" ||
    give_up "$ROOT$1 is there and not written by this script" "move it away first"
}

install_file() {
  target=$ROOT$1
  why=$({
    mkdir -p "${target%/*}" && cat >"$target.new" && chmod "$2" "$target.new" && mv -f "$target.new" "$target"
  } 2>&1) || give_up "cannot write $target: $why" "make room or rights there, then again"
  say "wrote $target"
}

undo_persist() {
  remove_file "$HOOK" "$MARK"
  if [ -e "$ROOT$UNIT" ]; then
    [ -n "$ROOT" ] || [ ! -d /run/systemd/system ] || systemctl stop "${UNIT##*/}" >/dev/null 2>&1
    remove_file "$UNIT" "$MARK"
    if [ -L "$ROOT$WANTS/${UNIT##*/}" ]; then
      rm -f "$ROOT$WANTS/${UNIT##*/}"
    fi
    reload_systemd
  fi
  remove_file "$INSTALLED" 'vipair-realserver.sh: '
  [ ! -d "$ROOT$LIBRARY" ] || rmdir "$ROOT$LIBRARY" 2>/dev/null
}

remove_file() {
  [ -e "$ROOT$1" ] || return 0
  is_ours "$1" "$2"
  why=$(rm -f "$ROOT$1" 2>&1) || give_up "cannot remove $ROOT$1: $why" "remove it by hand"
  say "removed $ROOT$1"
}

reload_systemd() {
  if [ -z "$ROOT" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload || say "systemctl daemon-reload failed: run it by hand"
  fi
}

# --- small things ----------------------------------------------------------------------------------------

# places_of FAMILY ADDRESS: lines of interface, prefix length and scope.
places_of() {
  ip -o "-$1" address show to "$2" 2>/dev/null | while read -r _ name _ prefix rest; do
    scope=${rest#*scope }
    printf '%s %s %s\n' "$name" "${prefix##*/}" "${scope%% *}"
  done
}

# is_placed FAMILY ADDRESS INTERFACE LENGTH
is_placed() {
  places_of "$1" "$2" | {
    while read -r name length _; do
      [ "$name $length" != "$3 $4" ] || return 0
    done
    return 1
  }
}

# misplaced FAMILY ADDRESS INTERFACE LENGTH: length and interface of the first that is not there.
misplaced() {
  places_of "$1" "$2" | while read -r name length _; do
    [ "$name $length" = "$3 $4" ] || {
      printf '%s %s' "$length" "$name"
      break
    }
  done
}

# The same for every way to write an address: IPv6 in eight groups, lower case, without leading zeros.
canonical() {
  case $1 in *:*) ;; *) printf '%s' "$1" && return ;; esac
  lower=$(printf '%s' "$1" | tr A-F a-f)
  head=${lower%%::*}
  tail=''
  zeros=0
  old_ifs=$IFS
  IFS=:
  case $lower in *::*) tail=${lower#*::} ;; esac
  # shellcheck disable=SC2086 # split at the colons
  set -- $head gap $tail
  IFS=$old_ifs
  case $lower in *::*) zeros=$((9 - $#)) ;; esac
  text=
  for group in "$@"; do
    if [ "$group" = gap ]; then
      while [ "$zeros" -gt 0 ]; do
        text="$text:0"
        zeros=$((zeros - 1))
      done
      continue
    fi
    while [ "${group#0?}" != "$group" ]; do group=${group#0}; done
    text="$text:$group"
  done
  printf '%s' "${text#:}"
}

interface_exists() {
  ip link show dev "$1" >/dev/null 2>&1
}

# interface_is NAME FLAG
interface_is() {
  ip -o link show dev "$1" 2>/dev/null | {
    read -r _ _ flags _
    case $flags in *[\<,]"$2"[,\>]*) return 0 ;; esac
    return 1
  }
}

speaks_to_neighbors() {
  ! interface_is "$1" LOOPBACK && ! interface_is "$1" NOARP
}

has_text() {
  while IFS= read -r line; do
    case $line in *"$1"*) return 0 ;; esac
  done
  return 1
}

has_word() {
  while IFS= read -r line; do
    case " $line " in *" $1 "*) return 0 ;; esac
  done
  return 1
}

first_line() {
  printf '%s' "${1%%
*}"
}

# change WHAT COMMAND...: runs it, or shows it. WHAT is said when it fails.
change() {
  what=$1
  shift
  if $IS_DRY; then
    show "$@"
    return
  fi
  why=$("$@" 2>&1) || give_up "$what: $(first_line "$why")" "the command was: $*"
}

show() {
  printf '%s\n' "$*"
}

have() {
  command -v "$1" >/dev/null 2>&1 || give_up "there is no program $1 here" "install the package $2"
}

need_root() {
  [ "$(id -u)" = 0 ] && return
  printf '%s: %s needs root. Remedy: sudo sh %s %s …\n' "$SELF" "$COMMAND" "$0" "$COMMAND" >&2
  exit 77
}

say() {
  printf '%s: %s\n' "$SELF" "$1"
}

give_up() {
  printf '%s: %s. Remedy: %s\n' "$SELF" "$1" "$2" >&2
  exit 1
}

refuse() {
  printf '%s: %s. Remedy: %s\n' "$SELF" "$1" "$2" >&2
  exit 64
}

main "$@"
