/* spawn PROGRAM: vfork, execve and waitpid, with the caller's streams. */
#define _GNU_SOURCE
#include "turn.h"
#include <sys/wait.h>
#include <unistd.h>

static char *path, *env[] = {"PATH=/usr/bin:/bin", 0};

static double op(int caller)
{
	(void)caller;
	char *argv[] = {path, 0};
	int status;
	double begin = now();
	pid_t pid = vfork();
	if (!pid) {
		execve(path, argv, env);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
		fail(path);
	return now() - begin;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	path = argv[1];
	return turns(op);
}
