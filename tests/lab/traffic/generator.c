/*
 * Sends UDP datagrams from made-up IPv4 addresses, at a given rate, through a packet socket.
 *
 *   generator DEVICE MAC TARGET FIRST SOURCES PORTS PAYLOADS LENGTH MODE RATE COUNT
 *
 * The datagrams come from FIRST, FIRST + 1, ... (SOURCES addresses, over and over) and go to the host
 * TARGET, whose hardware address is MAC. PAYLOADS is a file of payloads of LENGTH bytes each, which are
 * sent in turn. MODE "each" sends every datagram from another source, to one of PORTS at random; MODE
 * "full" sends, from each source, one datagram to every port, in order. RATE is datagrams a second, 0
 * for as many as possible. The program ends after COUNT datagrams, or on SIGTERM, and prints
 * {"sent": N, "seconds": S}.
 *
 * Use it only in a network namespace that belongs to a test or a benchmark.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, LONGEST = 1400, MOST_PORTS = 64 };

struct frame {
    struct ether_header ether;
    struct iphdr ip;
    struct udphdr udp;
    char payload[LONGEST];
} __attribute__((packed));

static volatile sig_atomic_t ended;
static void end(int signal) { (void)signal; ended = 1; }

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void sleep_until(double due) {
    struct timespec t = {(time_t)due, (long)((due - (time_t)due) * 1e9)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* The checksum of an IPv4 header; RFC 791. */
static uint16_t checksum(const void *header) {
    const uint16_t *words = header;
    uint32_t sum = 0;
    for (int i = 0; i < 10; i++) sum += words[i];
    sum = (sum & 0xffff) + (sum >> 16);
    return ~(sum + (sum >> 16));
}

/* xorshift; Marsaglia 2003. */
static uint32_t random32(void) {
    static uint32_t state = 2463534242u;
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
}

static char *read_all(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    char *bytes = malloc(*size + 1);
    if (bytes) *size = fread(bytes, 1, *size, file);
    fclose(file);
    return bytes;
}

int main(int argc, char **argv) {
    if (argc != 12) return fprintf(stderr, "generator: see the comment in generator.c\n"), 2;
    uint32_t first = ntohl(inet_addr(argv[4])), sources = strtoul(argv[5], NULL, 10);
    uint16_t ports[MOST_PORTS];
    uint32_t nports = 0;
    for (char *p = strtok(argv[6], ","); p && nports < MOST_PORTS; p = strtok(NULL, ","))
        ports[nports++] = htons(atoi(p));
    size_t size = 0, length = strtoul(argv[8], NULL, 10);
    char *payloads = read_all(argv[7], &size);
    int full = !strcmp(argv[9], "full");
    double rate = atof(argv[10]);
    uint64_t count = strtoull(argv[11], NULL, 10);
    if (!payloads || !length || length > LONGEST || size < length || !nports || !sources)
        return fprintf(stderr, "generator: nothing to send\n"), 2;
    uint64_t kinds = size / length;

    int fd = socket(AF_PACKET, SOCK_RAW, 0), yes = 1;
    struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(argv[1])};
    if (fd < 0 || bind(fd, (struct sockaddr *)&link, sizeof link)) return perror("generator"), 1;
    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes);
    signal(SIGTERM, end);

    static struct frame frames[BATCH];
    struct iovec parts[BATCH];
    struct mmsghdr messages[BATCH];
    memset(messages, 0, sizeof messages);
    for (int k = 0; k < BATCH; k++) {
        struct frame *f = &frames[k];
        memcpy(f->ether.ether_dhost, ether_aton(argv[2]), ETH_ALEN);
        memcpy(f->ether.ether_shost, "\2\0\0\0\0\1", ETH_ALEN); /* locally administered */
        f->ether.ether_type = htons(ETHERTYPE_IP);
        f->ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP,
                               .tot_len = htons(28 + length), .daddr = inet_addr(argv[3])};
        f->udp.source = htons(40000);
        f->udp.len = htons(8 + length); /* no checksum, which IPv4 allows */
        parts[k] = (struct iovec){f, 42 + length};
        messages[k].msg_hdr.msg_iov = &parts[k];
        messages[k].msg_hdr.msg_iovlen = 1;
    }

    /* A batch holds at most as much as one millisecond sends. */
    int batch = rate <= 0 || rate >= BATCH * 1000 ? BATCH : rate < 1000 ? 1 : (int)(rate / 1000);
    double began = now();
    uint64_t sent = 0;
    while (sent < count && !ended) {
        int n = count - sent < (uint64_t)batch ? (int)(count - sent) : batch;
        for (int k = 0; k < n; k++) {
            struct frame *f = &frames[k];
            uint64_t i = sent + k, group = full ? i / nports : i;
            f->ip.saddr = htonl(first + group % sources);
            f->ip.check = 0;
            f->ip.check = checksum(&f->ip);
            f->udp.dest = ports[full ? i % nports : random32() % nports];
            memcpy(f->payload, payloads + group % kinds * length, length);
        }
        for (int done = 0; done < n;) {
            int some = sendmmsg(fd, messages + done, n - done, 0);
            if (some <= 0) return perror("generator"), 1;
            done += some;
        }
        sent += n;
        if (rate > 0 && began + sent / rate > now()) sleep_until(began + sent / rate);
    }
    printf("{\"sent\": %llu, \"seconds\": %.3f}\n", (unsigned long long)sent, now() - began);
    return 0;
}
