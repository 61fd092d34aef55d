# Functions for script/on and packaging/try: systems of other releases of Debian, made once, in which
# commands run with processes, mounts and files of their own. POSIX sh; needs script/lib.sh.
#
# A system is a folder below /var/cache/pkdoors-tests. It never changes: a command writes to a layer
# above it, which disappears with the command's last process, as its mounts do.

RELEASES="bookworm trixie"
export HOME="${HOME:-/root}"
STORE=/var/cache/pkdoors-tests
TOP=$STORE/top/root
group=pkdoors-$$ # of control groups
# With its own processes and mounts, which all end when this script ends, however it ends.
ALONE="setpriv --pdeathsig KILL
    unshare --mount --propagation private --pid --fork --kill-child --mount-proc"

# Succeed if this is a release that we can make.
known_release() {
    case " $RELEASES " in
    *" ${1:-none} "*) ;;
    *) return 1 ;;
    esac
}

# find_system PACKAGES: set $system to the folder of $release with these packages, one to a line, and
# lock it for the life of this process.
find_system() {
    wanted=$1
    stamp=$(echo "$wanted" | cksum)
    system=$STORE/$release-${stamp%% *}
    mkdir -p -m 700 "$STORE"
    exec 9>"$system.lock"
    if ! [ -d "$system" ]; then
        flock 9
        [ -d "$system" ] || make_system
    fi
    flock -s 9
    touch "$system.lock" # remove_unused looks at its time
    remove_unused
}

make_system() {
    need command:mmdebstrap:mmdebstrap
    say "making $release in $system, once; it takes a minute or two"
    rm -rf --one-file-system "$system.new"
    mkdir -p "$system.new/root"
    "$PYTHON" "$ROOT/script/aptsources.py" "$release" "$system.new" ||
        die "$0: cannot make $release: apt's sources do not name a Debian archive"
    # Use the proxies, certificates and so on of this machine.
    apt-config dump | grep -E '^(Acquire|APT::Sandbox)::' | grep -v IndexTargets >"$system.new/conf" || :
    attend $ALONE mmdebstrap --mode=root --variant=minbase --quiet --aptopt="$system.new/conf" \
        --include="$(echo "$wanted" | paste -sd, -)" "$release" "$system.new/root" "$system.new"/apt.* ||
        die "$0: cannot make $release: see mmdebstrap's message above"
    mv "$system.new/root" "$system"
    rm -rf "$system.new"
}

# Remove the systems that nobody has used for a week: other versions of this project made them.
remove_unused() {
    find "$STORE" -maxdepth 1 -name '*.lock' -mtime +7 | while read -r lock; do
        flock -n "$lock" rm -rf --one-file-system "${lock%.lock}" "${lock%.lock}.new" || :
    done
}

# attend COMMAND: run it. If this script has to end meanwhile, end the command, too.
attend() {
    exec 7<&0
    # Otherwise the shell would make it and its children ignore Ctrl-C.
    env --default-signal=INT,QUIT "$@" <&7 &
    child=$!
    trap 'kill -KILL $child 2>/dev/null; wait $child || :; remove_group; exit 130' INT TERM HUP
    ended=0
    wait $child || ended=$?
    trap - INT TERM HUP
    return $ended
}

# The tests make cgroups, which do not end with their processes. So put all of them into one of ours.
enter_group() {
    mount -t cgroup2 cgroup2 "$STORE/top" || return
    mkdir "$STORE/top/$1" && echo 0 >"$STORE/top/$1/cgroup.procs"
    umount "$STORE/top"
}

remove_group() {
    unshare --mount sh -c '
        mount -t cgroup2 cgroup2 "$1" && cd "$1" || exit
        # Its last processes may still be ending.
        for attempt in 1 2 3 4 5 6 7 8 9 10; do
            [ -d "$2" ] || break
            find "$2" -depth -type d -exec rmdir {} + || sleep 0.3
        done' sh "$STORE/top" "$group" 2>/dev/null || :
}

# share PATH...: show these paths of the machine in the system, read-only.
share() {
    for path in "$@"; do
        [ -e "$path" ] || continue
        if [ -d "$path" ]; then
            mkdir -p "$TOP$path"
        else
            mkdir -p "$TOP${path%/*}"
            : >>"$TOP$path"
        fi
        mount --bind "$path" "$TOP$path"
        mount -o remount,bind,ro "$TOP$path"
    done
}

# Print the outermost folder of a path that the system lacks: an index of pip refers to files beside it.
outermost() {
    outer=$1
    while ! [ -e "$TOP${outer%/*}/" ]; do
        outer=${outer%/*}
    done
    echo "$outer"
}

# Share pip's configuration, the files and folders that it names, and this machine's certificates.
share_pip() {
    share /etc/ssl/certs /usr/local/share/ca-certificates
    share /etc/npmrc "$HOME/.npmrc"
    share /etc/pip.conf /etc/xdg/pip "$HOME/.config/pip" "$HOME/.pip" "$HOME/.netrc"
    {
        cat /etc/pip.conf /etc/xdg/pip/pip.conf "$HOME/.config/pip/pip.conf" "$HOME/.pip/pip.conf" || :
        env | grep -E '^(PIP_|SSL_CERT_|REQUESTS_CA_BUNDLE=)' || :
    } 2>/dev/null | tr ' =,' '\n' | sed -n 's#^file://##; /^\//p' | sort -u |
        while read -r named; do
            [ ! -e "$named" ] || [ -e "$TOP$named" ] || share "$(outermost "$named")"
        done
}

# lay_system SYSTEM GROUP: in our own namespaces, lay the system out below $TOP, with a layer for what is
# written.
lay_system() {
    enter_group "$2" 2>/dev/null || : # some kernels have no cgroups of version 2
    mount -t tmpfs -o mode=755 tmpfs "$STORE/top"
    mkdir "$STORE/top/upper" "$STORE/top/work" "$TOP"
    mount -t overlay -o "lowerdir=$1,upperdir=$STORE/top/upper,workdir=$STORE/top/work" overlay "$TOP"
    mount -t proc proc "$TOP/proc"
    mount --rbind /dev "$TOP/dev"
    mount -t tmpfs tmpfs "$TOP/dev/shm"
    mount -t tmpfs -o mode=755 tmpfs "$TOP/run"
    mkdir -p "$TOP/run/netns" "$TOP/run/lock" "$TOP$HOME"
    cp -L /etc/resolv.conf /etc/hosts /etc/hostname "$TOP/etc/" 2>/dev/null || :
    share_pip
}

# Show this checkout in the system, at its usual path.
share_checkout() {
    mkdir -p "$TOP$ROOT"
    mount --bind "$ROOT" "$TOP$ROOT"
    # The repository of a work tree is elsewhere.
    git=$(git -C "$ROOT" rev-parse --path-format=absolute --git-common-dir 2>/dev/null || :)
    [ -z "$git" ] || [ -e "$TOP$git" ] || share "$git"
}

# Make what is laid out the root. The current folder is the new root after that.
change_root() {
    mkdir "$TOP/old"
    cd "$TOP"
    pivot_root . old
}

# In the new root: let go of the old one.
leave_old_root() {
    umount -l /old
    rmdir /old
}

# run_alone COMMAND: run it in its own namespaces and end as it does; with it ends all that it started.
run_alone() {
    [ -e /proc/self/fd/0 ] || exec </dev/null
    mkdir -p "$STORE/top"
    ended=0
    attend env -u TMPDIR PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        LANG=C.UTF-8 PKDOORS_TEMP=/tmp $ALONE "$@" || ended=$?
    remove_group
    return $ended
}
