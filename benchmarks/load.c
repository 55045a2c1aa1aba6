/* Load for echo servers: N WebSockets with M messages of 64 bytes in flight each, on one thread.
 *
 *     load echo PORT CONNECTIONS IN_FLIGHT MESSAGES     every echoed payload is checked
 *     load large PORT CONNECTIONS SIZE MESSAGES          one long text in flight on each, checked too
 *     load deflate PORT CONNECTIONS IN_FLIGHT SIZE MESSAGES   compressed JSON of about that size, and each
 *                                                        echo is inflated and checked; a fifth figure:
 *                                                        bytes of an echo on the wire
 *     load connect PORT CONNECTIONS                      connects, shakes hands, holds until EOF on stdin
 *     load events PORT STREAMS EVENTS                    counts the events of event streams; says
 *                                                        "steady" when what was sent ahead is read
 *
 * With BENCH_DEFLATE in the environment each WebSocket offers permessage-deflate, and it has to be taken.
 *
 * It prints "messages seconds p50_us p99_us" and exits with 0, or says what went wrong. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum { SIZE = 64, SENT = SIZE + 6, GOT = SIZE + 2, MAX_FLIGHT = 1024 };

struct connection {
    int fd;
    long waiting_for;           /* of the ring below, the oldest message in flight */
    double sent_at[MAX_FLIGHT]; /* when each message in flight was sent */
    int length;
    unsigned char buffer[1 << 16];
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what) {
    fprintf(stderr, "load: %s (%s)\n", what, strerror(errno));
    exit(1);
}

static int open_socket(int port, int receive_buffer) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (receive_buffer) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) fail("can't connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void ask(int fd, const char *request, const char *status) {
    char head[4096];
    size_t length = 0;
    if (write(fd, request, strlen(request)) < 0) fail("can't send a request");
    do {
        ssize_t got = read(fd, head + length, 1); /* byte by byte: what follows is not ours */
        if (got <= 0 || ++length >= sizeof head - 1) fail("no answer");
        head[length] = 0;
    } while (!strstr(head, "\r\n\r\n"));
    if (!strstr(head, status)) {
        fprintf(stderr, "%s", head);
        fail("refused");
    }
}

#define HANDSHAKE                                                                                      \
    "GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"             \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

