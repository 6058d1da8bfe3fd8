// The UDP Pinger of Kurose and Ross's textbook by BSD sockets: `pinger HOST:PORT`.

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PINGS = 10, TIMEOUT_MS = 1000 };

// Milliseconds since some moment.
static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

// Returns a socket that is connected to HOST:PORT, or -1.
static int connected(const char *server)
{
	char host[256];
	const char *colon = strrchr(server, ':');
	if (!colon || colon == server || !colon[1] || (size_t)(colon - server) >= sizeof host) {
		fprintf(stderr, "usage: pinger HOST:PORT\n");
		exit(2);
	}
	snprintf(host, sizeof host, "%.*s", (int)(colon - server), server);
	struct addrinfo wanted = { .ai_family = AF_INET, .ai_socktype = SOCK_DGRAM }, *found;
	int error = getaddrinfo(host, colon + 1, &wanted, &found);
	if (error) {
		fprintf(stderr, "cannot resolve %s: %s\n", server, gai_strerror(error));
		exit(1);
	}
	int pinger = socket(AF_INET, SOCK_DGRAM, 0);
	// wasi-libc may return 1 from `connect`, which is no error.
	if (pinger < 0 || connect(pinger, found->ai_addr, found->ai_addrlen) < 0) {
		fprintf(stderr, "cannot connect to %s: %s\n", server, strerror(errno));
		exit(1);
	}
	freeaddrinfo(found);
	return pinger;
}

// Waits for the reply to `ping`: those to earlier pings, which were late, are not it.
static bool is_answered(int pinger, const char *ping, double timeout)
{
	char reply[1500];
	for (double left; (left = timeout - now()) > 0;) {
		struct pollfd reading = { .fd = pinger, .events = POLLIN };
		if (poll(&reading, 1, (int)left + 1) <= 0)
			continue;
		// An ICMP error is not a reply, either.
		ssize_t size = recv(pinger, reply, sizeof reply, 0);
		if (size >= 0 && (size_t)size == strlen(ping) && !strncasecmp(reply, ping, size))
			return true;
	}
	return false;
}

int main(int count, char **arguments)
{
	const char *server = count == 2 ? arguments[1] : "";
	int pinger = connected(server);
	double min = 0, max = 0, sum = 0;
	int received = 0;
	for (int seq = 1; seq <= PINGS; seq++) {
		char ping[64];
		struct timespec time;
		clock_gettime(CLOCK_REALTIME, &time);
		snprintf(ping, sizeof ping, "Ping %d %lld.%06ld", seq, (long long)time.tv_sec, time.tv_nsec / 1000);
		double sent = now();
		if (send(pinger, ping, strlen(ping), 0) < 0 && errno != ECONNREFUSED) {
			fprintf(stderr, "cannot send to %s: %s\n", server, strerror(errno));
			return 1;
		}
		if (!is_answered(pinger, ping, sent + TIMEOUT_MS)) {
			printf("%s: seq=%d lost\n", server, seq);
			continue;
		}
		double rtt = now() - sent;
		printf("%s: seq=%d rtt=%.3f ms\n", server, seq, rtt);
		min = received && min < rtt ? min : rtt;
		max = max > rtt ? max : rtt;
		sum += rtt;
		received++;
	}
	printf("%d sent, %d received, %d lost\n", PINGS, received, PINGS - received);
	if (received)
		printf("rtt min/avg/max = %.3f/%.3f/%.3f ms\n", min, sum / received, max);
	return 0;
}
