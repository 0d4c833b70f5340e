/*
 * One call of a command: docs/wire.md. A client asks, may cancel, and may die; the helper starts the command, answers, and
 * may be killed; the connection tells each of the other's end. What must hold: the command starts at most once; the client
 * has exactly one outcome; and when client or helper is gone, so is the command.
 *
 * Bad schemes, each of which must fail: -DWITHOUT_AT_MOST_ONCE, -DWITHOUT_PARENT_DEATH, -DWITHOUT_CLIENT_DEATH.
 */
mtype = { CALL, CANCEL, RET }
mtype = { notYet, answered, unknown }

chan up = [3] of { mtype }
chan down = [2] of { mtype }
bit client = 1, helper = 1, command, ended
byte started, outcomes
mtype outcome = notYet

proctype Client() {
	bit asked;
	bit again;
call:	up ! CALL;
wait:	if
	:: atomic { down ? RET -> outcome = answered; outcomes++ }
	:: atomic { !helper && empty(down) ->
#ifdef WITHOUT_AT_MOST_ONCE
		if
		:: !again -> again = 1; helper = 1; run Helper(); goto call
		:: else
		fi;
#endif
		outcome = unknown; outcomes++ }
	:: !asked -> asked = 1; up ! CANCEL; goto wait
	:: client = 0; goto gone	/* SIGKILL */
	fi;
	assert(outcomes == 1);
	client = 0;
gone:	skip
}

proctype Command() {
	bit endless;
	if
	:: endless = 0
	:: endless = 1
	fi;
	!endless || ended;	/* its cgroup is killed, or its parent has died */
	command = 0
}

proctype Helper() {
	bit mortal;	/* somebody will kill it */
	if
	:: mortal = 0
	:: mortal = 1
	fi;
	do
	:: atomic { up ? CALL -> started++; assert(started == 1); ended = 0; command = 1; run Command() }; break
	:: !client && empty(up) -> goto done
	:: mortal -> goto killed
	od;
	do
	:: atomic { up ? CANCEL -> ended = 1 }
	:: !command -> if :: down ! RET :: !client fi; break
#ifndef WITHOUT_CLIENT_DEATH
	:: atomic { !client -> ended = 1 }; !command; break
#endif
	:: mortal -> goto killed
	od;
	do	/* until the connection ends */
	:: up ? CANCEL
	:: !client -> goto done
	:: mortal -> goto killed
	od;
killed:	atomic {
#ifndef WITHOUT_PARENT_DEATH
		ended = 1;
#endif
		helper = 0
	};
	goto gone;
done:	helper = 0;
gone:	skip
}

init {
	atomic { run Client(); run Helper() }
}

ltl ends { [] ((!client || !helper) -> <> !command) }