static int open_websocket(int port) {
    int fd = open_socket(port, 0);
    if (getenv("BENCH_DEFLATE"))
        ask(fd,
            HANDSHAKE "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12; "
                      "client_max_window_bits=12\r\n\r\n",
            "permessage-deflate");
    else
        ask(fd, HANDSHAKE "\r\n", " 101 ");
    return fd;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(long messages, double seconds, double *latencies, long count) {
    qsort(latencies, (size_t)count, sizeof *latencies, compare);
    printf("%ld %.6f %.1f %.1f\n", messages, seconds, latencies[count / 2] * 1e6,
           latencies[count * 99 / 100] * 1e6);
}

static void echo(int port, int connections, int in_flight, long messages) {
    unsigned char frame[SENT] = {0x81, 0x80 | SIZE, 0x37, 0xfa, 0x21, 0x3d}, answer[GOT] = {0x81, SIZE};
    for (int i = 0; i < SIZE; i++) {
        answer[2 + i] = (unsigned char)('a' + i % 26);
        frame[6 + i] = answer[2 + i] ^ frame[2 + i % 4];
    }
    unsigned char *burst = malloc((size_t)(SENT * in_flight));
    for (int i = 0; i < in_flight; i++) memcpy(burst + SENT * i, frame, SENT);
    struct connection *all = calloc((size_t)connections, sizeof *all);
    double *latencies = malloc((size_t)(messages + (long)connections * in_flight) * sizeof *latencies);
    int poll = epoll_create1(0);
    for (int i = 0; i < connections; i++) {
        all[i].fd = open_websocket(port);
        fcntl(all[i].fd, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
    }
    double began = now();
    for (int i = 0; i < connections; i++) {
        for (int j = 0; j < in_flight; j++) all[i].sent_at[j] = began;
        if (write(all[i].fd, burst, (size_t)(SENT * in_flight)) != SENT * in_flight) fail("short write");
    }
    long done = 0;
    struct epoll_event events[256];
    while (done < messages) {
        int ready = epoll_wait(poll, events, 256, 10000);
        if (ready <= 0) fail("the server has stopped answering");
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            ssize_t got = read(c->fd, c->buffer + c->length, sizeof c->buffer - (size_t)c->length);
            if (got <= 0) fail("the server has closed a connection");
            c->length += (int)got;
            int whole = c->length / GOT;
            double time = now();
            for (int j = 0; j < whole; j++) {
                if (memcmp(c->buffer + GOT * j, answer, GOT)) fail("a wrong echo");
                latencies[done++] = time - c->sent_at[c->waiting_for];
                c->sent_at[c->waiting_for] = time;
                c->waiting_for = (c->waiting_for + 1) % in_flight;
            }
            memmove(c->buffer, c->buffer + GOT * whole, (size_t)(c->length - GOT * whole));
            c->length -= GOT * whole;
            if (whole && write(c->fd, burst, (size_t)(SENT * whole)) != SENT * whole) fail("short write");
        }
    }
    report(done, now() - began, latencies, done);
}

/* Messages of chat, of which one is like another and none is the same. */
enum { TEXTS = 64 };
struct text {
    unsigned char *plain, *frame;
    long size, frame_size;
};

static long write_chat(char *out, unsigned *seed, long size) {
    static const char *words[] = {"the", "people", "of", "where", "house", "again", "and", "little",
                                  "because", "to", "night", "you", "something", "world", "in", "that"};
    static const char *names[] = {"alice", "bob", "carol", "dave"};
    unsigned n = *seed = *seed * 1103515245u + 12345u;
    long at = sprintf(out, "{\"type\":\"message\",\"room\":\"general\",\"id\":%u,\"user\":{\"id\":%u,"
                           "\"name\":\"%s\"},\"at\":\"2026-11-25T23:%02u:%02uZ\",\"text\":\"",
                      n, n >> 8 & 1023, names[n >> 20 & 3], n >> 4 & 31, n >> 9 & 31);
    while (at < size - 12) {
        *seed = *seed * 1103515245u + 12345u;
        at += sprintf(out + at, "%s ", words[*seed >> 16 & 15]);
    }
    return at + sprintf(out + at, "\"}");
}

/* Compresses each by itself: whatever context the server keeps, it may be sent any number of times. */
static void make_text(struct text *t, unsigned *seed, long size) {
    static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
    char *plain = malloc((size_t)size + 1024);
    t->size = size < 400 ? write_chat(plain, seed, size) : 1;
    if (size >= 400) {
        plain[0] = '[';
        while (t->size < size - 250) {
            t->size += write_chat(plain + t->size, seed, 200);
            plain[t->size++] = ',';
        }
        t->size += write_chat(plain + t->size, seed, 200);
        plain[t->size++] = ']';
    }
    t->plain = (unsigned char *)plain;
    z_stream z = {0};
    unsigned long room = (unsigned long)t->size + 1024;
    unsigned char *out = malloc(room + 14);
    deflateInit2(&z, 6, Z_DEFLATED, -12, 5, Z_DEFAULT_STRATEGY);
    z.next_in = t->plain, z.avail_in = (unsigned)t->size, z.next_out = out + 14, z.avail_out = (unsigned)room;
    deflate(&z, Z_SYNC_FLUSH);
    long length = (long)z.total_out - 4, head = length < 126 ? 6 : 8;
    deflateEnd(&z);
    t->frame = out + 14 - head;
    t->frame_size = head + length;
    for (long i = 0; i < length; i++) out[14 + i] ^= key[i % 4];
    t->frame[0] = 0xc1;
    t->frame[1] = (unsigned char)(0x80 | (length < 126 ? length : 126));
    if (length >= 126) t->frame[2] = (unsigned char)(length >> 8), t->frame[3] = (unsigned char)length;
    memcpy(t->frame + head - 4, key, 4);
}

struct talk {
    int fd;
    long next, wanted, length, in_flight; /* texts sent and awaited; bytes in the buffer */
    double sent_at[MAX_FLIGHT];
    z_stream z;
    unsigned char buffer[1 << 18];
};

static void say(struct talk *t, struct text *texts) {
    struct text *text = &texts[t->next % TEXTS];
    t->sent_at[t->next % t->in_flight] = now();
    if (write(t->fd, text->frame, (size_t)text->frame_size) != text->frame_size) fail("short write");
    t->next++;
}

/* Takes an echo from the buffer at ``at``; gives its bytes, 0 if it is not whole. */
static long hear(struct talk *t, struct text *texts, long at) {
    static unsigned char plain[1 << 18];
    static unsigned char tail[4] = {0, 0, 0xff, 0xff};
    unsigned char *frame = t->buffer + at;
    long left = t->length - at, head = 2;
    if (left < 4) return 0;
    long length = frame[1];
    if (length == 126) length = frame[2] << 8 | frame[3], head = 4;
    if (left < head + length) return 0;
    if (frame[0] != 0xc1) fail("an echo that is not compressed");
    struct text *text = &texts[t->wanted++ % TEXTS];
    t->z.next_in = frame + head, t->z.avail_in = (unsigned)length;
    t->z.next_out = plain, t->z.avail_out = sizeof plain;
    int first = inflate(&t->z, Z_SYNC_FLUSH);
    t->z.next_in = tail, t->z.avail_in = 4;
    int second = inflate(&t->z, Z_SYNC_FLUSH);
    if ((first != Z_OK && first != Z_BUF_ERROR) || (second != Z_OK && second != Z_BUF_ERROR)) fail("can't inflate");
    if ((long)(sizeof plain - t->z.avail_out) != text->size || memcmp(plain, text->plain, (size_t)text->size))
        fail("a wrong echo");
    return head + length;
}

static void talk(int port, int connections, int in_flight, long size, long messages) {
    static struct text texts[TEXTS];
    unsigned seed = 7;
    for (int i = 0; i < TEXTS; i++) make_text(&texts[i], &seed, size);
    struct talk *all = calloc((size_t)connections, sizeof *all);
    double *latencies = malloc((size_t)(messages + (long)connections * in_flight) * sizeof *latencies);
    int poll = epoll_create1(0);
    for (int i = 0; i < connections; i++) {
        all[i].fd = open_websocket(port);
        all[i].in_flight = in_flight;
        inflateInit2(&all[i].z, -15);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
    }
    double began = now();
    for (int i = 0; i < connections; i++)
        for (int j = 0; j < in_flight; j++) say(&all[i], texts);
    long done = 0, bytes = 0;
    struct epoll_event events[256];
    while (done < messages) {
        int ready = epoll_wait(poll, events, 256, 10000);
        if (ready <= 0) fail("the server has stopped answering");
        for (int i = 0; i < ready; i++) {
            struct talk *t = events[i].data.ptr;
            ssize_t got = read(t->fd, t->buffer + t->length, sizeof t->buffer - (size_t)t->length);
            if (got <= 0) fail("the server has closed a connection");
            t->length += got;
            long at = 0, taken;
            while ((taken = hear(t, texts, at))) {
                at += taken, bytes += taken;
                latencies[done++] = now() - t->sent_at[(t->wanted - 1) % in_flight];
            }
            memmove(t->buffer, t->buffer + at, (size_t)(t->length - at));
            t->length -= at;
            while (t->next - t->wanted < in_flight) say(t, texts);
        }
    }
    double seconds = now() - began;
    qsort(latencies, (size_t)done, sizeof *latencies, compare);
    printf("%ld %.6f %.1f %.1f %.1f\n", done, seconds, latencies[done / 2] * 1e6,
           latencies[done * 99 / 100] * 1e6, (double)bytes / (double)done);
}

struct transfer {
    int fd;
    long sent, got; /* bytes of the message in flight, and of its echo */
    double sent_at;
};

/* Moves a connection on as far as it goes; gives 1 when an echo is complete. */
static int move_on(struct transfer *t, const unsigned char *frame, long frame_size,
                   const unsigned char *answer, long answer_size) {
    static unsigned char buffer[1 << 20];
    ssize_t n;
    while (t->sent < frame_size && (n = write(t->fd, frame + t->sent, (size_t)(frame_size - t->sent))) > 0)
        t->sent += n;
    while (t->got < answer_size) {
        long left = answer_size - t->got;
        n = read(t->fd, buffer, left < (long)sizeof buffer ? (size_t)left : sizeof buffer);
        if (n == 0) fail("the server has closed a connection");
        if (n < 0) {
            if (errno != EAGAIN) fail("can't read");
            return 0;
        }
        if (memcmp(buffer, answer + t->got, (size_t)n)) fail("a wrong echo");
        t->got += n;
    }
    return 1;
}

static void large(int port, int connections, long size, long messages) {
    unsigned char head[14] = {0x81, 0xff}, key[4] = {0x37, 0xfa, 0x21, 0x3d};
    long head_size = size < 65536 ? 4 : 10;
    if (size < 126) fail("use echo for short messages");
    head[1] = size < 65536 ? 0xfe : 0xff;
    for (long i = 2; i < head_size; i++) head[i] = (unsigned char)(size >> 8 * (head_size - 1 - i));
    long frame_size = head_size + 4 + size, answer_size = head_size + size;
    unsigned char *frame = malloc((size_t)frame_size), *answer = malloc((size_t)answer_size);
    memcpy(frame, head, (size_t)head_size);
    memcpy(answer, head, (size_t)head_size);
    answer[1] &= 0x7f;
    memcpy(frame + head_size, key, 4);
    for (long i = 0; i < size; i++) {
        answer[head_size + i] = (unsigned char)('a' + i % 26);
        frame[head_size + 4 + i] = answer[head_size + i] ^ key[i % 4];
    }
    struct transfer *all = calloc((size_t)connections, sizeof *all);
    double *latencies = malloc((size_t)(messages + connections) * sizeof *latencies);
    int poll = epoll_create1(0);
    for (int i = 0; i < connections; i++) {
        all[i].fd = open_websocket(port);
        fcntl(all[i].fd, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = &all[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
    }
    double began = now();
    long done = 0;
    for (int i = 0; i < connections; i++) all[i].sent_at = began;
    struct epoll_event events[256];
    while (done < messages) {
        int ready = epoll_wait(poll, events, 256, 10000);
        if (ready <= 0) fail("the server has stopped answering");
        for (int i = 0; i < ready; i++) {
            struct transfer *t = events[i].data.ptr;
            while (move_on(t, frame, frame_size, answer, answer_size)) {
                double time = now();
                latencies[done++] = time - t->sent_at;
                t->sent = t->got = 0;
                t->sent_at = time;
                if (done >= messages) break;
            }
        }
    }
    report(done, now() - began, latencies, done);
}

static void hold(int port, int connections) {
    double began = now(), *latencies = malloc((size_t)connections * sizeof *latencies);
    for (int i = 0; i < connections; i++) {
        double start = now();
        open_websocket(port);
        latencies[i] = now() - start;
    }
    report(connections, now() - began, latencies, connections);
    fflush(stdout);
    while (getchar() != EOF) {}
}

static void events(int port, int streams, long wanted) {
    int poll = epoll_create1(0);
    for (int i = 0; i < streams; i++) {
        int fd = open_socket(port, 1 << 16); /* little is sent ahead */
        ask(fd, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n", " 200 ");
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    }
    static char buffer[1 << 18];
    double opened = now(), began = 0, none[1] = {0};
    long seen = 0, until = 0;
    struct epoll_event ready[256];
    while (!began || seen < until) {
        if (!began && now() - opened > 1.0) { /* megabytes may have been sent ahead */
            began = now();
            until = seen + wanted;
            printf("steady\n");
            fflush(stdout);
        }
        int count = epoll_wait(poll, ready, 256, 10000);
        if (count <= 0) fail("the server has stopped sending");
        for (int i = 0; i < count; i++) {
            ssize_t got = read(ready[i].data.fd, buffer, sizeof buffer);
            if (got <= 0) fail("the server has ended a stream");
            for (ssize_t j = 0; j + 1 < got; j++) seen += buffer[j] == '$'; /* one in each event */
        }
    }
    report(wanted, now() - began, none, 1);
}

int main(int argc, char **argv) {
    if (argc == 6 && !strcmp(argv[1], "echo"))
        echo(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atol(argv[5]));
    else if (argc == 6 && !strcmp(argv[1], "large"))
        large(atoi(argv[2]), atoi(argv[3]), atol(argv[4]), atol(argv[5]));
    else if (argc == 7 && !strcmp(argv[1], "deflate"))
        talk(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atol(argv[5]), atol(argv[6]));
    else if (argc == 4 && !strcmp(argv[1], "connect"))
        hold(atoi(argv[2]), atoi(argv[3]));
    else if (argc == 5 && !strcmp(argv[1], "events"))
        events(atoi(argv[2]), atoi(argv[3]), atol(argv[4]));
    else
        fail("usage: load echo|large|connect|events PORT ...");
    return 0;
}
