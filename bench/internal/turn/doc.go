// Package turn lets programs be measured turn by turn, A B A B, so that what else the machine does meets all alike.
//
// A program that is measured is a process of its own, written in whatever language its subject is. For each line "CALLERS
// MILLISECONDS" on standard input it repeats its operation in so many threads for so long, and answers with one line: the
// nanoseconds of the turn, then those of each operation. It ends with its input. limits/turn.h and peers/turn.py are the same
// for C and Python.
package turn
