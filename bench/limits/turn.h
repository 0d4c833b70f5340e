/* turn.h: a program that is measured turn by turn (internal/turn/doc.go). op does what is measured once, for one of several
 * threads, and returns its nanoseconds. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

struct turn_thread {
	pthread_t id;
	int caller;
	double until, (*op)(int);
	double *each;
	long n, room;
};

static void *turn_play(void *arg)
{
	struct turn_thread *t = arg;
	do {
		if (t->n == t->room) {
			t->room = t->room ? 2 * t->room : 4096;
			t->each = realloc(t->each, t->room * sizeof *t->each);
			if (!t->each)
				fail("realloc");
		}
		t->each[t->n++] = t->op(t->caller);
	} while (now() < t->until);
	return NULL;
}

static int turns(double (*op)(int))
{
	int callers, milliseconds;
	while (scanf("%d %d", &callers, &milliseconds) == 2) {
		struct turn_thread *t = calloc(callers, sizeof *t);
		double begin = now();
		for (int i = 0; i < callers; i++) {
			t[i].caller = i;
			t[i].op = op;
			t[i].until = begin + milliseconds * 1e6;
			if (callers == 1) /* no second thread: it would change what a fork costs */
				turn_play(&t[i]);
			else if (pthread_create(&t[i].id, NULL, turn_play, &t[i]))
				fail("pthread_create");
		}
		for (int i = 0; callers > 1 && i < callers; i++)
			pthread_join(t[i].id, NULL);
		printf("%.0f", now() - begin);
		for (int i = 0; i < callers; i++) {
			for (long j = 0; j < t[i].n; j++)
				printf(" %.0f", t[i].each[j]);
			free(t[i].each);
		}
		free(t);
		printf("\n");
		fflush(stdout);
	}
	return 0;
}
