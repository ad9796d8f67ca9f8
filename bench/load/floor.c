/*
 * The least that any server does: takes datagrams in batches, writes the ID of each into one ready answer, and sends
 * them in batches. Reads no question. `floor FILE`: the file holds the answer. Prints the port of 127.0.0.1 it has.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, OCTETS = 512, ID_OCTETS = 2 };

int main(int count, char **arguments) {
    static unsigned char answer[OCTETS], in[BATCH][OCTETS], out[BATCH][OCTETS];
    static struct sockaddr_in names[BATCH];
    static struct iovec received[BATCH], sent[BATCH];
    static struct mmsghdr receives[BATCH], sends[BATCH];
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
    if (file == NULL) return 2;
    size_t length = fread(answer, 1, sizeof answer, file);
    fclose(file);

    int listener = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t name_length = sizeof name;
    if (bind(listener, (struct sockaddr *)&name, sizeof name) != 0) return 1;
    getsockname(listener, (struct sockaddr *)&name, &name_length);
    printf("%d\n", ntohs(name.sin_port));
    fflush(stdout);

    for (int at = 0; at < BATCH; at += 1) {
        memcpy(out[at], answer, length);
        received[at] = (struct iovec){in[at], OCTETS};
        sent[at] = (struct iovec){out[at], length};
        receives[at].msg_hdr = (struct msghdr){.msg_name = &names[at], .msg_iov = &received[at], .msg_iovlen = 1};
        sends[at].msg_hdr = receives[at].msg_hdr;
        sends[at].msg_hdr.msg_iov = &sent[at];
        sends[at].msg_hdr.msg_namelen = sizeof names[at];
    }
    for (;;) {
        for (int at = 0; at < BATCH; at += 1) receives[at].msg_hdr.msg_namelen = sizeof names[at];
        int messages = recvmmsg(listener, receives, BATCH, MSG_WAITFORONE, NULL);
        for (int at = 0; at < messages; at += 1) memcpy(out[at], in[at], ID_OCTETS);
        for (int at = 0; at < messages;) {
            int some = sendmmsg(listener, sends + at, messages - at, 0);
            at += some > 0 ? some : 1;
        }
    }
}
