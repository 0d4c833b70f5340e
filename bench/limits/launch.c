/* launch UID COMMAND...: starts a command as that user and waits for its success; its streams are /dev/null. */
#define _GNU_SOURCE
#include "turn.h"
#include <fcntl.h>
#include <grp.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char **command;
static posix_spawn_file_actions_t streams;

static double op(int caller)
{
	(void)caller;
	pid_t pid;
	int status;
	double begin = now();
	if (posix_spawnp(&pid, command[0], &streams, NULL, command, environ) || waitpid(pid, &status, 0) < 0)
		fail(command[0]);
	double took = now() - begin;
	if (status) {
		fprintf(stderr, "%s ended with wait status %x\n", command[0], status);
		exit(1);
	}
	return took;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	gid_t gid = atoi(argv[1]);
	if (gid && (setgroups(1, &gid) || setresgid(gid, gid, gid) || setresuid(gid, gid, gid)))
		fail("setresuid");
	command = argv + 2;
	posix_spawn_file_actions_init(&streams);
	for (int fd = 0; fd < 3; fd++)
		posix_spawn_file_actions_addopen(&streams, fd, "/dev/null", O_RDWR, 0);
	return turns(op);
}
