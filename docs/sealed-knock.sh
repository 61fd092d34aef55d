#!/bin/sh
# Send a sealed knock with nothing but OpenSSH, GNU coreutils and nc.
#
#   sealed-knock.sh KEY HOST DOOR PORTS [SECONDS]
#
# KEY is a private key with KEY.pub beside it, or KEY.pub alone if the SSH agent holds the key.
# PORTS is the door's sequence, 17001,17203,... SECONDS is the time to open for, or "close".
set -eu
key=$1 host=$2 door=$3 ports=$4 seconds=${5:-0}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The statement: the door, the seconds, the time, a nonce, a hint that finds the key, any address.
nonce=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
hint=$({ cut -d' ' -f2 "${key%.pub}.pub" | base64 -d; printf %s "$nonce"; } | sha256sum | cut -c1-8)
printf 'pkdoors1 %s %s %s %s %s *\n' "$door" "$seconds" "$(date +%s%3N)" "$nonce" "$hint" \
    > "$folder/knock"

# Seal the statement and the sequence.
{ cat "$folder/knock"; printf '%s\n' "$ports"; } |
    ssh-keygen -q -Y sign -n knock@pkdoors -f "$key" |
    grep -v -e ----- | base64 -d > "$folder/sshsig"

# The result is "SSHSIG", a version, and five strings; the last one is the signature.
next=10
for _ in key namespace reserved hash signature; do
    start=$((next + 4))
    length=$(od -An -j"$next" -N4 -tu1 "$folder/sshsig" |
        { read -r a b c d; echo $(((a << 24) + (b << 16) + (c << 8) + d)); })
    next=$((start + length))
done
tail -c "+$((start + 1))" "$folder/sshsig" >> "$folder/knock"

# Send it three times in case one is lost; a port that has it already ignores the others.
for _ in 1 2 3; do
    for port in $(printf %s "$ports" | tr , ' '); do
        nc -u -q0 "$host" "$port" < "$folder/knock"
    done
done
