# What script/server and script/test have in common. POSIX sh; ROOT is the project's folder.

PATH=$PATH:/usr/sbin:/sbin
PYTHON=/usr/bin/python3 # the distribution's: only that one sees python-firewall and libnftables
VENV=$ROOT/.venv

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || die "$0: $1: run it as root (sudo $0)"
}

# have KIND NAME: whether a command, a file, or a module of the distribution's Python is there.
have() {
    case $1 in
    file) [ -e "$2" ] ;;
    command) command -v "$2" >/dev/null ;;
    module) "$PYTHON" -I -c 'import importlib.util as u, sys; sys.exit(not u.find_spec(sys.argv[1]))' "$2" 2>/dev/null ;;
    esac
}

# need KIND:NAME:PACKAGE...: install the packages (Debian's names) of what is not there.
need() {
    missing=
    for each in "$@"; do
        kind=${each%%:*} name=${each#*:}
        have "$kind" "${name%%:*}" || missing="$missing ${name#*:}"
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null ||
        die "$0: please install these first (Debian's names; yours may differ a little):$missing"
    say "installing$missing"
    hold_services
    apt-get update -q >/dev/null || say "(some package lists could not be read; going on)"
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        -o DPkg::Lock::Timeout=120 $missing >/dev/null || status=$?
    free_services
    [ -z "${status:-}" ] || die "$0: apt-get could not install$missing: its message is above"
}

# A package that is installed must not start its service: firewalld would lock its operator out.
hold_services() {
    held=
    # One that is marked as ours was left by a run that was killed.
    [ -e /usr/sbin/policy-rc.d ] && ! grep -q pkdoors /usr/sbin/policy-rc.d && return
    held=/usr/sbin/policy-rc.d
    trap free_services EXIT
    trap 'free_services; exit 130' INT TERM HUP
    printf '#!/bin/sh\n# of pkdoors, while it installs\nexit 101\n' >"$held"
    chmod +x "$held"
}

free_services() {
    [ -z "$held" ] || rm -f "$held"
    held=
    trap - EXIT INT TERM HUP
}

# make_venv EXTRAS: the project with what it needs from the package index, in .venv.
make_venv() {
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "$0: $PYTHON is older than 3.11: a newer distribution is needed (Debian 12, Ubuntu 24.04)"
    stamp=$VENV/.pkdoors
    state=$(cd "$ROOT" && { pwd; "$PYTHON" -V; cat setup.cfg pyproject.toml pkdoors/_version.py script/lib.sh; } | cksum)
    case $(cat "$stamp" 2>/dev/null) in
    "$state dev" | "$state $1") return ;;
    esac
    say "installing pkdoors into .venv"
    # Made anew only where it would not fit: a daemon may be running from it.
    place="$ROOT $("$PYTHON" -V)"
    if [ "$(cat "$VENV/.place" 2>/dev/null)" != "$place" ]; then
        "$PYTHON" -m venv --clear --system-site-packages "$VENV" ||
            die "$0: cannot make the virtual environment $VENV: see the message above"
        printf '%s' "$place" >"$VENV/.place"
    fi
    # --force-reinstall: everything from the package index is in .venv, twistd with it, whatever
    # versions of it the distribution has, and in one version; only python-firewall and libnftables
    # are the distribution's.
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
        --force-reinstall -e "$ROOT${1:+[$1]}" ||
        die "$0: pip could not install what pkdoors needs: see the message above"
    printf '%s' "$state $1" >"$stamp"
    # What root makes in somebody's clone is theirs, to remove it and to use it without root.
    [ "$(id -u)" != 0 ] || chown -R --reference="$ROOT" -- "$VENV" \
        $(find "$ROOT" -maxdepth 1 -name build -o -maxdepth 1 -name '*.egg-info')
}

SERVER_NEEDS="command:$PYTHON:python3 module:ensurepip:python3-venv module:nftables:python3-nftables
    module:firewall:python3-firewall command:nft:nftables command:ip:iproute2"
TEST_NEEDS="$SERVER_NEEDS command:firewalld:firewalld command:dbus-daemon:dbus command:sshd:openssh-server
    command:ssh:openssh-client command:nc:netcat-openbsd command:git:git
    command:rsync:rsync command:curl:curl command:ss:iproute2 command:logrotate:logrotate
    command:systemd-analyze:systemd file:/usr/lib/polkit-1/polkitd:polkitd command:setpriv:util-linux
    command:zsh:zsh command:fish:fish
    command:iptables-nft:iptables command:conntrack:conntrack
    command:cc:gcc file:/usr/include/stdio.h:libc6-dev
    file:/etc/protocols:netbase"
