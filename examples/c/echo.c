// A UDP echo server by BSD sockets: `echo PORT`.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int count, char **arguments)
{
	char *end = "?";
	long port = count == 2 ? strtol(arguments[1], &end, 10) : -1;
	if (*end || end == arguments[1] || port < 0 || port > 65535) {
		fprintf(stderr, "usage: echo PORT\n");
		return 2;
	}
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_ANY),
	};
	socklen_t length = sizeof address;
	int echo = socket(AF_INET, SOCK_DGRAM, 0);
	if (echo < 0 || bind(echo, (struct sockaddr *)&address, length) ||
	    getsockname(echo, (struct sockaddr *)&address, &length)) {
		fprintf(stderr, "cannot listen: %s\n", strerror(errno));
		return 1;
	}
	printf("listening on 0.0.0.0:%d\n", ntohs(address.sin_port));
	fflush(stdout);
	static char datagram[1 << 16];
	for (;;) {
		struct sockaddr_in from;
		length = sizeof from;
		ssize_t size = recvfrom(echo, datagram, sizeof datagram, 0, (struct sockaddr *)&from, &length);
		if (size < 0) {
			// An ICMP error for an earlier answer.
			if (errno == ECONNREFUSED)
				continue;
			fprintf(stderr, "cannot receive: %s\n", strerror(errno));
			return 1;
		}
		if (sendto(echo, datagram, size, 0, (struct sockaddr *)&from, length) < 0) {
			int error = errno;
			char peer[INET_ADDRSTRLEN];
			inet_ntop(AF_INET, &from.sin_addr, peer, sizeof peer);
			fprintf(stderr, "cannot answer %s:%d: %s\n", peer, ntohs(from.sin_port), strerror(error));
		}
	}
}
