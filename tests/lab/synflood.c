/*
 * Sends bare SYNs from random source ports through a packet socket, and counts the SYN/ACKs that come
 * back.
 *
 *   synflood DEVICE MAC PORT RATE SOURCE4 TARGET4 SOURCE6 TARGET6
 *
 * The hosts TARGET4 and TARGET6 are one, whose hardware address is MAC; IPv4 and IPv6 take turns. RATE
 * is SYNs a second. Prints "sending" when it begins, and when it is told to end (SIGTERM)
 * {"sent": N, "answered": N, "lost": N}; "lost" answers were too many to be looked at.
 *
 * For a network namespace of a test's own, and nothing else.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 30 };

/* The padding aligns what follows the 14 bytes of Ethernet. */
struct frame4 {
    uint16_t padding;
    struct ether_header ether;
    struct iphdr ip;
    struct tcphdr tcp;
};

struct frame6 {
    uint16_t padding;
    struct ether_header ether;
    struct ip6_hdr ip;
    struct tcphdr tcp;
};

enum { LENGTH4 = sizeof(struct frame4) - 2, LENGTH6 = sizeof(struct frame6) - 2 };

static volatile sig_atomic_t ended;
static void end(int signal) { (void)signal; ended = 1; }

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* xorshift; Marsaglia 2003. */
static uint32_t random32(void) {
    static uint32_t state = 2463534242u;
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
}

static uint32_t sum(const void *bytes, int length) {
    const uint16_t *words = bytes;
    uint32_t total = 0;
    for (int i = 0; i < length / 2; i++) total += words[i];
    return total;
}

static uint16_t fold(uint32_t total) {
    total = (total & 0xffff) + (total >> 16);
    return ~(total + (total >> 16));
}

/* All of a segment that is the same in all, without its checksum. */
static struct tcphdr syn(uint16_t port) {
    return (struct tcphdr){.dest = htons(port), .doff = 5, .syn = 1, .window = htons(64240)};
}

static void finish(struct tcphdr *tcp, uint32_t addresses) {
    tcp->source = htons(1024 + random32() % 64000);
    tcp->seq = random32();
    tcp->check = 0;
    tcp->check = fold(addresses + htons(IPPROTO_TCP) + htons(sizeof *tcp) + sum(tcp, sizeof *tcp));
}

static void ether(struct ether_header *header, const char *mac, uint16_t type) {
    memcpy(header->ether_dhost, ether_aton(mac), ETH_ALEN);
    memcpy(header->ether_shost, "\2\0\0\0\0\1", ETH_ALEN); /* locally administered */
    header->ether_type = htons(type);
}

/* What is TCP, from PORT, with SYN and ACK, in packets without options or extension headers. */
static int listen_for(const char *device, uint16_t port) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ, ETHERTYPE_IPV6, 7, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ, ETHERTYPE_IP, 0, 13),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
        BPF_JUMP(BPF_JMP | BPF_JEQ, IPPROTO_TCP, 0, 11),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 34),
        BPF_JUMP(BPF_JMP | BPF_JEQ, port, 0, 9),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 47),
        BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
        BPF_JUMP(BPF_JMP | BPF_JEQ, IPPROTO_TCP, 0, 5),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 54),
        BPF_JUMP(BPF_JMP | BPF_JEQ, port, 0, 3),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 67),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
        BPF_JUMP(BPF_JMP | BPF_JEQ, 0x12, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 96),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
                               .sll_ifindex = if_nametoindex(device)};
    int fd = socket(AF_PACKET, SOCK_RAW, 0), size = 1 << 23;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) ||
        bind(fd, (struct sockaddr *)&link, sizeof link))
        return -1;
    return fd;
}

static uint64_t heard(int fd) {
    uint64_t count = 0;
    char byte;
    while (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) > 0) count++;
    return count;
}

int main(int argc, char **argv) {
    if (argc != 9) return fprintf(stderr, "synflood: see the comment in synflood.c\n"), 2;
    uint16_t port = atoi(argv[3]);
    double rate = atof(argv[4]);
    int ears = listen_for(argv[1], port), fd = socket(AF_PACKET, SOCK_RAW, 0), yes = 1;
    struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(argv[1])};
    if (ears < 0 || fd < 0 || bind(fd, (struct sockaddr *)&link, sizeof link))
        return perror("synflood"), 1;
    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes);
    signal(SIGTERM, end);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* nobody wants this to go on when the test was killed */

    static struct frame4 frames4[BATCH];
    static struct frame6 frames6[BATCH];
    struct iovec parts[BATCH];
    struct mmsghdr messages[BATCH];
    memset(messages, 0, sizeof messages);
    for (int k = 0; k < BATCH; k++) {
        struct frame4 *f = &frames4[k];
        struct frame6 *g = &frames6[k];
        ether(&f->ether, argv[2], ETHERTYPE_IP);
        f->ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP,
                               .tot_len = htons(40), .saddr = inet_addr(argv[5]),
                               .daddr = inet_addr(argv[6])};
        f->ip.check = fold(sum(&f->ip, sizeof f->ip));
        f->tcp = syn(port);
        ether(&g->ether, argv[2], ETHERTYPE_IPV6);
        g->ip.ip6_flow = htonl(6u << 28);
        g->ip.ip6_plen = htons(sizeof g->tcp);
        g->ip.ip6_nxt = IPPROTO_TCP;
        g->ip.ip6_hlim = 64;
        if (inet_pton(AF_INET6, argv[7], &g->ip.ip6_src) != 1 ||
            inet_pton(AF_INET6, argv[8], &g->ip.ip6_dst) != 1)
            return fprintf(stderr, "synflood: not an IPv6 address\n"), 2;
        g->tcp = syn(port);
        parts[k] = k % 2 ? (struct iovec){&g->ether, LENGTH6} : (struct iovec){&f->ether, LENGTH4};
        messages[k].msg_hdr.msg_iov = &parts[k];
        messages[k].msg_hdr.msg_iovlen = 1;
    }
    uint32_t sum4 = sum(&frames4[0].ip.saddr, 8), sum6 = sum(&frames6[0].ip.ip6_src, 32);

    printf("sending\n");
    fflush(stdout);
    double began = now();
    uint64_t sent = 0, answered = 0;
    while (!ended) {
        for (int k = 0; k < BATCH; k++) {
            if (k % 2) finish(&frames6[k].tcp, sum6);
            else finish(&frames4[k].tcp, sum4);
        }
        for (int done = 0; done < BATCH;) {
            int some = sendmmsg(fd, messages + done, BATCH - done, 0);
            if (some <= 0) return perror("synflood"), 1;
            done += some;
        }
        sent += BATCH;
        answered += heard(ears);
        double ahead = began + sent / rate - now();
        if (ahead > 0) {
            struct timespec t = {(time_t)ahead, (long)((ahead - (time_t)ahead) * 1e9)};
            nanosleep(&t, NULL);
        } else if (ahead < -0.1) {
            began -= ahead; /* what could not be sent in time is not sent all at once later */
        }
    }
    struct timespec last = {0, 200000000};
    nanosleep(&last, NULL);
    answered += heard(ears);
    struct tpacket_stats stats = {0};
    socklen_t size = sizeof stats;
    getsockopt(ears, SOL_PACKET, PACKET_STATISTICS, &stats, &size);
    printf("{\"sent\": %llu, \"answered\": %llu, \"lost\": %u}\n", (unsigned long long)sent,
           (unsigned long long)answered, stats.tp_drops);
    return 0;
}
