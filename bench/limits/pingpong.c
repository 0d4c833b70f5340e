/* pingpong: 40 bytes to another process over a stream socketpair, and back. Each caller has a pair and a process of its own. */
#include "turn.h"
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 40, CALLERS = 64 };
static int sockets[CALLERS];

static double op(int caller)
{
	char buf[SIZE] = {1};
	double begin = now();
	if (write(sockets[caller], buf, SIZE) != SIZE || read(sockets[caller], buf, SIZE) != SIZE)
		fail("round trip");
	return now() - begin;
}

int main(void)
{
	for (int i = 0; i < CALLERS; i++) {
		int pair[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
			fail("socketpair");
		sockets[i] = pair[0];
		switch (fork()) {
		case -1:
			fail("fork");
		case 0: {
			char buf[SIZE];
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			while (read(pair[1], buf, SIZE) > 0)
				if (write(pair[1], buf, SIZE) != SIZE)
					_exit(1);
			_exit(0);
		}
		}
		close(pair[1]);
	}
	return turns(op);
}
