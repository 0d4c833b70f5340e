/* locks FILE: the eight calls of an uncontended lock that both flock(2) and fcntl(2) see. */
#define _GNU_SOURCE
#include "turn.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static char *path;

static double op(int caller)
{
	(void)caller;
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct stat open_file, named;
	double begin = now();
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &l) || flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &open_file) ||
	    lstat(path, &named) || open_file.st_ino != named.st_ino)
		fail(path);
	l.l_type = F_UNLCK;
	if (flock(fd, LOCK_UN) || fcntl(fd, F_OFD_SETLK, &l) || close(fd))
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
