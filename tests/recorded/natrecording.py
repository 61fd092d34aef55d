"""
What the kernel tells of rules that forward ports: written down once for each version of the tools.

``unshare -n python -m tests.recorded.natrecording  >natrules-VERSION.json`` makes the rules in
a network namespace of its own, reads them, and prints each question with its answer.
"""

import json
import subprocess
import sys
from pathlib import Path

from pkdoors.firewall.netlink.dump import Answer

RULES = """
table ip nat {
    map ports {
        type inet_service : ipv4_addr . inet_service
        elements = { 1000 : 10.0.0.2 . 100, 1001 : 10.0.0.3 . 101 }
    }
    map ranges {
        type inet_service : ipv4_addr; flags interval
        elements = { 2000-2010 : 10.0.0.4, 2020 : 10.0.0.5 }
    }
    map verdicts { type inet_service : verdict; elements = { 3000 : jump some } }
    set several { type inet_service; flags interval; elements = { 5000-5010, 5020 } }
    set blocked { type ipv4_addr; elements = { 192.0.2.1 } }
    chain some { tcp dport 2999-3005 dnat to 10.0.0.6:30; }
    chain DOCKER {
        iifname != "docker0" tcp dport 8080 counter dnat to 10.0.0.2:80
        udp dport 53 dnat to 10.0.0.2
    }
    chain PREROUTING {
        type nat hook prerouting priority dstnat; policy accept
        ip saddr @blocked drop
        fib daddr type local counter jump DOCKER
        dnat to tcp dport map @ports
        dnat to tcp dport map @ranges
        tcp dport vmap @verdicts
        tcp dport @several dnat to 10.0.0.7:70
        tcp dport { 6000, 6002-6004 } dnat to 10.0.0.8:9000-9003
        tcp dport != { 1-60000 } dnat to 10.0.0.9
        tcp dport >= 65000 dnat to 10.0.0.10
        tcp dport != 22 ip daddr 203.0.113.7 dnat to 10.0.0.11
        ip daddr 203.0.113.7 dnat to 10.0.0.12
        meta l4proto { tcp, udp } th dport 7000 dnat to 10.0.0.13
        ip daddr . tcp dport { 203.0.113.7 . 7001, 203.0.113.8 . 7002-7003 } dnat to 10.0.0.14
        dnat to ip daddr . tcp dport map { 203.0.113.7 . 7011 : 10.0.0.15 . 7111 }
        tcp dport 7020 dnat to numgen inc mod 2 map { 0 : 10.0.0.16, 1 : 10.0.0.17 }
        tcp sport 1 tcp dport 7040 dnat to 10.0.0.19
        tcp dport 7050 redirect to :7051
        dnat ip prefix to ip daddr map { 198.51.100.0/30 : 10.0.1.0/30 }
        meta l4proto tcp ct original proto-dst 7060 dnat to 10.0.0.20
        tcp dport & 255 == 1 dnat to 10.0.0.21
    }
    chain OUTPUT {
        type nat hook output priority -100; policy accept
        tcp dport 7070 dnat to 10.0.0.99
    }
    chain unused { tcp dport 7071 dnat to 10.0.0.99; }
}
table inet other {
    chain first {
        type nat hook prerouting priority dstnat; policy accept
        tcp dport 443 dnat ip to 10.0.0.22:8443
        tcp dport 443 dnat ip6 to [fd00::22]:8443
    }
    chain filter { type filter hook input priority 0; tcp dport 1 accept; }
}
table ip6 nat {
    chain first {
        type nat hook prerouting priority dstnat; policy accept
        tcp dport 80 dnat to [fd00::2]:8080
        ip6 nexthdr udp udp dport 81 dnat to fd00::3
    }
}
"""

IPTABLES = """
-N MORE
-A PREROUTING -j MORE
-A MORE ! -i docker0 -p tcp -m tcp --dport 18080 -j DNAT --to-destination 10.0.2.2:80
-A MORE -p tcp -m multiport --dports 18081,18090:18095 -j DNAT --to-destination 10.0.2.3
-A MORE -p tcp -m tcp --dport 18100:18110 -j DNAT --to-destination 10.0.2.4:8100-8110/18100
-A MORE -p udp -m udp ! --dport 18200 -j DNAT --to-destination 10.0.2.5:200
-A MORE -d 203.0.113.9 -j DNAT --to-destination 10.0.2.6
-A MORE -p tcp -m multiport ! --dports 1:60000 -j DNAT --to-destination 10.0.2.7-10.0.2.8:70-71
-A MORE -p tcp -m multiport --ports 5 -j DNAT --to-destination 10.0.2.9
-A MORE -p tcp --dport 18300 -j REDIRECT --to-ports 5
-A MORE -d 198.51.100.0/30 -p tcp -j NETMAP --to 10.0.3.0/30
"""
IP6TABLES = """
-A PREROUTING -p tcp -m tcp --dport 18080 -j DNAT --to-destination [fd00::4:2]:80
-A PREROUTING -p udp -m udp --dport 18100:18110 -j DNAT --to-destination [fd00::4:4]:8100-8110/18100
-A PREROUTING -d 2001:db8::1 -j DNAT --to-destination fd00::4:5
"""

RECORDINGS = sorted(Path(__file__).parent.glob("natrules-*.json"))


class Recording:
    """
    One that was made.

    @ivar answers: question and answer.
    """

    def __init__(self, file: Path) -> None:
        self.answers: dict[bytes, list[tuple[int, bytes]]] = {
            bytes.fromhex(question): [(kind, bytes.fromhex(body)) for kind, body in answer]
            for question, answer in json.loads(file.read_text()).items()
        }

    def ask(self, question: bytes) -> Answer:
        """What the kernel answered."""
        return self.answers[question]


def record() -> None:
    """Make the rules, and print what the kernel tells of them."""
    from pkdoors.firewall.netlink.kernel import Kernel
    from pkdoors.firewall.ways.natrules import readForwards

    run("nft", "-f", "-", text=RULES)
    for command, rules in (("iptables-nft", IPTABLES), ("ip6tables-nft", IP6TABLES)):
        for rule in rules.strip().splitlines():
            run(command, "-w", "-t", "nat", *rule.split())
    kernel, told = Kernel(), {}

    def ask(question: bytes) -> Answer:
        answer = kernel.dump(question)
        told[question.hex()] = [(kind, body.hex()) for kind, body in answer]
        return answer

    readForwards(ask)
    lines = (f"{json.dumps(question)}: {json.dumps(answer)}" for question, answer in told.items())
    sys.stdout.write("{{\n{}\n}}\n".format(",\n".join(lines)))


def run(*argv: str, text: str = "") -> None:
    """Run a program."""
    subprocess.run(argv, input=text, text=True, check=True)


if __name__ == "__main__":
    record()
