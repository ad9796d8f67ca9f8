/* One getaddrinfo() as a program makes it that wants both families: prints the addresses, or the error, which is
 * also the exit status. Compiled with each libc of the machine. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(int count, char **words) {
  struct addrinfo hints, *first = NULL;
  if (count != 2) return 64;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  int fault = getaddrinfo(words[1], "80", &hints, &first);
  if (fault != 0) {
    fprintf(stderr, "%s\n", gai_strerror(fault));
    return fault < 0 ? -fault : fault;
  }
  for (struct addrinfo *each = first; each != NULL; each = each->ai_next) {
    char text[INET6_ADDRSTRLEN] = "?";
    if (getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0) puts(text);
  }
  freeaddrinfo(first);
  return 0;
}
