# Functions for script/server, script/test and script/on. POSIX sh; ROOT is the project's folder.

PATH=$PATH:/usr/sbin:/sbin
PYTHON=/usr/bin/python3 # the distribution's: only that one finds python-firewall and libnftables
VENV=$ROOT/.venv

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || die "$0: $1: run this as root (sudo $0)"
}

# have KIND NAME: succeed if a command, a file, or a module of the distribution's Python exists.
have() {
    case $1 in
    file) [ -e "$2" ] ;;
    command) command -v "$2" >/dev/null ;;
    module) "$PYTHON" -I -c 'import importlib.util as u, sys; sys.exit(not u.find_spec(sys.argv[1]))' "$2" 2>/dev/null ;;
    esac
}

# need KIND:NAME:PACKAGE...: install the packages (Debian's names) of everything that is missing.
need() {
    missing=
    for item in "$@"; do
        kind=${item%%:*} name=${item#*:}
        have "$kind" "${name%%:*}" || missing="$missing ${name#*:}"
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null ||
        die "$0: install these packages first (these are Debian's names, yours can differ):$missing"
    say "installing$missing"
    # Only one run at a time: the first to end would let the services of the other one's packages start.
    exec 8</usr/sbin
    flock 8
    hold_services
    apt-get update -q >/dev/null || say "(apt-get could not update some package lists; going on)"
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        -o DPkg::Lock::Timeout=120 $missing >/dev/null || apt_status=$?
    free_services
    exec 8<&-
    [ -z "${apt_status-}" ] || die "$0: apt-get could not install$missing: see its message above"
}

# need_loopback: many tests connect to this machine itself. In a new network namespace that takes a command.
need_loopback() {
    "$PYTHON" -c 'import socket as s; s.socket(s.AF_INET, s.SOCK_DGRAM).connect(("127.0.0.1", 9))' 2>/dev/null ||
        die "$0: the loopback interface is down, and tests connect to 127.0.0.1: \`ip link set lo up\`"
}

# A new package must not start its service: firewalld would lock its operator out.
hold_services() {
    held=
    # If the file is marked as ours, a run that was killed has left it.
    [ -e /usr/sbin/policy-rc.d ] && ! grep -q pkdoors /usr/sbin/policy-rc.d && return
    held=/usr/sbin/policy-rc.d
    trap free_services EXIT
    trap 'free_services; exit 130' INT TERM HUP
    printf '#!/bin/sh\n# made by pkdoors while it installs packages\nexit 101\n' >"$held"
    chmod +x "$held"
}

free_services() {
    [ -z "$held" ] || rm -f "$held"
    held=
    trap - EXIT INT TERM HUP
}

# make_venv EXTRAS: install the project, and what it needs from the package index, into an environment.
make_venv() {
    exec 8<"$ROOT"
    flock 8 # another run may be here, in the same checkout: pip writes beside the code, too
    renew_venv "$1"
    exec 8<&-
}

renew_venv() {
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "$0: $PYTHON is older than 3.11: use a newer distribution (Debian 12, Ubuntu 24.04 or later)"
    stamp=$VENV/.pkdoors
    state=$(cd "$ROOT" && { pwd; "$PYTHON" -V; cat setup.cfg pyproject.toml pkdoors/_version.py script/lib.sh; } | cksum)
    case $(cat "$stamp" 2>/dev/null) in
    "$state dev" | "$state $1") return ;;
    esac
    say "installing pkdoors into ${VENV#"$ROOT/"}"
    # Make it again only if it does not fit: a daemon may be running from it.
    place="$ROOT $("$PYTHON" -V)"
    if [ "$(cat "$VENV/.place" 2>/dev/null)" != "$place" ]; then
        "$PYTHON" -m venv --clear --system-site-packages "$VENV" ||
            die "$0: cannot make the virtual environment $VENV: see the message above"
        printf '%s' "$place" >"$VENV/.place"
    fi
    # --force-reinstall puts everything from the package index into .venv, twistd included, whatever
    # versions the distribution has; only python-firewall and libnftables are the distribution's.
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
        --force-reinstall -e "$ROOT${1:+[$1]}" ||
        die "$0: pip could not install what pkdoors needs: see the message above"
    printf '%s' "$state $1" >"$stamp"
    # In another user's clone, give that user what root makes there: to use it, and to remove it.
    [ "$(id -u)" != 0 ] || chown -R --reference="$ROOT" -- "$VENV" \
        $(find "$ROOT" -maxdepth 1 -name build -o -maxdepth 1 -name '*.egg-info')
}

