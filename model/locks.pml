/*
 * The lock of one name between processes: docs/locks.md, lockutils. spin(1) looks at every order of events.
 *
 * Two worlds of locks, OFD and flock, on each of two inodes: the file that is there first, and the one that is made after it
 * was removed. Two processes of ours take both locks; each has one thread that waits in the kernel (adoption) and one waiter,
 * who may leave. oslo takes the OFD lock alone, and runs flock(1) on the same file while it holds it. A remover removes
 * the file while it holds both.
 *
 * Bad schemes, each of which must fail: -DWITHOUT_GIVING_BACK, -DWITHOUT_INODE_CHECK, -DWITHOUT_ADOPTION.
 */
#define OURS 2

bit ofd[2], fl[2]      /* held, by inode */
bit here               /* the inode that the path leads to */
byte inside            /* of ours, in what the lock protects */
bit waits[OURS], granted[OURS], over[OURS]

inline take(which) { atomic { which == 0 -> which = 1 } }

inline acquire(my) {
	do
	:: my = here;
#ifdef WITHOUT_GIVING_BACK
		take(fl[my]);
		take(ofd[my]);
#else
		take(ofd[my]);
		do
		:: atomic { fl[my] == 0 -> fl[my] = 1 }; break
		:: fl[my] != 0 ->
			ofd[my] = 0;
			take(fl[my]);
			if
			:: atomic { ofd[my] == 0 -> ofd[my] = 1 }; break
			:: ofd[my] != 0 -> fl[my] = 0; take(ofd[my])
			fi
		od;
#endif
#ifdef WITHOUT_INODE_CHECK
		break
#else
		if
		:: my == here -> break
		:: my != here -> fl[my] = 0; ofd[my] = 0
		fi
#endif
	od
}

inline release(my) { fl[my] = 0; ofd[my] = 0 }

/* The thread that waits in the kernel: whom it waited for may have left. */
proctype thread(byte id) {
	bit my;
	acquire(my);
	atomic {
		if
		:: waits[id] -> granted[id] = 1
#ifdef WITHOUT_ADOPTION
		:: !waits[id] -> goto ended
#else
		:: !waits[id] -> skip
#endif
		fi
	}
	if
	:: granted[id] -> over[id]
	:: !granted[id]
	fi;
	release(my);
ended:	skip
}

proctype waiter(byte id) {
	waits[id] = 1;
	run thread(id);
	if
	:: atomic { granted[id] -> inside++ };
		assert(inside == 1);
		inside--;
		over[id] = 1
	:: atomic { !granted[id] -> waits[id] = 0 }	/* its context ends */
	fi
}

proctype oslo() {
	bit my;
	my = here;
	take(ofd[my]);
	take(fl[my]);	/* flock(1), which the holder runs */
	fl[my] = 0;
	ofd[my] = 0
}

proctype remover() {
	bit my;
	acquire(my);
	atomic { here = 1 - my };
	release(my)
}

init {
	atomic { run waiter(0); run waiter(1); run oslo(); run remover() };
	_nr_pr == 1;
	assert(!ofd[0] && !ofd[1] && !fl[0] && !fl[1])
}
