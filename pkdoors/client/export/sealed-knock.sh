#!/usr/bin/env bash
# Send a sealed knock with nothing but bash, OpenSSH and coreutils.
#
#   bash sealed-knock.sh KEY HOST DOOR PORTS [SECONDS]
#
# KEY is a private key with KEY.pub beside it, or KEY.pub alone if the SSH agent holds the key.
# PORTS is the door's sequence, 17001,17203,... SECONDS is the time to open for, or "close".
[ $# -ge 4 ] || { sed -n 's/^#   /usage: /p' "$0" >&2; exit 2; }
key=$1 host=$2 door=$3 ports=$4 seconds=${5:-0}

set -eu
umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The time in milliseconds; outside GNU, date has only whole seconds.
stamp=$(date +%s%3N)
case $stamp in *[!0-9]*) stamp=$(date +%s)000 ;; esac

# The statement: the door, the seconds, the time, a nonce, a hint that finds the key, any address.
nonce=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
hint=$({ cut -d' ' -f2 "${key%.pub}.pub" | base64 -d; printf %s "$nonce"; } |
    { sha256sum 2>/dev/null || shasum -a 256; } | cut -c1-8)
printf 'pkdoors1 %s %s %s %s %s *\n' "$door" "$seconds" "$stamp" "$nonce" "$hint" > "$folder/knock"

# Seal the statement and the sequence.
{ cat "$folder/knock"; printf '%s\n' "$ports"; } |
    ssh-keygen -q -Y sign -n knock@pkdoors -f "$key" > "$folder/signed"
grep -v -e ----- "$folder/signed" | base64 -d > "$folder/sshsig"

# The result is "SSHSIG", a version, and five strings; the last one is the signature.
next=10
for _ in key namespace reserved hash signature; do
    start=$((next + 4))
    length=$(od -An -j"$next" -N4 -tu1 "$folder/sshsig" |
        { read -r a b c d; echo $(((a << 24) + (b << 16) + (c << 8) + d)); })
    next=$((start + length))
done
tail -c "+$((start + 1))" "$folder/sshsig" >> "$folder/knock"

# Send it to all addresses three times in case one is lost; a port that has it ignores the others.
addresses=$({ getent ahosts "$host" 2>/dev/null || printf '%s\n' "$host"; } | cut -d' ' -f1 | sort -u)
sent=
for _ in 1 2 3; do
    for address in $addresses; do
        for port in ${ports//,/ }; do
            { cat "$folder/knock" > "/dev/udp/$address/$port"; } 2>/dev/null && sent=yes || continue 2
        done
    done
done
[ -n "$sent" ] || { printf 'nothing can be sent to %s\n' "$host" >&2; exit 1; }