SERVER_NEEDS="command:$PYTHON:python3 module:ensurepip:python3-venv module:nftables:python3-nftables
    module:firewall:python3-firewall command:nft:nftables command:ip:iproute2"
TEST_NEEDS="$SERVER_NEEDS command:firewalld:firewalld command:dbus-daemon:dbus command:sshd:openssh-server
    command:dbus-send:dbus command:ssh:openssh-client command:nc:netcat-openbsd command:git:git
    command:rsync:rsync command:curl:curl command:ss:iproute2 command:logrotate:logrotate
    command:systemd-analyze:systemd file:/usr/lib/polkit-1/polkitd:polkitd command:setpriv:util-linux
    command:zsh:zsh command:fish:fish
    command:mandoc:mandoc command:zbarimg:zbar-tools command:rsvg-convert:librsvg2-bin
    command:iptables-nft:iptables command:conntrack:conntrack
    command:conntrackd:conntrackd command:ufw:ufw command:nmap:nmap command:knock:knockd
    command:cc:gcc file:/usr/include/stdio.h:libc6-dev
    file:/etc/protocols:netbase command:redis-server:redis-server"

# test_needs RELEASE: print what the tests need in a release. Debian has Valkey since 13.
test_needs() {
    echo "$TEST_NEEDS"
    case $1 in
    trixie | forky | sid) echo command:valkey-server:valkey-server ;;
    esac
}

# The tests of the operator's page. Debian's packages: Ubuntu has Chromium as a snap alone, which does not
# run in the network namespaces of the tests.
BROWSER_NEEDS="command:chromium:chromium command:chromedriver:chromium-driver command:npm:npm
    file:/usr/lib/cockpit/cockpit-ws:cockpit-ws command:cockpit-bridge:cockpit-bridge
    file:/usr/share/cockpit/shell:cockpit-system command:sudo:sudo"
AXE=$VENV/axe

# Install a browser, which is large: say what for.
need_browser() {
    for item in $BROWSER_NEEDS; do
        kind=${item%%:*} item=${item#*:}
        have "$kind" "${item%%:*}" && continue
        say "The tests of the operator's page run in Chromium, some of them in Cockpit, and check it with"
        say "axe-core, which comes by npm. Together they take about 500 MB; the daemon and the client need"
        say "none of it. Set PKDOORS_NO_BROWSER=1 to leave these tests out."
        break
    done
    need $BROWSER_NEEDS
}

# Install axe-core into the environment, after make_venv. npm compares it with the lock file's checksum.
need_axe() {
    exec 8<"$ROOT"
    flock 8
    if ! cmp -s "$ROOT/tests/lab/axe/package-lock.json" "$AXE/package-lock.json"; then
        say "installing axe-core into ${AXE#"$ROOT/"}"
        rm -rf "$AXE" "$AXE.new"
        mkdir "$AXE.new"
        cp "$ROOT/tests/lab/axe/package.json" "$ROOT/tests/lab/axe/package-lock.json" "$AXE.new"
        # A cache of its own: in the user's, root would leave files that the user cannot change.
        npm ci --prefix "$AXE.new" --cache "$AXE.new/cache" --ignore-scripts --no-audit --no-fund \
            --loglevel=error >/dev/null || die "$0: npm could not install axe-core: see its message above"
        rm -rf "$AXE.new/cache"
        mv "$AXE.new" "$AXE"
        [ "$(id -u)" != 0 ] || chown -R --reference="$ROOT" -- "$AXE"
    fi
    exec 8<&-
}

# wants_browser [NAME...]: succeed if these tests need a browser. Without a name, they are all tests.
wants_browser() {
    [ -z "${PKDOORS_NO_BROWSER-}" ] || return 1
    [ $# != 0 ] || return 0
    for name; do
        case $name in
        tests | tests.real | tests.real.test_page*) return 0 ;;
        esac
    done
    return 1
}

# Print the name of the release that this machine runs.
own_release() {
    sed -n 's/^VERSION_CODENAME=//p' /etc/os-release
}
