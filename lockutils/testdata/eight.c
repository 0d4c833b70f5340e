// The eight calls of an uncontended lock, as a C program makes them. Prints nanoseconds a round.
//   eight FILE ROUNDS
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	long rounds = atol(argv[2]);
	struct timespec start, end;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (long i = 0; i < rounds; i++) {
		struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		struct stat open_file, named;
		int fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK, 0600);
		if (fd < 0 || fcntl(fd, F_OFD_SETLK, &l) || flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &open_file) ||
		    lstat(argv[1], &named) || open_file.st_ino != named.st_ino)
			return 1;
		l.l_type = F_UNLCK;
		if (flock(fd, LOCK_UN) || fcntl(fd, F_OFD_SETLK, &l) || close(fd))
			return 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.0f\n", ((end.tv_sec - start.tv_sec) * 1e9 + (end.tv_nsec - start.tv_nsec)) / rounds);
	return 0;
}
