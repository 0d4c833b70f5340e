/* handover FILE: from just before a flock(2) is given up to its taking by a process that waits for it. */
#define _GNU_SOURCE
#include "turn.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int lock, ask[2], answer[2];

static double op(int caller)
{
	(void)caller;
	double begin, taken;
	if (flock(lock, LOCK_EX) || write(ask[1], "", 1) != 1)
		fail("flock");
	usleep(3000); /* until the other waits */
	begin = now();
	if (flock(lock, LOCK_UN) || read(answer[0], &taken, sizeof taken) != sizeof taken)
		fail("flock");
	return taken - begin;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	if ((lock = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0 || pipe(ask) || pipe(answer))
		fail(argv[1]);
	if (!fork()) {
		char c;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		int own = open(argv[1], O_RDWR | O_CLOEXEC);
		while (read(ask[0], &c, 1) == 1) {
			if (flock(own, LOCK_EX))
				_exit(1);
			double t = now();
			if (flock(own, LOCK_UN) || write(answer[1], &t, sizeof t) != sizeof t)
				_exit(1);
		}
		_exit(0);
	}
	return turns(op);
}
