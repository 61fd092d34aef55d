
set -eu

# Knock on a TCP port: try to connect, and do not wait for an answer.
try() {
    (exec 3<> "/dev/tcp/$1/$2") </dev/null >/dev/null 2>&1 &
    disown
    sleep 0.05
    kill -KILL $! 2>/dev/null || true
}

# Knock on all addresses of the host.
addresses=$({ getent ahosts "$host" 2>/dev/null || printf '%s\n' "$host"; } | cut -d' ' -f1 | sort -u)
sent=
for address in $addresses; do
    for port in $ports; do
        case $port in
        */tcp) try "$address" "${port%/tcp}" ;;
        *) { printf '%s\n' "$payload" > "/dev/udp/$address/$port"; } 2>/dev/null || continue 2 ;;
        esac
        sent=yes
        sleep "$interval"
    done
done
[ -n "$sent" ] || { printf 'nothing can be sent to %s\n' "$host" >&2; exit 1; }
